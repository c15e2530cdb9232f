"""What requests and answers look like: read with the requests, shown on the OpenAPI page.

A pair's texts are not checked here but by :mod:`judge.formats.pairs`, as those of a file are: a bad
pair of a list fails alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, WithJsonSchema

from judge.errors import FailureReason
from judge.hostile import Flags
from judge.infer.engines.protocol import Mode
from judge.infer.pairwise import Orders
from judge.reward import Preference, Scored
from judge.serve.refusal import Kind
from judge.verdict import Order

_TEXT = {"type": "string"}
_SOME_TEXT = {"type": "string", "minLength": 1}
_ID = {"type": ["string", "integer"]}
_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _TEXT},
    "required": ["type", "text"],
}
_MESSAGE = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {"anyOf": [_TEXT, {"type": "array", "items": _PART}, {"type": "null"}]},
        "tool_calls": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["role", "content"],
}
_PROMPT = {"anyOf": [_SOME_TEXT, {"type": "array", "items": _MESSAGE, "minItems": 1}]}
_PAIR = {
    "type": "object",
    "properties": {
        "pair_id": _ID,
        "prompt": _PROMPT,
        "response_1": _SOME_TEXT,
        "response_2": _SOME_TEXT,
    },
    "required": ["prompt", "response_1", "response_2"],
}
_RESPONSE = {
    "type": "object",
    "properties": {"prompt": _PROMPT, "response": _TEXT},
    "required": ["prompt", "response"],
}
IdField = Annotated[Any, WithJsonSchema(_ID)]
TextField = Annotated[Any, WithJsonSchema(_SOME_TEXT)]
PromptField = Annotated[Any, WithJsonSchema(_PROMPT)]
PairField = Annotated[Any, WithJsonSchema(_PAIR)]
ResponseField = Annotated[Any, WithJsonSchema(_RESPONSE)]


class Shape(BaseModel):
    """A JSON object that has these fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Options(Shape):
    """How the pairs of a request are judged."""

    mode: Mode | None = None
    """`justify` writes why, `verdict` reads the strength alone; null: as the server was started."""
    orders: Orders | None = None
    """`both` judges a second time with the responses exchanged; null: as the server was started."""


class PairRequest(Options):
    """One pair to judge."""

    pair_id: IdField = None
    """Comes back with the answer; without one it is `row-1`."""
    prompt: PromptField
    """A text, or the messages of a conversation that ends with the user's or a tool's."""
    response_1: TextField
    response_2: TextField
    stream: StrictBool = False
    """Answer with server-sent events: the elaboration while it is written, then the judgment."""


class PairsRequest(Options):
    """Pairs to judge."""

    pairs: list[PairField]
    """Rows as in a file of pairs; columns that a judge must not see are ignored."""
    stream: Literal[False] = False
    """Only one pair's elaboration can be streamed."""


class RewardsRequest(Shape):
    """Responses to give rewards; all of them are scored together, and no others with them."""

    model: str | None = None
    """The reward model, by the name that the server was started with; null: the only one."""
    responses: list[ResponseField]
    """Prompts and a response to each."""


def allow_empty_responses(shapes: dict[str, Any]) -> None:
    """Take out of the descriptions of requests, by name, that a response has some text."""
    of_one = shapes[PairRequest.__name__]["properties"]
    of_list = shapes[PairsRequest.__name__]["properties"]["pairs"]["items"]["properties"]
    for fields in (of_one, of_list):
        for name in ("response_1", "response_2"):
            fields[name] = {k: v for k, v in fields[name].items() if k != "minLength"}


class VerdictRecord(Shape):
    """What the judge said in one order, in the names of that order."""

    strength: int
    """-3..3 without 0; negative: the response shown first is better."""
    statement: str
    elaboration: str | None
    """null in `verdict` mode."""
    thinking: str | None = None
    """What a reasoning model wrote before; missing where it wrote none."""
    log_probs: list[float | None] | None
    """Natural logarithms of the probabilities of the strengths -3 -2 -1 1 2 3; null in the list:
    impossible; null: the engine gives none."""
    off_grammar: float | None
    """Probability of other words where the statement branches."""
    finish_reason: Literal["read", "stop", "forced"]
    prompt_tokens: int
    completion_tokens: int


class JudgmentRecord(Shape):
    """A pair's judgment: the object of a line of `judgments.jsonl`."""

    pair_id: str
    preference: Preference | None
    strength: int | None
    """-3..3, negative: response_1 is better; 0: no preference."""
    probability: float | None
    """P(response_1 better)."""
    consistent: bool | None
    """Whether both orders chose the same response; null when one was judged."""
    statement: str | None
    elaboration: str | None
    orders: dict[Order, VerdictRecord]
    rewards: dict[str, list[float]]
    """For each reward model, the rewards of response_1 and response_2."""
    scorers: dict[str, Scored] = {}
    """For each reward model what follows from its rewards, or why it has none."""
    neutralised: int
    """Literal `@Response` names in the pair's text that were made harmless."""
    flags: Flags = {}
    """What the responses do besides answering: claims about the other one, imitated system messages
    and responses; left out where they do nothing of the kind."""


class FailureRecord(Shape):
    """Why a pair has no judgment: the object of a line of `failures.jsonl`."""

    line: int
    """Place in the request, from 1."""
    pair_id: str | None
    reason: FailureReason
    detail: str
    order: Order | None


class FailedPair(Shape):
    """The answer for a pair of a list that has no judgment, a response that has no reward."""

    failure: FailureRecord


class Results(Shape):
    """The answer to a list: for each pair, in order, its judgment or its failure."""

    results: list[JudgmentRecord | FailedPair]


class RewardRecord(Shape):
    """What a reward model gives one response."""

    reward: float
    attributes: dict[str, float] = {}
    """Of a model with several outputs, each one's value; the reward is their weighted sum."""


class Rewarded(Shape):
    """The answer to a request for rewards."""

    model: str
    identity: str
    """As in `/v1/models`: another one means that the rewards are those of another model."""
    results: list[RewardRecord | FailedPair]
    """For each response, in order."""


class ErrorRecord(Shape):
    """Why a request was refused."""

    type: Kind
    message: str


class ErrorAnswer(Shape):
    """The answer to a request that has no judgment, whatever the reason."""

    error: ErrorRecord
    failure: FailureRecord | None = None
    """What became of the one pair of the request (`failed`)."""


class State(Shape):
    """How the server is."""

    status: Literal["ok", "ready", "stopping", "failing"]


class ModelRecord(BaseModel):
    """What judges: the engine's own description, as in a run folder's `config.json`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    id: str
    object: Literal["model"] = "model"
    context: int
    """The most tokens of a prompt and its completion."""
    template: str
    """Prompt template and the hash of its text."""
    mode: Mode
    """What a request gets that asks for none; likewise `orders`."""
    orders: Orders
    streams: bool
    """Whether `stream` shows the elaboration while it is written, or the judgment alone."""
    scorers: list[str]


class ScorerRecord(BaseModel):
    """A reward model: its own description, as in a run folder's `config.json`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    id: str
    """The name that requests for rewards have for it."""
    object: Literal["model"] = "model"
    kind: Literal["reward"] = "reward"
    identity: str
    """A hash of all that its rewards depend on."""
    outputs: list[str]
    weights: dict[str, float]
    """The reward is the sum of weight x output."""


class ModelList(Shape):
    """The models of this server: the judge, then the reward models."""

    object: Literal["list"] = "list"
    data: list[ModelRecord | ScorerRecord]

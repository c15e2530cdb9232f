"""The seam between answering and whatever runs a model: conversations in, answers out.

Prompts go as token ids, so that text of a prompt never becomes a control token; a server that chats
makes its own (:mod:`judge.infer.engines.server.writer`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from judge.conversation import ConversationBuilder
from judge.errors import RowError, UsageError
from judge.infer.engines.protocol import Counts
from judge.infer.engines.thought import unended
from judge.infer.overlong import SLACK, beginnings
from judge.models import attributes_known
from judge.pair import Message
from judge.runs.responses import Finish
from judge.steering import attribute_line, read_attributes, without_lines
from judge.thinking import Marks, Reply, known_marks, part

if TYPE_CHECKING:
    from judge.respond_config import RespondConfig


@dataclass(frozen=True)
class Drawing:
    """How answers are written."""

    max_new_tokens: int = 1024
    """The most tokens of an answer, its thinking included."""
    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Above a temperature of 0, only the likeliest tokens that have so much probability together
    are drawn."""
    opening: str = ""
    """What every answer's turn opens with: its line of attributes (:mod:`judge.steering`)."""

    def describe(self) -> dict[str, Any]:
        """Return what an engine says of how it writes."""
        return {name: value for name, value in vars(self).items() if value or name != "opening"}


def drawing_of(config: RespondConfig) -> Drawing:
    """Return how a configuration wants answers written.

    Raises:
        UsageError: as :func:`opening_of`.
    """
    options = config.max_new_tokens, config.temperature, config.top_p
    return Drawing(*options, opening_of(config))


def opening_of(config: RespondConfig) -> str:
    """Return the line of attributes that a model is told; what is not named has its default.

    Raises:
        UsageError: for attributes that the model was not trained to be told.
    """
    if config.attributes is None:
        return ""
    known, asked = attributes_known(config.model), read_attributes(config.attributes)
    if not known:
        raise UsageError(
            f"model {config.model} was not trained to be told attributes (its judge.json names"
            " none); `judge align sft` with `attributes` trains one"
        )
    for name in asked:
        if name not in known:
            raise UsageError(f"model {config.model} knows {', '.join(known)}, not {name}")
    return attribute_line(known | asked)


@dataclass(frozen=True)
class Waiting:
    """A conversation that waits for an answer."""

    messages: tuple[Message, ...]
    seed: int
    """Of its own draws, so that its neighbours do not matter to it."""


@dataclass(frozen=True)
class Answer:
    """What a model wrote, never empty."""

    text: str
    finish: Finish
    tokens: int | None
    """That it wrote, thinking and the token that ends its turn included; None: not known."""
    thinking: str | None = None
    neutralised: int = 0
    """Chat markers in the conversation that were broken up."""


class Writer(Protocol):
    """Runs one model, and writes in one way."""

    name: str
    counts: Counts

    def write(self, waiting: Sequence[Waiting]) -> list[Answer | RowError]:
        """Return one answer a conversation, in their order, or why there is none."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines the answers (model, its digest, dtype, limits)."""
        ...

    def sizes(self, waiting: Sequence[Waiting]) -> list[int | RowError | None]:
        """Return the tokens of each conversation, or why it gets no answer; None: not known."""
        ...


class Speech:
    """Conversations and answers in the tokens of one model.

    Args:
        tokenizer: with a chat template.
        options: of the chat template.
        context: the most tokens a conversation and its answer may have together.
        drawing: how answers are written.
    """

    def __init__(
        self, tokenizer: Any, options: Mapping[str, Any], context: int, drawing: Drawing
    ) -> None:
        self.tokenizer = tokenizer
        self.builder = ConversationBuilder(tokenizer, options)
        self.drawing = drawing
        self.context = context
        self.longest = context - drawing.max_new_tokens
        """The most tokens of a conversation."""
        added = tokenizer.get_added_vocab()
        marks = {added[t] for m in known_marks(added) for t in (m.opening, m.closing)}
        if drawing.opening and self.builder.opened(("user",)) is not None:
            raise UsageError(
                "the chat template opens a thought where the attributes are to stand; see"
                " --chat-template-kwargs"
            )
        self.ends = frozenset((self.builder.control_ids - marks) | {tokenizer.eos_token_id})
        """The tokens one of which ends an answer: all that control but the marks of thinking."""

    def prompts(self, waiting: Sequence[Waiting]) -> list[list[int] | RowError]:
        """Return the ids of each conversation, its answer's turn opened, or why it has none."""
        given = [one.messages for one in waiting]
        if self.drawing.opening:
            given = [without_lines(messages) for messages in given]
        hopeless = [self._hopeless(messages) for messages in given]
        rest = [messages for messages, error in zip(given, hopeless, strict=True) if not error]
        built = iter(self._build(rest))
        return [self._fit(next(built)) if error is None else error for error in hopeless]

    def opened(self, waiting: Waiting) -> Marks | None:
        """Return the marks of the thinking that a conversation's prompt leaves open."""
        return self.builder.opened([message.role for message in waiting.messages])

    def answer(self, tokens: Sequence[int], opened: Marks | None) -> Answer | RowError:
        """Return the answer that a model wrote.

        Args:
            tokens: as it wrote them, up to the one that ends its turn.
            opened: marks of the thinking that its prompt left open.
        """
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        text = self.tokenizer.decode(list(tokens[:end]), clean_up_tokenization_spaces=False)
        written = len(tokens) if end is None else end + 1
        finish: Finish = "length" if end is None else "stop"
        return answer_of(part(text, opened), finish, written)

    def _build(self, conversations: list[tuple[Message, ...]]) -> list[list[int] | RowError]:
        try:
            return list(self.builder.prompts(conversations, self._openings(len(conversations))))
        except RowError:  # one conversation spoils the call: ask for each by itself
            return [self._build_one(messages) for messages in conversations]

    def _build_one(self, messages: tuple[Message, ...]) -> list[int] | RowError:
        try:
            return self.builder.prompts([messages], self._openings(1))[0]
        except RowError as error:
            return error

    def _openings(self, count: int) -> list[str]:
        return [self.drawing.opening] * count

    def _hopeless(self, messages: tuple[Message, ...]) -> RowError | None:
        """Return the failure of a conversation whose beginning alone is too long."""
        short = beginnings([message.content for message in messages], self.longest)
        if short is None:
            return None
        cut = tuple(
            message.model_copy(update={"content": content})
            for message, content in zip(messages, short, strict=True)
        )
        built = self._build_one(cut)
        if isinstance(built, RowError) or len(built) <= self.longest + SLACK:
            return None
        return self._too_long(f"more than {self.longest + SLACK}")

    def _fit(self, prompt: list[int] | RowError) -> list[int] | RowError:
        if isinstance(prompt, RowError) or len(prompt) <= self.longest:
            return prompt
        return self._too_long(f"{len(prompt)}")

    def _too_long(self, tokens: str) -> RowError:
        return RowError(
            "prompt_too_long",
            f"{tokens} tokens; the limit is {self.longest}: a context of {self.context} less"
            f" {self.drawing.max_new_tokens} for the answer (--max-new-tokens)",
        )


def answer_of(
    reply: Reply, finish: Finish, tokens: int | None, neutralised: int = 0
) -> Answer | RowError:
    """Return the answer that a reply is, or the failure that it has none."""
    if not reply.ended:
        if finish == "length" and tokens is not None:
            return unended(tokens)
        return RowError("empty_response", "the model ended in the middle of its thinking")
    if not reply.answer.strip():
        after = " after its thinking" if reply.thinking else ""
        return RowError("empty_response", f"the model wrote nothing{after}")
    if "\0" in reply.answer:  # which no reader of answers takes, ours neither
        place = reply.answer.index("\0") + 1
        return RowError("nul_character", f"the model wrote a NUL at character {place}")
    text = reply.answer if reply.thinking is None else reply.answer.strip()
    return Answer(text, finish, tokens, reply.thinking, neutralised)

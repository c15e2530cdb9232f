"""Servers as people meet them: what each takes, refuses and says, as its documents or reports do.

Each is a :class:`tests.fault_server.Server` with the manners of one kind; its source is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from judge.verdict import render_statement
from tests.fault_server import Request, Server, Wire, http

Check = Callable[[Mapping[str, Any]], tuple[int, Any] | None]
"""Status and body of a refusal of a chat's fields, None where they are taken."""


@dataclass(frozen=True)
class Kind:
    """One kind of server."""

    name: str
    refuses: Check = lambda body: None
    choice: Mapping[str, Any] | None = None
    """What its choices have besides, or instead; None removes a field."""
    listed: Any = None
    """Its list of models; None: as vLLM's, a number: a status."""
    adapted: Sequence[str] = ()
    """What a run at temperature 0 is told, and at 0.7: how each line begins."""
    adapted_drawn: Sequence[str] | None = None
    """The same at 0.7, where that is more."""
    model: str = "judge"
    path: str = ""
    """What stands behind the address."""
    header: str = "authorization"
    """What carries the key."""


def openai(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    }


def _gpt5(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    if "max_tokens" in body:
        return 400, openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if body.get("temperature", 1) != 1:
        return 400, openai(
            f"Unsupported value: 'temperature' does not support {body['temperature']} with this"
            " model. Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    return None


def _mistral(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    if "seed" in body:
        problem = {"type": "extra_forbidden", "loc": ["body", "seed"], "input": body["seed"]}
        return 422, {"detail": [{**problem, "msg": "Extra inputs are not permitted"}]}
    return None


def _seed_of_32_bits(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    if body.get("seed", 0) >= 1 << 31:
        return 400, openai(f"Invalid value for 'seed': {body['seed']} is out of range for int32")
    return None


def _serde(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    """A server in Rust: its parser says no more than where."""
    if body.get("seed", 0) >= 1 << 32:
        said = f"invalid value: integer `{body['seed']}`, expected u32 at line 1 column 215"
        return (
            422,
            f"Failed to deserialize the JSON body into the target type: seed: {said}".encode(),
        )
    return None


def _silent(*names: str) -> Check:
    """Refuses fields without a word on which."""

    def check(body: Mapping[str, Any]) -> tuple[int, Any] | None:
        return (400, openai("Bad request")) if any(name in body for name in names) else None

    return check


def _at_least(least: int) -> Check:
    def check(body: Mapping[str, Any]) -> tuple[int, Any] | None:
        most = body["max_tokens"]
        return None if most >= least else (400, openai(
            f"Invalid 'max_tokens': integer below minimum value. Expected a value >= {least}, but"
            f" got {most} instead.", "max_tokens", "integer_below_min_value",
        ))  # fmt: skip

    return check


def _at_most(limit: int) -> Check:
    def check(body: Mapping[str, Any]) -> tuple[int, Any] | None:
        most = body["max_tokens"]
        return None if most <= limit else (400, openai(
            f"max_tokens is too large: {most}. This model supports at most {limit} completion"
            f" tokens, whereas you provided {most}.", "max_tokens",
        ))  # fmt: skip

    return check


def _litellm(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    names = [name for name in ("temperature", "seed") if name in body]
    if names:
        said = f"litellm.UnsupportedParamsError: bedrock does not support parameters: {names}"
        return 400, openai(f"{said}, for model=judge. To drop these, set `drop_params=True`")
    return None


def _tgi(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    if body.get("temperature", 1) <= 0:
        said = "Input validation error: `temperature` must be strictly positive"
        return 422, {"error": said, "error_type": "validation"}
    return None


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}], "closed": True},
    {"type": "text", "text": f"It is longer.\n{render_statement(-1)}"},
]
LEFT_OUT = "temperature 0 is left out"
DRAWN_AT = "temperature 0.7 is left out"
KINDS = [
    # platform.openai.com, reasoning models; reports on gpt-5 in evaluation tools
    Kind("OpenAI's newer models", _gpt5, adapted=[LEFT_OUT], adapted_drawn=[DRAWN_AT]),
    # docs.mistral.ai: its name is random_seed
    Kind("Mistral", _mistral, adapted_drawn=["seed is left out"]),
    Kind("seeds of 32 bits", _seed_of_32_bits, adapted_drawn=["seeds are cut to 31 bits"]),
    Kind("seeds of a Rust server", _serde, adapted_drawn=["seeds are cut to 31 bits"]),
    Kind("no seed, without a word", _silent("seed"), adapted_drawn=["seed is left out"]),
    Kind(
        "no temperature, without a word",
        _silent("temperature"),
        adapted=[LEFT_OUT],
        adapted_drawn=[DRAWN_AT],
    ),
    Kind(
        "neither, without a word",
        _silent("temperature", "seed"),
        adapted=[LEFT_OUT],
        adapted_drawn=[DRAWN_AT, "seed is left out"],
    ),
    Kind("max_completion_tokens, without a word", _silent("max_tokens")),
    Kind("at least 512 tokens", _at_least(512), adapted=["max_tokens is 512, not 256"]),
    Kind("at most 100 tokens", _at_most(100), adapted=["max_tokens is 100, not 256"]),
    Kind(
        "LiteLLM",  # docs.litellm.ai: wildcards in the list, parameters of other providers
        _litellm,
        listed={"data": [{"id": "openai/*"}, {"id": "bedrock/*"}]},
        model="bedrock/judge",
        adapted=[LEFT_OUT],
        adapted_drawn=[DRAWN_AT, "seed is left out"],
    ),
    Kind(
        "older TGI",  # github.com/huggingface/text-generation-inference
        _tgi,
        choice={"finish_reason": "eos_token", "logprobs": None},
        adapted=[LEFT_OUT],
        adapted_drawn=[],
    ),
    # docs.mistral.ai, reasoning: content in parts
    Kind("Magistral", choice={"message": {"role": "assistant", "content": PARTS}}),
    # docs.together.ai: a bare list, and its own word for the end
    Kind("Together", choice={"finish_reason": "eos"}, listed=[{"id": "judge", "object": "model"}]),
    # ai.google.dev, OpenAI compatibility: names of models with a prefix
    Kind(
        "Gemini",
        choice={"finish_reason": "STOP"},
        listed={"object": "list", "data": [{"id": "models/judge"}]},
    ),
    Kind("no finish reason", choice={"finish_reason": None}),
    Kind("no index", choice={"index": None}),
    Kind("no list of models", listed=404),
    Kind("a page for a list of models", listed=(200, b"<html>Welcome</html>")),
    # docs.ollama.com/api/openai-compatibility
    Kind("Ollama", listed={"object": "list", "data": [{"id": "judge:latest"}]}),
    # learn.microsoft.com, Azure OpenAI: the deployment is in the path
    Kind(
        "Azure",
        _gpt5,
        listed=404,
        path="/openai/deployments/judge?api-version=2024-10-21",
        header="api-key",
        adapted=[LEFT_OUT],
        adapted_drawn=[DRAWN_AT],
    ),
]


def serve(kind: Kind, server: Server, key: str | None = None) -> None:
    """Give ``server`` the manners of a kind; it only chats."""
    server.takes_ids = server.obeys = False
    server.models = (kind.model,)
    server.fault = lambda request: _answer(kind, server, request, key)


def _answer(kind: Kind, server: Server, request: Request, key: str | None) -> Wire | None:
    wanted = f"Bearer {key}" if kind.header == "authorization" else key
    path, _, query = request.path.partition("?")
    right = kind.path.partition("?")
    if key is not None and request.headers.get(kind.header) != wanted:
        return _send(401, openai("Incorrect API key provided"))
    if query != right[2] or not path.startswith(right[0]):
        return _send(404, openai("Resource not found"))
    if path.endswith("/models"):
        if kind.listed is None:
            return None
        if isinstance(kind.listed, int):
            return _send(kind.listed, {"detail": "Not Found"})
        return _send(*kind.listed) if isinstance(kind.listed, tuple) else _send(200, kind.listed)
    if not path.endswith("/chat/completions"):
        return _send(404, openai("Unknown request URL"))
    refusal = kind.refuses(request.body)
    if refusal is not None:
        return _send(*refusal)
    status, reply = server._chat(request)
    for choice in reply["choices"]:
        choice.update(kind.choice or {})
        for name in [name for name, value in choice.items() if value is None]:
            if name != "finish_reason":
                del choice[name]
    return _send(status, reply)


def _send(status: int, body: Any) -> Wire:
    data = body if isinstance(body, bytes) else orjson.dumps(body)

    def wire(transport: asyncio.Transport, reply: bytes) -> None:
        transport.write(http(status, data))

    return wire


def longer(request: Request) -> str:
    """A judge that prefers the longer response of :func:`tests.scripted.row`."""
    first = request.text.find("First answer") < request.text.find("@Response 2:\n")
    return f"It is longer.\n{render_statement(-1 if first else 1)}"

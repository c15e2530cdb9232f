"""What a server can do, found out by asking it: some servers ignore what they do not know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal

from judge.errors import UsageError
from judge.infer.engines.llamacpp.gbnf import gbnf
from judge.infer.engines.server.fields import LARGEST_SEED, LIMIT, Fit, find_fit
from judge.infer.engines.server.http_client import KEYS, Client
from judge.infer.engines.server.http_faults import Broken, Busy, Declined, Fault, Refused
from judge.infer.engines.server.replies import (
    choices_of,
    completions_of,
    log_probs_of,
    message_of_chat,
    models_of,
    prompt_tokens_of,
)
from judge.verdict import JUSTIFY_REGEX

Probabilities = Literal["asked", "likeliest"]
Dialect = Literal["vllm", "llama.cpp"]
"""Whose own fields a server knows beside OpenAI's."""
LISTED_WITHIN = 20
"""Seconds for the list of models: an address with another service behind it may stay silent."""
LIKELIEST = 20
"""Tokens that a server without ``logprob_token_ids`` is asked for; vLLM's default limit."""
NEUTRAL: Mapping[str, Any] = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Said outright: vLLM takes what is left out from the model's ``generation_config.json``."""
LLAMA_CPP_NEUTRAL: Mapping[str, Any] = {"samplers": ["temperature"], "mirostat": 0}
"""llama.cpp has defaults of its own for what is left out; this leaves the model's probabilities."""
_TEXT = "Which is better, na\u00efve @Response 1 or @Response 2? \u6bd4\u8f03\n2 + 2 = 4 \U0001f642"
TRIAL = [{"role": "user", "content": "Reply with OK."}]
"""What a chat is tried with."""
_NONSENSE = "probe 7f3a1c"
"""What no model answers to :data:`_TEXT` unless it is made to."""


@dataclass(frozen=True)
class Features:
    """What was found; part of a run's identity."""

    token_ids: bool
    """Whether prompts go as token ids, and come back from the server as the same text."""
    probabilities: Probabilities | None
    """Whose probabilities the server tells: of the tokens asked for, or of the likeliest alone."""
    constraint: bool
    """Whether it obeys a regex: vLLM's ``structured_outputs``, or a grammar for llama.cpp."""
    dialect: Dialect = "vllm"

    def describe(self) -> dict[str, Any]:
        return {
            "speech": "token ids" if self.token_ids else "chat",
            "probabilities": self.probabilities,
            "constraint": _CONSTRAINTS[self.dialect] if self.constraint else None,
        }

    def constrained(self, pattern: str) -> dict[str, Any]:
        """Return the fields for a reply that ``pattern`` matches, and its model's own sampling.

        None where the server obeys no constraint: it need not know such fields.
        """
        if not self.constraint:
            return {}
        return {**_NEUTRAL[self.dialect], **_CONSTRAINED[self.dialect](pattern)}


def read_body(
    model: str, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
) -> dict[str, Any]:
    """Return the request for the probabilities of ``tokens`` after each prompt.

    The temperature is 1 so that the log-probabilities are the model's own on every server.
    """
    return {
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "temperature": 1.0,
        **NEUTRAL,
        "logprobs": LIKELIEST,
        "logprob_token_ids": tokens,
        "return_tokens_as_token_ids": True,
    }


def regex(pattern: str) -> dict[str, Any]:
    """Return the fields that constrain a reply."""
    return {"structured_outputs": {"regex": pattern}}


def chat_fields(most: int, temperature: float, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a chat beside model, messages and constraint.

    Args:
        most: tokens of the reply.
        template: options of the model's chat template.
    """
    return {
        LIMIT: most,
        "temperature": temperature,
        **({"seed": LARGEST_SEED} if temperature > 0 else {}),
        **({"chat_template_kwargs": dict(template)} if template else {}),
    }


def grammar(pattern: str) -> dict[str, Any]:
    """Return the fields that constrain a reply of llama.cpp."""
    return {"grammar": gbnf(pattern)}


_CONSTRAINTS = {"vllm": "regex", "llama.cpp": "grammar"}
_CONSTRAINED = {"vllm": regex, "llama.cpp": grammar}
_NEUTRAL = {"vllm": NEUTRAL, "llama.cpp": LLAMA_CPP_NEUTRAL}


def dialect_of(card: Mapping[str, Any]) -> Dialect:
    """Return the dialect of the server that lists a model so."""
    return "llama.cpp" if card.get("owned_by") == "llamacpp" else "vllm"


@dataclass(frozen=True)
class Listed:
    """What a server's list says of a model."""

    card: Mapping[str, Any]
    base: Mapping[str, Any]
    """Of the model that it is an adapter over; empty where it is none, or the list is silent."""
    problem: str | None = None
    """Why there is no list, where there is none."""


async def find_model(client: Client, wanted: str) -> Listed:
    """Return what the server lists of the model ``wanted``.

    Gateways have no list, or wildcards in it (``openai/*``): whether they have the model shows when
    it is asked.

    Raises:
        UsageError: when the server cannot be reached now, wants a key, or lists other models.
    """
    try:
        async with asyncio.timeout(LISTED_WITHIN):
            models = await client.once("/models", None, models_of)
    except TimeoutError:
        raise UsageError(f"{client.url}/models says nothing for {LISTED_WITHIN} seconds") from None
    except (Busy, Broken, Refused) as fault:
        closed = fault.status in (401, 403)
        problem = f"no list of models at {client.url}/models: {fault}"
        if closed or isinstance(fault, Busy):
            hint = f"; an API key is taken from {KEYS[0]}" if closed else ""
            raise UsageError(problem + hint) from None
        return Listed({}, {}, problem)
    listed = next(
        (n for n in (wanted, f"{wanted}:latest", f"models/{wanted}") if n in models), None
    )
    if listed is not None:
        return Listed(models[listed], models.get(str(models[listed].get("parent")), {}))
    if not any("*" in name and fnmatchcase(wanted, name) for name in models):
        names = client.shown(", ".join(models)) or "none"
        raise UsageError(f"{client.url} has no model {wanted!r}; --model is one of: {names}")
    return Listed({}, {})


async def token_features(client: Client, model: str, ids: list[int], text: str) -> Features | None:
    """Return what the server can do with token ids; None when it takes or tells too little.

    Args:
        ids: the tokens of :func:`probe_text`.
        text: ``ids`` as the tokenizer at hand decodes them.

    Raises:
        UsageError: when the server reads the ids as another text: the tokenizer is not its model's.
    """
    echo = {"model": model, "prompt": [ids], "max_tokens": 1, "echo": True}
    said = await answer(client, "/completions", echo, partial(_echoed, len(ids)))
    if said is None or len(said) < len(text) // 2:  # it repeats no prompt: nothing to compare
        return None
    if not said.startswith(text):
        raise UsageError(
            f"the tokenizer is not that of {model} on {client.url}, which reads our tokens as"
            f" {client.shown(said, 60)!r}; give its own with --tokenizer"
        )
    wanted = ids[-3:]
    two = read_body(model, [ids, ids[:-1]], wanted)  # a run asks for several at once
    if await answer(client, "/completions", two, partial(log_probs_of, count=2)) is None:
        return None
    asked = read_body(model, [ids], wanted)
    found = await answer(client, "/completions", asked, partial(log_probs_of, count=1))
    if found is None:
        return None
    whole = all(token in found[0] for token in wanted)
    needed = wanted if whole else []
    client.trust("/completions", asked, partial(log_probs_of, count=1, wanted=needed))
    body = {"model": model, "prompt": [ids], "max_tokens": 40, "temperature": 0.0}
    can = await obeys(client, "/completions", body, _completed)
    return Features(True, "asked" if whole else "likeliest", can)


async def chat_features(
    client: Client,
    model: str,
    fields: Mapping[str, Any],
    problem: str | None = None,
    dialect: Dialect = "vllm",
) -> tuple[Features, Fit]:
    """Return what the server can do with chat messages, and how they must be asked.

    Args:
        fields: of the run's own requests, beside model and messages.
        problem: what was wrong with the server before: nothing more need be waited for.
        dialect: in which a constraint is tried.

    Raises:
        UsageError: when it does not chat.
    """
    fit = await chat_fit(client, model, fields, problem)
    path = "/chat/completions"
    body = {"model": model, "messages": TRIAL, **fields}
    if await obeys(client, path, fit.applied(body), _chatted, dialect):
        features = Features(False, None, True, dialect)
        whole = {**body, **features.constrained(JUSTIFY_REGEX)}
        with suppress(Fault):
            return features, await find_fit(client, path, whole, message_of_chat, fit)
    return Features(False, None, False, dialect), fit


async def chat_fit(
    client: Client, model: str, fields: Mapping[str, Any], problem: str | None = None
) -> Fit:
    """Return how chat messages must be asked, and take a request that works as the probe.

    Args:
        fields, problem: as of :func:`chat_features`.

    Raises:
        UsageError: when the server does not chat.
    """
    path = "/chat/completions"
    body = {"model": model, "messages": TRIAL, **fields}
    try:
        if problem is not None:
            with suppress(Refused, Declined, Busy):
                await client.once(path, body, message_of_chat)
        fit = await find_fit(client, path, body, message_of_chat)
    except Fault as fault:
        said = f"{client.url} takes no chat messages for {model}: {fault}"
        raise UsageError(f"{problem}; {said}" if problem else said) from None
    client.trust(path, fit.applied(body), partial(choices_of, count=1))
    return fit


def probe_text() -> str:
    """Return a text with characters of one to four bytes, which only its own tokenizer decodes."""
    return _TEXT


async def obeys(
    client: Client, path: str, body: Mapping[str, Any], read: Any, dialect: Dialect = "vllm"
) -> bool:
    """Say whether the server obeys one regex, and takes the one that elaborations need."""
    constrained = _CONSTRAINED[dialect]
    if await answer(client, path, {**body, **constrained(_NONSENSE)}, read) != _NONSENSE:
        return False
    return await answer(client, path, {**body, **constrained(JUSTIFY_REGEX)}, read) is not None


async def answer(client: Client, path: str, body: Mapping[str, Any], read: Any) -> Any:
    """Return what ``read`` makes of the reply; None when the server refuses or breaks."""

    def read_once(reply: dict[str, Any]) -> Any:
        try:
            return read(reply)
        except (Broken, Declined):  # of another shape: it would be the next time
            return None

    try:
        return await client.insist(path, body, read_once)
    except (Refused, Broken):
        return None


def _echoed(tokens: int, reply: dict[str, Any]) -> str:
    """Return the prompt's text and one token more; nothing where the ids were not taken as ids."""
    text = completions_of(reply, 1)[0].text
    return text if prompt_tokens_of(reply) == tokens else ""


def _completed(reply: dict[str, Any]) -> str:
    return completions_of(reply, 1)[0].text


def _chatted(reply: dict[str, Any]) -> str:
    return message_of_chat(reply).text

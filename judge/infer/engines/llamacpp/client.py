"""What llama.cpp's own server, ``llama-server``, is asked, and how its replies are read.

Beside an OpenAI-compatible interface it has one of its own, below the root of its address. Source:
``tools/server/README.md`` of llama.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from judge.errors import UsageError
from judge.infer.engines.server.features import LLAMA_CPP_NEUTRAL, Features, answer, grammar, obeys
from judge.infer.engines.server.http_client import Client
from judge.infer.engines.server.http_faults import Broken, Declined, Refused
from judge.infer.engines.server.replies import (
    IMPOSSIBLE,
    ROUNDING,
    Completion,
    choices_of,
    prompt_tokens_of,
)

LIKELIEST = 100
"""Tokens whose probabilities are told; those further down are asked for by a bias."""
AHEAD = 100.0
"""A bias that puts tokens before all others and leaves float32 five decimals of their logits."""
ITS_OWN: Mapping[str, Any] = {**LLAMA_CPP_NEUTRAL, "cache_prompt": True}
"""The model's own probabilities; what a slot has computed is not computed again."""
_ENDS = {"eos": True, "word": True, "limit": False}
_FIELDS = ("content", "tokens", "stop_type", "truncated")


@dataclass(frozen=True)
class Place:
    """What the server has room for."""

    slots: int
    """Prompts that it works on at once; each slot keeps the tokens of its last prompt."""
    context: int
    """The most tokens of a prompt and its completion."""


def below_root(client: Client, path: str) -> str:
    """Return the address of ``path`` in the server's own interface."""
    return f"{client.url.removesuffix('/v1')}{path}"


def write_body(
    prompt: Sequence[int], tokens: int, banned: Iterable[int], pattern: str | None
) -> dict[str, Any]:
    """Return the request for a completion of its own interface.

    Args:
        tokens: the most that the model may write.
        banned: tokens that it never writes.
        pattern: regex of what it writes; None for anything.
    """
    return {
        "prompt": prompt,
        "n_predict": tokens,
        "temperature": 0.0,
        **ITS_OWN,
        "logit_bias": [[token, False] for token in banned],
        "return_tokens": True,
        "response_fields": _FIELDS,
        **({} if pattern is None else grammar(pattern)),
    }


def completion_of(reply: Mapping[str, Any]) -> Completion:
    """Return what was written for :func:`write_body`."""
    text, ids, end = reply.get("content"), reply.get("tokens"), reply.get("stop_type")
    if not isinstance(text, str) or not isinstance(ids, list) or end not in _ENDS:
        raise Broken("a completion without content, tokens or stop_type", end)
    if not all(type(token) is int and token >= 0 for token in ids):
        raise Broken("a completion whose tokens are not token ids")
    if reply.get("truncated"):
        raise Declined("prompt_too_long", "the server dropped tokens of the prompt")
    return Completion(text, _ENDS[end], ids, 0, len(ids))


def read_body(model: str, prompts: Sequence[Sequence[int]], ahead: Iterable[int]) -> dict[str, Any]:
    """Return the request for the probabilities of the likeliest tokens after each prompt.

    They are those before any bias.

    Args:
        ahead: tokens one of which the model is to write, since it must write something: the server
            fails where that is half a character.
    """
    return {
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "temperature": 1.0,
        **ITS_OWN,
        "logit_bias": [[token, AHEAD] for token in ahead],
        "logprobs": LIKELIEST,
    }


def log_probs_of(reply: Mapping[str, Any], count: int) -> list[dict[int, float]]:
    """Return for each of ``count`` prompts log-probabilities of its next token, by token id.

    They are the model's own over the whole vocabulary, and those of its likeliest tokens.
    """
    found = []
    for choice in choices_of(reply, count):
        log_probs = _by_id(choice, "top_logprobs", "logprob")
        total = math.fsum(math.exp(value) for value in log_probs.values())
        if not 0 < total <= 1 + ROUNDING:
            raise Broken(f"probabilities whose sum is {total:.4g}")
        found.append({t: -math.inf if v <= IMPOSSIBLE else v for t, v in log_probs.items()})
    return found


def ahead_body(
    model: str, prompts: Sequence[Sequence[int]], ahead: Sequence[int]
) -> dict[str, Any]:
    """Return the request for the probabilities of ``ahead`` among themselves, by a bias."""
    body = read_body(model, prompts, ahead)
    return {**body, "logprobs": len(ahead), "post_sampling_probs": True}


def among_of(
    reply: Mapping[str, Any], anchors: Sequence[tuple[int, float]]
) -> list[dict[int, float]]:
    """Return log-probabilities over the whole vocabulary, read from a reply to `ahead_body`.

    Args:
        anchors: for each prompt a token that was put ahead, too, and its log-probability.
    """
    found = []
    for choice, (anchor, known) in zip(choices_of(reply, len(anchors)), anchors, strict=True):
        probs = _by_id(choice, "top_probs", "prob")
        if not 0 < probs.get(anchor, 0) <= 1 + ROUNDING or min(probs.values()) < 0:
            raise Broken("probabilities without that of a token that was put ahead")
        found.append(
            {
                token: known + math.log(prob / probs[anchor]) if prob else -math.inf
                for token, prob in probs.items()
            }
        )
    return found


async def find_place(client: Client) -> Place:
    """Return what the server has room for; one slot of unknown length where it does not say."""
    try:
        return await client.once(below_root(client, "/props"), None, _place_of)
    except (Refused, Broken):
        return Place(1, 0)


async def token_features(
    client: Client, model: str, ids: list[int], text: str, banned: Iterable[int]
) -> Features | None:
    """Return what the server can do with token ids; None when it takes or tells too little.

    Args:
        ids: the tokens of :func:`judge.infer.engines.server.features.probe_text`.
        text: ``ids`` as the tokenizer at hand decodes them.
        banned: tokens that the model never writes.

    Raises:
        UsageError: when the server reads the ids as another text: the tokenizer is not its model's.
    """
    said = await answer(client, below_root(client, "/detokenize"), {"tokens": ids}, _content)
    if said is None:
        return None
    if said.split() != text.split():
        raise UsageError(
            f"the tokenizer is not that of {model} on {client.url}, which reads our tokens as"
            f" {client.shown(said, 60)!r}; give its own with --tokenizer"
        )
    wanted = ids[2:5]  # whole characters: the server fails a reply that ends within one
    asked, read = read_body(model, [ids], wanted), partial(_counted, len(ids))
    found = await answer(client, "/completions", asked, read)
    if found is None:
        return None
    client.trust("/completions", asked, partial(log_probs_of, count=1))
    anchor = max(found[0].items(), key=lambda item: item[1])
    tokens = [*wanted, anchor[0]]
    among = partial(among_of, anchors=[anchor])
    whole = await answer(client, "/completions", ahead_body(model, [ids], tokens), among)
    asks = whole is not None and all(token in whole[0] for token in wanted)
    body = write_body(ids, 40, banned, None)
    can = await obeys(client, below_root(client, "/completion"), body, _written, "llama.cpp")
    return Features(True, "asked" if asks else "likeliest", can, "llama.cpp")


def _by_id(choice: Mapping[str, Any], listed: str, name: str) -> dict[int, float]:
    """Return the numbers that a choice tells of its first token, by token id.

    Args:
        listed: where the tokens are listed.
        name: of the number in each entry.
    """
    try:
        entries = choice["logprobs"]["content"][0][listed]
        found = {entry["id"]: entry[name] for entry in entries}
    except (KeyError, TypeError, IndexError):
        raise Broken("a choice without probabilities by token id") from None
    if not found or len(found) < len(entries):
        raise Broken("no token's probability, or one's twice")
    if not all(type(token) is int and token >= 0 for token in found):
        raise Broken("probabilities of values that are not tokens")
    if not all(type(value) in (int, float) and math.isfinite(value) for value in found.values()):
        raise Broken("values that are not probabilities")
    return found


def _counted(tokens: int, reply: Mapping[str, Any]) -> list[dict[int, float]]:
    if prompt_tokens_of(reply) != tokens:
        raise Broken("a prompt of token ids that was not taken as such")
    return log_probs_of(reply, 1)


def _written(reply: Mapping[str, Any]) -> str:
    return completion_of(reply).text


def _content(reply: Mapping[str, Any]) -> str:
    text = reply.get("content")
    if not isinstance(text, str):
        raise Broken("a reply without content")
    return text


def _place_of(reply: Mapping[str, Any]) -> Place:
    settings = reply.get("default_generation_settings")
    slots, context = reply.get("total_slots"), (settings or {}).get("n_ctx")
    if type(slots) is not int or type(context) is not int or slots < 1 or context < 1:
        raise Broken("properties without total_slots and n_ctx")
    return Place(slots, context)

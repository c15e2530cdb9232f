"""The replies of an OpenAI-compatible server, read strictly: what is not as asked is broken."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from judge.infer.engines.server.http_faults import Broken, Declined

IMPOSSIBLE = -9999.0
"""What vLLM writes for the logarithm of 0."""
_TOKEN = re.compile(r"token_id:(0|[1-9][0-9]{0,9})")
"""A token's name, which is one way of writing one number."""
_OF_MODELS = ("root", "parent", "max_model_len")
ROUNDING = 1e-2
_MOST_TOKENS = 1 << 40
"""A count beyond is none."""
_ENDED = ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete")
_CUT = ("length", "max_tokens", "max_length")
"""How servers call the end that a model came to, and that of its tokens; in whatever case."""
_FILTERED = ("content_filter", "safety", "recitation", "prohibited_content", "blocklist")
_THINKING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""Fields of a message that hold its thinking; a server that fills several repeats it."""
_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
"""Kinds of parts that do."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote."""

    text: str
    ended: bool
    """Whether it came to its own end, not to that of its tokens."""
    token_ids: list[int] | None
    """None where the server does not say."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    thinking: str | None = None
    """What the model wrote before, where the server keeps it apart."""


def models_of(reply: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the models that a server lists by their names."""
    cards = reply.get("data", reply.get("models"))
    if not isinstance(cards, list) or not all(_is_card(card) for card in cards):
        raise Broken("a list of models that is not one")
    models: dict[str, dict[str, Any]] = {}
    for card in cards:  # balancers list a model once for each server behind them
        known = models.setdefault(card["id"], card)
        if any(known.get(name) != card.get(name) for name in _OF_MODELS):
            raise Broken("a list that has a model twice, differently", card["id"])
    return models


def choices_of(reply: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the choices for ``count`` prompts in the order of the prompts.

    Nothing is guessed: a choice too many, an index twice or one that is no whole number is broken.
    """
    if reply.get("error"):
        raise Broken("an error with status 200", reply["error"])
    found = reply.get("choices")
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        raise Broken("a reply without choices")
    numbers = [choice.get("index") for choice in found]
    if count == 1 and numbers == [None]:
        return found
    if not _are_ids(numbers) or sorted(numbers) != list(range(count)):
        raise Broken(f"choices for other prompts than the {count} asked", numbers)
    by_index = dict(zip(numbers, found, strict=True))
    return [by_index[index] for index in range(count)]


def prompt_tokens_of(reply: Mapping[str, Any]) -> int | None:
    """Return how many tokens the server counted in the prompts; None where it does not say."""
    return _count(reply, "prompt_tokens")


def completions_of(
    reply: Mapping[str, Any], count: int, limit: int | None = None
) -> list[Completion]:
    """Return what was written for ``count`` prompts of ``/completions``.

    Args:
        limit: the most tokens that were asked for.
    """
    return [
        _completion(choice, choice.get("text"), {}, limit) for choice in choices_of(reply, count)
    ]


def message_of_chat(reply: Mapping[str, Any], limit: int | None = None) -> Completion:
    """Return what was written for ``/chat/completions``.

    Args:
        limit: the most tokens that were asked for.

    Raises:
        Declined: ``refused`` where the server or the model says so in a field of its own.
    """
    (choice,) = choices_of(reply, 1)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Broken("a choice without a message")
    if message.get("refusal"):
        raise Declined("refused", "the model refused", message["refusal"])
    text, thinking = _content(message.get("content"))
    apart = next((t for name in _THINKING if (t := message.get(name))), None)
    thoughts = [_text_of(apart), *thinking]
    said = _completion(choice, text, reply, limit)
    return replace(said, thinking="\n\n".join(t.strip() for t in thoughts if t.strip()) or None)


def _content(content: Any) -> tuple[Any, list[str]]:
    """Return the text of a message's content, a text or a list of parts, and its thinking.

    Raises:
        Broken: for a part of another kind, as an image.
        Declined: ``refused`` for a part that is a refusal.
    """
    if content is None:
        return "", []
    if not isinstance(content, list):
        return content, []
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "output_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in _THOUGHTS:
            thoughts.append(_text_of(part))
        elif kind == "refusal":
            raise Declined("refused", "the model refused", part.get("refusal"))
        else:
            raise Broken("a part of a message that is not text", kind if kind else part)
    return "".join(texts), thoughts


def _text_of(value: Any, depth: int = 8) -> str:
    """Return the texts in a field or part that holds thinking, joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [value.get(name) for name in ("thinking", "text", "summary", "content")]
    if not isinstance(value, list) or not depth:
        return ""
    return "\n".join(text for item in value if (text := _text_of(item, depth - 1)))


def log_probs_of(
    reply: Mapping[str, Any], count: int, wanted: Iterable[int] = ()
) -> list[dict[int, float]]:
    """Return for each of ``count`` prompts the log-probabilities of its next token, by token id.

    They are the model's own over the whole vocabulary; the reply holds some of the tokens.

    Args:
        wanted: the tokens that no reply may lack.
    """
    found = [_log_probs(choice) for choice in choices_of(reply, count)]
    if any(token not in log_probs for log_probs in found for token in wanted):
        raise Broken("log-probabilities of other tokens than those asked for")
    return found


def _completion(
    choice: Mapping[str, Any], text: Any, reply: Mapping[str, Any], limit: int | None
) -> Completion:
    ids = choice.get("token_ids")
    if not isinstance(text, str) or not (ids is None or _are_ids(ids)):
        raise Broken("a choice without usable text or token ids")
    written = len(ids) if ids else _count(reply, "completion_tokens")
    ended = _ended(choice.get("finish_reason"))
    if ended is None:  # the server does not say: whoever wrote all that was allowed was cut
        ended = limit is None or written is None or written < limit
    return Completion(text, ended, ids, _count(reply, "prompt_tokens") or 0, written or 0)


def _ended(said: Any) -> bool | None:
    """Return whether a reply came to its own end, not to that of its tokens; None where unsaid."""
    if said is None:
        return None
    end = said.lower() if isinstance(said, str) else ""
    if end in _FILTERED:
        raise Declined("refused", "the server's content filter stopped the reply")
    if end not in (*_ENDED, *_CUT):
        raise Broken("a reply that ended for another reason than stop or length", said)
    return end in _ENDED


def _log_probs(choice: Mapping[str, Any]) -> dict[int, float]:
    try:
        (first,) = choice["logprobs"]["top_logprobs"]
        found = {_token(name): _log_prob(value) for name, value in first.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise Broken("a choice without log-probabilities by token id") from None
    total = math.fsum(math.exp(value) for value in found.values())
    if total > 1 + ROUNDING:
        raise Broken(f"probabilities whose sum is {total:.4g}")
    return found


def _token(name: str) -> int:
    match = _TOKEN.fullmatch(name)
    if match is None:
        raise ValueError(name)
    return int(match[1])


def _log_prob(value: Any) -> float:
    if isinstance(value, bool | str):
        raise ValueError(value)
    number = float(value)
    if math.isnan(number) or number > ROUNDING:
        raise Broken("a value that is not a log-probability", value)
    return -math.inf if number <= IMPOSSIBLE else number


def _count(reply: Mapping[str, Any], name: str) -> int | None:
    usage = reply.get("usage")
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _are_ids(ids: Any) -> bool:
    return isinstance(ids, list) and all(type(i) is int and i >= 0 for i in ids)


def _is_card(card: Any) -> bool:
    return isinstance(card, dict) and isinstance(card.get("id"), str)

"""One message, however its source writes it, and conversations that came as a transcript.

Roles and contents are those of OpenAI's chat format (content parts, tool calls), ShareGPT's
``from`` and ``value``, and HH-RLHF's transcripts ("Human:", "Assistant:"). Nothing is left out of a
message without a word: what a judge of texts cannot see (an image) is a failure.
"""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from judge.errors import FailureReason, RowError
from judge.formats.values import kind, shown, text
from judge.pair import Message, Role

ROLES: dict[str, Role] = {
    **{role: role for role in get_args(Role)},
    "developer": "system",  # OpenAI's newer name for it
    "human": "user",
    "prompter": "user",
    **dict.fromkeys(
        ("gpt", "chatgpt", "bing", "bard", "model", "bot", "function_call"), "assistant"
    ),
    **dict.fromkeys(("function", "observation", "ipython"), "tool"),
}
"""What sources call the four roles. Sources: OpenAI's API reference, ShareGPT's exports,
LLaMA-Factory's data/README.md, OpenAssistant."""
_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = ("thinking", "reasoning")
_BEGINS = re.compile(r"\s*Human:")
_SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):(?: |(?=\n)|\Z)")


def is_message(value: Any) -> bool:
    """Say whether a value has the fields of a message."""
    return isinstance(value, dict) and ("role" in value or "from" in value)


def message(name: str, value: Any, reason: FailureReason) -> Message:
    """Return one message of the field ``name``.

    Raises:
        RowError: for ``reason``, when it is no object of a known role and of content that is text.
    """
    if not isinstance(value, dict):
        raise RowError(reason, f"{name} holds {kind(value)}, expected messages")
    given = value.get("role")
    by_from = given is None and value.get("from") is not None
    given = value.get("from") if by_from else given
    role = ROLES.get(given.lower()) if isinstance(given, str) else None
    if role is None:
        known = "system, developer, user, assistant, tool"
        raise RowError(reason, f"{name} has the role {shown(given)}, expected {known}")
    content = value.get("value" if by_from else "content")
    said = None if content is None else _content(name, content, reason)
    if given == "function_call" and said is not None:
        said = f"[tool call] {said}"
    calls = [_call(name, call, reason) for call in _calls(value)]
    if said is None and not calls:
        said = value.get("refusal")  # OpenAI: content is null where a model refuses
    if said is None and not calls:
        raise RowError(reason, f"{name} has a message of {kind(content)}, expected text")
    whole = "\n".join(part for part in (said, *calls) if part)
    return Message(role=role, content=text(name, whole))


def _content(name: str, content: Any, reason: FailureReason) -> str:
    """Return a message's text: itself, or its parts' joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RowError(reason, f"{name} has a message of {kind(content)}, expected text")
    return "".join(_part(name, part, reason) for part in content)


def _part(name: str, part: Any, reason: FailureReason) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise RowError(reason, f"{name} has a part that is {kind(part)}, expected text")
    what = part.get("type") or ("text" if "text" in part else None)
    if what in _THOUGHTS and isinstance(thought := part.get(what) or part.get("text"), str):
        return f"<think>\n{thought}\n</think>\n"
    if what not in _TEXTS:
        raise RowError(
            reason, f"{name} has a part of the type {shown(what)}; a judge of texts sees text parts"
        )
    said = part.get("text")
    if said is not None and not isinstance(said, str):
        raise RowError(reason, f"{name} has a text part of {kind(said)}, expected text")
    return said or ""


def _calls(value: dict[str, Any]) -> list[Any]:
    calls = value.get("tool_calls")
    if calls is None:
        calls = value.get("function_call")  # OpenAI's older form, of one call
    if calls is None:
        return []
    return calls if isinstance(calls, list) else [calls]


def _call(name: str, call: Any, reason: FailureReason) -> str:
    """Return a tool call as a line that a judge can read: ``[tool call] name(arguments)``."""
    inner = call.get("function") if isinstance(call, dict) else None
    said = inner if isinstance(inner, dict) else call
    called = said.get("name") if isinstance(said, dict) else None
    if not isinstance(called, str):
        raise RowError(reason, f"{name} has a tool call that is {shown(call)}, expected a name")
    given = said.get("arguments")
    if given is not None and not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False)
    return f"[tool call] {called}({given or ''})"


def transcript(whole: str) -> list[Message] | None:
    """Return the turns of an HH-RLHF transcript, None of any other text.

    One begins with ``Human:`` and has a turn of the assistant, which may be empty where it ends: so
    do prompts. Source: data set card of Anthropic/hh-rlhf.
    """
    if not _BEGINS.match(whole):
        return None
    pieces = _SPEAKER.split(whole)
    if len(pieces) < 5 or pieces[0] or "Assistant" not in pieces[1::2]:
        return None
    return [
        Message(role="user" if who == "Human" else "assistant", content=said)
        for who, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]

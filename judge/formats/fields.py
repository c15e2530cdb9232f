"""One row's fields: the object that a raw row holds, and texts, prompts, responses out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from judge.errors import FailureReason, RowError
from judge.formats.lines import LONGEST_LINE, too_long
from judge.formats.sources import RawRow
from judge.formats.tables import ID_FIELDS
from judge.formats.values import kind as kind
from judge.formats.values import shown as shown
from judge.formats.values import text as text
from judge.pair import Message, parse_prompt

ROLES = ("system", "user", "assistant")


def row_fields(row: RawRow) -> Mapping[str, Any]:
    """Return the fields of a raw row.

    Raises:
        RowError: when it is no object, or its bytes are no JSON or no UTF-8.
    """
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, bytes):
        return row
    if (place := row.find(b"\0")) >= 0:
        raise RowError("nul_character", f"NUL at byte {place + 1} of the line; expected text")
    try:
        fields = json.loads(row.decode().rstrip())
    except UnicodeDecodeError as error:
        found = f"byte 0x{row[error.start]:02x} at {error.start + 1} of the line"
        raise RowError("bad_encoding", f"{found} is no UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        cut = "" if row.endswith(b"\n") else "; the input ends in this line: cut off?"
        raise RowError("bad_json", f"{where}{cut}") from None
    except (ValueError, RecursionError) as error:
        raise RowError("bad_json", " ".join(str(error).split())[:200]) from None
    if not isinstance(fields, dict):
        raise RowError("wrong_type", f"row is {kind(fields)}, expected an object")
    return fields


def given_id(fields: Mapping[str, Any]) -> str | None:
    """Return the row's own id, None where it has none.

    Null and an empty text (a CSV cell left blank) count as no id.

    Raises:
        RowError: when the id is neither a text nor a whole number.
    """
    for name in ID_FIELDS:
        value = fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return text(name, value)
    return None


def response(name: str, value: Any) -> str:
    """Return a response: a text, or a list of one assistant's message.

    Raises:
        RowError: when it is neither, or holds white space only.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        only = message(name, value[0], "wrong_type")
        if only.role == "assistant":
            value = only.content
    content = text(name, value)
    if not content.strip():
        raise RowError("empty_response", f"{name} is {'white space' if content else 'empty'}")
    return content


def prompt(name: str, value: Any) -> tuple[Message, ...]:
    """Return a prompt's messages, the last one the user's: of a text, or of a list of messages.

    Raises:
        RowError: when it is neither, or the user's last message is empty.
    """
    if isinstance(value, list):
        messages = tuple(message(name, item, "bad_prompt") for item in value)
    else:
        messages = parse_prompt(text(name, value))
    if not messages:
        raise RowError("bad_prompt", f"{name} is an empty list, expected messages")
    if messages[-1].role != "user":
        raise RowError(
            "bad_prompt", f"the last message is from the {messages[-1].role}, expected the user"
        )
    if not messages[-1].content.strip():
        raise RowError("bad_prompt", f"{name} {'ends with' if messages[1:] else 'is'} empty text")
    return messages


def message(name: str, value: Any, reason: FailureReason) -> Message:
    """Return one message of the field ``name``.

    Raises:
        RowError: for ``reason``, when it is no object of a known role and a text.
    """
    if not isinstance(value, dict):
        raise RowError(reason, f"{name} holds {kind(value)}, expected messages")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise RowError(reason, f"{name} has the role {shown(role)}, expected {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise RowError(reason, f"{name} has a message of {kind(content)}, expected text")
    return Message(role=role, content=text(name, content))


def check_length(messages: tuple[Message, ...], *responses: str) -> None:
    """Refuse more text than the longest line may hold, whatever format it came in.

    Raises:
        RowError: ``line_too_long``.
    """
    length = sum(len(m.content) for m in messages) + sum(map(len, responses))
    if length > LONGEST_LINE:
        raise too_long(length)

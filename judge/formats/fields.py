"""One row's fields: the object that a raw row holds, and texts, prompts, responses out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from judge.errors import RowError
from judge.formats.lines import LONGEST_LINE, too_long
from judge.formats.messages import is_message, message, transcript
from judge.formats.records import RawRow
from judge.formats.values import ID_FIELDS, without_nan
from judge.formats.values import kind as kind
from judge.formats.values import shown as shown
from judge.formats.values import text as text
from judge.pair import Message, parse_prompt


def _no_nan(constant: str) -> float | None:
    """Return the value of one of JSON's three words for what is not a number."""
    return None if constant == "NaN" else float(constant)


_DECODER = json.JSONDecoder(parse_constant=_no_nan)


def row_fields(row: RawRow) -> Mapping[str, Any]:
    """Return the fields of a raw row; a NaN in it is null, as pandas writes what is not there.

    Raises:
        RowError: when it is no object, or its bytes are no JSON or no UTF-8.
    """
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, bytes):
        return {name: without_nan(value) for name, value in row.items()}
    if (place := row.find(b"\0")) >= 0:
        raise RowError("nul_character", f"NUL at byte {place + 1} of the line; expected text")
    try:
        fields = _DECODER.decode(row.decode().rstrip())
    except UnicodeDecodeError as error:
        found = f"byte 0x{row[error.start]:02x} at {error.start + 1} of the line"
        raise RowError("bad_encoding", f"{found} is not valid UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        cut = "" if row.endswith(b"\n") else "; the input ends in this line: cut off?"
        raise RowError("bad_json", f"{where}{cut}") from None
    except (ValueError, RecursionError) as error:
        raise RowError("bad_json", " ".join(str(error).split())[:200]) from None
    if not isinstance(fields, dict):
        raise RowError("wrong_type", f"row is {kind(fields)}, expected an object")
    return fields


def given_id(fields: Mapping[str, Any], names: Sequence[str] = ID_FIELDS) -> str | None:
    """Return the row's own id, None where it has none.

    Null and an empty text (a CSV cell left blank) count as no id. A number is written without the
    point that pandas gives the whole numbers of a column with gaps: 1.0 is "1".

    Raises:
        RowError: when the id is neither a text nor a whole number.
    """
    for name in names:
        value = fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return text(name, value)
    return None


def response(name: str, value: Any, empty: bool = False) -> str:
    """Return a response: a text, or one assistant's message, alone or as a list of one.

    Args:
        empty: whether one without a word is a response, too.

    Raises:
        RowError: when it is neither, or holds white space only.
    """
    if isinstance(value, list) and len(value) == 1 and is_message(value[0]):
        value = value[0]
    if is_message(value):
        only = message(name, value, "wrong_type")
        if only.role != "assistant":
            found = f"{name} is a message of the {only.role}"
            raise RowError("wrong_type", f"{found}, expected the assistant's")
        value = only.content
    content = text(name, value)
    if not content.strip() and not empty:
        raise RowError("empty_response", f"{name} is {'white space' if content else 'empty'}")
    return content


def prompt(name: str, value: Any) -> tuple[Message, ...]:
    """Return a prompt's messages, the last one the user's: of a text, or of a list of messages.

    Raises:
        RowError: when it is neither, or the user's last message is empty.
    """
    return ends_with_the_user(name, messages_of(name, value))


def messages_of(name: str, value: Any) -> tuple[Message, ...]:
    """Return the messages of a text, or of a list of messages, whoever has the last word.

    Raises:
        RowError: when it is neither, or an empty list.
    """
    if not isinstance(value, list):
        return _turns(text(name, value))
    if not value:
        raise RowError("bad_prompt", f"{name} is an empty list, expected messages")
    return tuple(message(name, item, "bad_prompt") for item in value)


def _turns(whole: str) -> tuple[Message, ...]:
    """Return the turns of a text: HelpSteer2's inline ones, or those of HH-RLHF's prompts.

    The latter end where the assistant's answer would begin; any other transcript is a text.
    """
    turns = transcript(whole)
    if turns is not None and turns[-1].role == "assistant" and not turns[-1].content.strip():
        return tuple(turns[:-1])
    return parse_prompt(whole)


def ends_with_the_user(name: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a conversation that an assistant can answer: the user has the last word, or a tool.

    Raises:
        RowError: ``bad_prompt``, when it is none.
    """
    last = messages[-1]
    if last.role not in ("user", "tool"):
        raise RowError("bad_prompt", f"the last message is from the {last.role}, expected the user")
    if all(message.role != "user" for message in messages):
        raise RowError("bad_prompt", f"{name} has no message from the user")
    if not last.content.strip():
        raise RowError("bad_prompt", f"{name} {'ends with' if messages[1:] else 'is'} empty text")
    return messages


def check_length(messages: tuple[Message, ...], *responses: str) -> None:
    """Refuse more text than the longest line may hold, whatever format it came in.

    Raises:
        RowError: ``line_too_long``.
    """
    length = sum(len(m.content) for m in messages) + sum(map(len, responses))
    if length > LONGEST_LINE:
        raise too_long(length)

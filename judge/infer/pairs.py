"""Rows to pairs: whose field names a row has, and everything that can be wrong with it.

A row's id is its ``pair_id``, else its ``id``, else ``row-<line>``. An id may stand once in an
input, whatever becomes of its row. The fields' names are those of
:data:`judge.infer.tables.SCHEMAS`. RewardBench's names give the position away (``chosen`` becomes
``response_1`` in every row), so such files should be judged in both orders; labels and all other
fields are never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from judge.errors import FailureReason, RowError
from judge.idset import IdSet
from judge.infer.lines import LONGEST_LINE, too_long
from judge.infer.sources import RawRow, Record, Source
from judge.infer.tables import EXPECTED, ID_FIELDS, SCHEMAS
from judge.judgment import Failure
from judge.pair import Message, Pair, parse_prompt

_ROLES = ("system", "user", "assistant")
_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def read_pairs(records: Iterable[Record], seen: IdSet) -> Iterator[tuple[int, Pair | Failure]]:
    """Yield each record's line and its pair, or the failure that it is.

    Args:
        seen: the ids of earlier rows; those of ``records`` are added.
    """
    for record in records:
        yield record.line, read_row(record, seen)


def read_row(record: Record, seen: IdSet) -> Pair | Failure:
    """Return the pair of ``record`` or what is wrong with it; add its id to ``seen``."""
    pair_id: str | None = None
    try:
        fields = _fields(record.row)
        pair_id = _pair_id(fields, record.line)
        if not seen.add(pair_id):
            raise RowError("duplicate_id", f"id {_show(pair_id)} was used before; expected once")
        return _pair(pair_id, fields)
    except RowError as error:
        return Failure(line=record.line, pair_id=pair_id, reason=error.reason, detail=error.detail)


def row_id(record: Record) -> str | None:
    """Return the id of a record, None where it has none that can be read."""
    try:
        return _pair_id(_fields(record.row), record.line)
    except RowError:
        return None


def find_pairs(source: Source, ids: Collection[str]) -> dict[str, Pair]:
    """Return the pairs with these ids, reading ``source`` no further than the last of them."""
    found: dict[str, Pair] = {}
    for _, row in read_pairs(source.records(), IdSet()) if ids else ():
        if isinstance(row, Pair) and row.pair_id in ids:
            found[row.pair_id] = row
            if len(found) == len(ids):
                break
    return found


def _fields(row: RawRow) -> Mapping[str, Any]:
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
        raise RowError(
            "bad_json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise RowError("bad_json", " ".join(str(error).split())[:200]) from None
    if not isinstance(fields, dict):
        raise RowError("wrong_type", f"row is {_kind(fields)}, expected an object")
    return fields


def _pair_id(fields: Mapping[str, Any], line: int) -> str:
    """Return the row's id. Null and an empty text (a CSV cell left blank) count as no id."""
    for name in ID_FIELDS:
        value = fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return _text(name, value)
    return f"row-{line}"


def _pair(pair_id: str, fields: Mapping[str, Any]) -> Pair:
    names = _schema(fields)
    prompt, first, second = (fields[name] for name in names)
    pair = Pair(
        pair_id=pair_id,
        prompt=_prompt(names[0], prompt),
        response_1=_response(names[1], first),
        response_2=_response(names[2], second),
    )
    length = sum(len(m.content) for m in pair.prompt) + len(first) + len(second)
    if length > LONGEST_LINE:
        raise too_long(length)
    if pair.response_1 == pair.response_2:
        raise RowError("identical_responses", f"{names[1]} and {names[2]} are the same text")
    return pair


def _schema(fields: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the field names of this row: the first schema that is whole."""
    for names in SCHEMAS:
        if all(name in fields for name in names):
            return names
    begun = next((n for n in SCHEMAS if n[1] in fields or n[2] in fields), SCHEMAS[0])
    missing = ", ".join(name for name in begun if name not in fields)
    raise RowError("missing_field", f"no {missing}; expected {EXPECTED}")


def _response(name: str, value: Any) -> str:
    """Return a response: a text, or a list of one assistant's message."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        message = _message(name, value[0], "wrong_type")
        if message.role == "assistant":
            value = message.content
    text = _text(name, value)
    if not text.strip():
        raise RowError("empty_response", f"{name} is {'white space' if text else 'empty'}")
    return text


def _prompt(name: str, value: Any) -> tuple[Message, ...]:
    if isinstance(value, list):
        messages = tuple(_message(name, item, "bad_prompt") for item in value)
    else:
        messages = parse_prompt(_text(name, value))
    if not messages:
        raise RowError("bad_prompt", f"{name} is an empty list, expected messages")
    if messages[-1].role != "user":
        raise RowError(
            "bad_prompt", f"the last message is from the {messages[-1].role}, expected the user"
        )
    if not messages[-1].content.strip():
        raise RowError("bad_prompt", f"{name} {'ends with' if messages[1:] else 'is'} empty text")
    return messages


def _message(name: str, value: Any, reason: FailureReason) -> Message:
    if not isinstance(value, dict):
        raise RowError(reason, f"{name} holds {_kind(value)}, expected messages")
    role, content = value.get("role"), value.get("content")
    if role not in _ROLES:
        raise RowError(reason, f"{name} has the role {_show(role)}, expected {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise RowError(reason, f"{name} has a message of {_kind(content)}, expected text")
    return Message(role=role, content=_text(name, content))


def _text(name: str, value: Any) -> str:
    """Return ``value`` when it is a text that every tokenizer and file takes."""
    if not isinstance(value, str):
        raise RowError("wrong_type", f"{name} is {_kind(value)}, expected text")
    if "\0" in value:
        raise RowError("nul_character", f"{name} has a NUL at character {value.index(chr(0)) + 1}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        code = f"U+{ord(value[error.start]):04X}"
        raise RowError(
            "bad_encoding", f"{name} has {code} at character {error.start + 1}, which is no UTF-8"
        ) from None
    return value


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def _show(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

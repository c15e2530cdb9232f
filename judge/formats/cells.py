"""The cells of a table of texts (CSV): which of them stand for messages.

Only such a table has no other way to say a list; elsewhere a text is a text. A column's cells are
all of one kind, so the cells of two responses are messages together or not at all: one response
that happens to be JSON stays the text that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from judge.errors import RowError
from judge.formats.values import CONVERSATIONS, ID_FIELDS, listed

_OPENS = re.compile(
    r"\s*(?:array\()?(?P<list>\[\s*)?\{\s*[\"'](?P<key>role|content|from|value|tool_calls|name)[\"']\s*:"
)
_SPEAKS = re.compile(
    r"[\"'](?:role|from)[\"']\s*:\s*[\"'](?:system|developer|user|human|assistant|gpt|tool)[\"']"
)
_SHAPES: tuple[set[str], ...] = ({"role", "content"}, {"role", "tool_calls"}, {"from", "value"})
_PROMPTS = ("prompt", "question", "input", "context", *CONVERSATIONS)
_SIDES = (
    ("response_1", "response_2"),
    ("chosen", "rejected"),
    ("response_A", "response_B"),
    ("response_a", "response_b"),
    ("conversation_a", "conversation_b"),
    ("response1", "response2"),
    ("output_1", "output_2"),
)
_FLOAT = re.compile(r"\A(\d+)\.0\Z")


def fields_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a table's row: messages as such, ids as whole numbers.

    Raises:
        RowError: ``wrong_type`` for a row of another number of cells than the header, or for a cell
            that opens like a list of messages and is none.
    """
    if len(row) != len(header):
        raise RowError("wrong_type", f"{len(row)} cells, expected the header's {len(header)}")
    fields: dict[str, Any] = dict(zip(header, row, strict=True))
    for names in (*((name,) for name in _PROMPTS), *_SIDES):
        if all(name in fields and _OPENS.match(fields[name]) for name in names):
            found = [_messages(name, fields[name]) for name in names]
            if all(messages is not None for messages in found):
                fields |= zip(names, found, strict=True)
    for name in ID_FIELDS:
        if name in fields:
            fields[name] = _id(fields[name])
    return fields


def _id(cell: str) -> str:
    """Return an id as it was before pandas made a column with gaps one of floats."""
    if cell.casefold() == "nan":
        return ""
    return _FLOAT.sub(r"\1", cell)


def _messages(name: str, cell: str) -> list[Any] | dict[str, Any] | None:
    """Return the messages, or the one, that a cell holds, in JSON or as Python prints it.

    None for any other text, also for one that only quotes messages.
    """
    opened = _OPENS.match(cell)
    alone = opened is not None and opened["list"] is None
    found = listed(f"[{cell}]" if alone else cell)
    if found is None:
        if opened is not None and not alone and _is_torn(cell, opened["key"]):
            raise RowError(
                "wrong_type", f"{name} opens like a list of messages, but is not a whole JSON list"
            )
        return None
    if not all(isinstance(item, dict) and any(s <= item.keys() for s in _SHAPES) for item in found):
        return None
    return found[0] if alone and len(found) == 1 else found


def _is_torn(cell: str, key: str) -> bool:
    """Say whether a cell that is not a list was one: no text goes on after a list that is whole."""
    try:
        json.JSONDecoder().raw_decode(cell.lstrip())
    except (ValueError, RecursionError):
        return key == "content" or _SPEAKS.search(cell) is not None
    return False

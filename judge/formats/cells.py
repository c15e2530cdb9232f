"""The cells of a table of texts (CSV): which of them stand for a list of messages.

Only such a table has no other way to say a list; elsewhere a text is a text. A column's cells are
all of one kind, so the cells of two responses are lists together or not at all: one response that
happens to be JSON stays the text that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from judge.errors import RowError
from judge.formats.values import listed

_OPENS = re.compile(
    r"\s*(?:array\()?\[\s*\{\s*[\"'](?:role|content|from|value|tool_calls|name)[\"']\s*:"
)
_SHAPES: tuple[set[str], ...] = ({"role", "content"}, {"role", "tool_calls"}, {"from", "value"})
_SIDES = (
    ("response_1", "response_2"),
    ("chosen", "rejected"),
    ("response_A", "response_B"),
    ("response_a", "response_b"),
    ("conversation_a", "conversation_b"),
    ("response1", "response2"),
    ("output_1", "output_2"),
)


def fields_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a table's row, lists of messages as such.

    Raises:
        RowError: ``wrong_type`` for a row of another number of cells than the header, or for a cell
            that opens like a list of messages and is none.
    """
    if len(row) != len(header):
        raise RowError("wrong_type", f"{len(row)} cells, expected the header's {len(header)}")
    fields: dict[str, Any] = dict(zip(header, row, strict=True))
    lists = {name for name, cell in fields.items() if _OPENS.match(cell)}
    for one, two in _SIDES:
        if (one in lists) != (two in lists):
            lists -= {one, two}
    for name in lists:
        fields[name] = _messages(name, fields[name])
    return fields


def _messages(name: str, cell: str) -> str | list[Any]:
    """Return the messages that a cell holds, JSON's or Python's; a text that only quotes some."""
    found = listed(cell)
    if found is None:
        try:
            json.JSONDecoder().raw_decode(cell.lstrip())
        except (ValueError, RecursionError):
            raise RowError(
                "wrong_type", f"{name} opens like a list of messages, but is no whole JSON list"
            ) from None
        return cell
    if all(isinstance(item, dict) and any(s <= item.keys() for s in _SHAPES) for item in found):
        return found
    return cell

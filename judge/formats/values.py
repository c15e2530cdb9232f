"""Single values of a row: a text that can be used, a list that came as text, words for people."""

from __future__ import annotations

import ast
from typing import Any

import orjson

from judge.errors import RowError

ID_FIELDS = ("pair_id", "id")
CONVERSATIONS = ("conversations", "conversation", "messages")
"""What stands for ``prompt`` beside two responses in ShareGPT's and similar layouts."""
_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def text(name: str, value: Any) -> str:
    """Return ``value`` when it is a text that every tokenizer and file takes.

    Raises:
        RowError: when it is no text, or holds a NUL or what has no UTF-8 form.
    """
    if not isinstance(value, str):
        raise RowError("wrong_type", f"{name} is {kind(value)}, expected text")
    if "\0" in value:
        raise RowError("nul_character", f"{name} has a NUL at character {value.index(chr(0)) + 1}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        code = f"U+{ord(value[error.start]):04X}"
        raise RowError(
            "bad_encoding",
            f"{name} has {code} at character {error.start + 1}, which is not valid UTF-8",
        ) from None
    return value


def listed(value: Any) -> list[Any] | None:
    """Return a list, also one that came as text: JSON's or Python's, literals only, never code."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return None
    return list(value) if isinstance(value, list | tuple) else None


def without_nan(value: Any) -> Any:
    """Return a value, null where it is NaN, at any depth of its lists and objects."""
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    return value


def kind(value: Any) -> str:
    """Return what a value is, in words for people."""
    return _KINDS.get(type(value), type(value).__name__)


def shown(value: Any) -> str:
    """Return a value as a short ASCII text for people."""
    written = ascii(value)
    return written if len(written) <= 60 else f"{written[:57]}..."

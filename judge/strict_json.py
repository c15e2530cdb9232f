"""JSON that says everything once: an object that names a field twice, differently, says nothing.

Parsers take the last value, or the first; which one was meant, nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn


class Ambiguous(ValueError):
    """A field that stands in one object twice, with two values; ``str()`` is one line.

    Args:
        name: of the field.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the field {json.dumps(name[:80])} is given twice, with two values")
        self.name = name


def loads(text: str | bytes, constant: Callable[[str], Any] | None = None) -> Any:
    """Parse JSON as ``json.loads`` does.

    Args:
        constant: what becomes of NaN and the infinities, which are no JSON; None: an error.

    Raises:
        Ambiguous: for a field that is given twice, with two values.
        ValueError, RecursionError: as ``json.loads``.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=constant or _no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        for name, value in pairs:
            if not _same(value, fields[name]):
                raise Ambiguous(name)
    return fields


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are written alike: 1 is not true, and 1.0 is not 1."""
    return json.dumps(one) == json.dumps(other)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")

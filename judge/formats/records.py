"""A record is one row before anyone looked at its fields, and a source is where records come from.

A resumed run skips records without parsing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from judge.errors import RowError, UsageError

RawRow = bytes | Mapping[str, Any] | RowError
"""A line of JSON, the cells of a table's row, or why there is neither."""


class Record(NamedTuple):
    """One row of the input."""

    line: int
    """From 1: line of a JSON-lines file (blank ones count, but are no records), else row."""
    row: RawRow


class DamagedInput(UsageError):
    """An input that breaks off.

    Args:
        row: the line of the last whole row.
        why: what the reader met.
    """

    def __init__(self, name: Path | str, row: int, error: BaseException) -> None:
        self.row = row
        self.why = (" ".join(str(error).split()) or type(error).__name__)[:200]
        super().__init__(f"{name} is damaged after row {row}: {self.why}; the rows before are used")


class Source(Protocol):
    """An input of rows."""

    def identity(self) -> str:
        """Return what tells this input from another one (a hash of the content, where it can)."""
        ...

    def count(self) -> int | None:
        """Return how many records there are; None where only reading them all would tell."""
        ...

    def records(self) -> Iterator[Record]:
        """Yield the records; memory holds one at a time, but for ``.json``."""
        ...

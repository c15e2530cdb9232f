"""Lines of a byte stream, however long they are, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

from judge.errors import RowError

LONGEST_LINE = 8 << 20
"""Bytes of the longest line that is looked at; of a longer one only the length is."""
_PIECE = 1 << 20


class TooLong(NamedTuple):
    """A line over the limit."""

    length: int
    """Bytes without the newline."""
    quotes: int
    """Quotation marks in it: a table's reader must not lose count of them."""


def bounded_lines(stream: IO[bytes]) -> Iterator[bytes | TooLong]:
    """Yield the lines of ``stream``, newline included.

    One over the limit is read in pieces that are let go again.
    """
    while data := stream.readline(LONGEST_LINE + 1):
        if len(data) <= LONGEST_LINE or data.endswith(b"\n"):
            yield data
            continue
        length, quotes, piece = len(data), data.count(b'"'), data
        while piece and not piece.endswith(b"\n"):
            piece = stream.readline(_PIECE)
            length += len(piece)
            quotes += piece.count(b'"')
        yield TooLong(length - piece.endswith(b"\n"), quotes)


def too_long(length: int) -> RowError:
    """Return the failure of a row of ``length`` bytes."""
    return RowError("line_too_long", f"{length:,} bytes; the limit is {LONGEST_LINE:,}")

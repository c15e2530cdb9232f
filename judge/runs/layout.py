"""The files of one kind of run, and how their lines are told apart without reading them all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

JUDGMENTS, RESPONSES, FAILURES = "judgments.jsonl", "responses.jsonl", "failures.jsonl"
Key = Callable[[bytes], tuple[int, bytes | None]]
_BEGINNING = b'{"pair_id": "'
"""Of every line of judgments."""


@dataclass(frozen=True)
class Layout:
    """The files of one kind of run.

    The functions return the line of the input, or what stands for it (0: the line does not say),
    and the id in UTF-8; a line that is none raises ValueError, KeyError or TypeError.
    """

    results: str
    """The file of results."""
    result: Key
    failure: Key


def leading_id(line: bytes, beginning: bytes) -> bytes:
    """Return the id that a line begins with, without parsing the rest: a resume reads every line.

    Args:
        beginning: of every such line, up to the id's first character.

    Raises:
        ValueError: when it begins otherwise, or is not whole.
    """
    if not line.startswith(beginning) or line[-2:] != b"}\n":
        raise ValueError(line)
    found = line[len(beginning) : line.index(b'"', len(beginning))]
    if b"\\" in found:
        start = len(beginning) - 1
        return _utf8(json.JSONDecoder().raw_decode(line[start:].decode())[0])
    if not found.isascii():
        found.decode()  # raises where it is none
    return found


def _judgment_key(line: bytes) -> tuple[int, bytes | None]:
    return 0, leading_id(line, _BEGINNING)


def _failure_key(line: bytes) -> tuple[int, bytes | None]:
    row = json.loads(line)
    return int(row["line"]), None if row["pair_id"] is None else _utf8(row["pair_id"])


def _utf8(pair_id: str) -> bytes:
    return pair_id.encode("utf-8", "surrogatepass")


JUDGED = Layout(JUDGMENTS, _judgment_key, _failure_key)
"""Of a run of pairs."""

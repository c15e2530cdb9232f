"""What became of one row: its lines of the training set, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from judge.annotated import Split
from judge.pair import Message


@dataclass(slots=True)
class Outcome:
    """The lines a row gave, or the rule that dropped it, and its counts.

    It says nothing of the row's side: that is known only when all rows were read.
    """

    source: str
    dropped: str | None = None
    counts: list[tuple[str, str, int]] = field(default_factory=list)
    """(table of the manifest, entry, number)."""
    lines: list[bytes] = field(default_factory=list)
    """JSON without line ends, for the file of the row's side."""
    disagreement: dict[str, Any] | None = None
    """Our consensus and the released one, where they differ."""

    def count(self, table: str, entry: str, number: int = 1) -> None:
        """Add ``number`` to an entry of the side's ``table`` in the manifest."""
        self.counts.append((table, entry, number))

    def encode(self) -> bytes:
        """Return the outcome as bytes for :meth:`decode`."""
        head = orjson.dumps([self.source, self.dropped, self.counts, self.disagreement])
        return b"\n".join([head, *self.lines])

    @classmethod
    def decode(cls, data: bytes) -> Outcome:
        """Return the outcome that :meth:`encode` made ``data`` of."""
        head, *lines = data.split(b"\n")
        source, dropped, counts, disagreement = orjson.loads(head)
        return cls(source, dropped, counts, lines, disagreement)


class Made(NamedTuple):
    """An outcome with what decides about its place in the sets."""

    row_id: str
    split: Split
    prompt: tuple[Message, ...]
    outcome: Outcome
    others: tuple[str, ...] = ()
    """Ids of the rows that it was made of, where its own is none of theirs."""


def messages(prompt: tuple[Message, ...]) -> list[dict[str, str]]:
    """Return a conversation as the training sets hold it."""
    return [{"role": message.role, "content": message.content} for message in prompt]

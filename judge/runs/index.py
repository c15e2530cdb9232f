"""What a run folder already holds, in little memory: counts, failed lines, ids, the last rows."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from judge.idset import IdSet

_PIECE = 4096
"""Lines whose ids are settled together: a resume reads every line of a folder."""

Scanned = tuple[int, int, bytes | None]
"""A :class:`IndexLine` while a folder is scanned; its id in UTF-8."""


class IndexLine(NamedTuple):
    """A line of ``judgments.jsonl`` or ``failures.jsonl``."""

    offset: int
    """Bytes before it in its file."""
    row: int
    """Line of the input, from 1; 0 for a judgment, which does not say."""
    pair_id: str | None


@dataclass
class RunIndex:
    """What :meth:`judge.runs.folder.RunDir.scan` found.

    The last ``keep`` lines of each file stay in full, their ids not yet in ``seen``: which of them
    belong to an unfinished window shows only when the input is read (:meth:`settle`).
    """

    keep: int
    judged: int = 0
    failed_rows: array[int] = field(default_factory=lambda: array("q"))
    """Input lines of the failures, ascending."""
    seen: IdSet = field(default_factory=IdSet)
    judgments: deque[IndexLine] = field(default_factory=deque)
    failures: deque[IndexLine] = field(default_factory=deque)

    def add_judgments(self, lines: Iterable[Scanned]) -> None:
        self.judged += self._add(self.judgments, lines)

    def add_failures(self, lines: Iterable[Scanned]) -> None:
        def noted() -> Iterator[Scanned]:
            for line in lines:
                self.failed_rows.append(line[1])
                yield line

        self._add(self.failures, noted())

    def failed_between(self, first: int, last: int) -> int:
        """Return how many recorded failures lie on input lines ``first`` to ``last``."""
        return bisect_right(self.failed_rows, last) - bisect_left(self.failed_rows, first)

    def settle(self, judgments: int, failures: int) -> None:
        """Count all but the last ``judgments`` and ``failures`` kept lines as finished rows."""
        for queue, rest in ((self.judgments, judgments), (self.failures, failures)):
            while len(queue) > rest:
                self._finish(queue)

    def _add(self, queue: deque[IndexLine], lines: Iterable[Scanned]) -> int:
        """Keep the last of ``lines``, only the ids of the others; return how many there are."""
        last: list[Scanned] = []
        finished = 0

        def finish() -> None:
            nonlocal finished
            done = last[: max(len(last) - self.keep, 0)]
            del last[: len(done)]
            finished += len(done)
            self.seen.update(pair_id for _, _, pair_id in done if pair_id is not None)

        for line in lines:
            last.append(line)
            if len(last) == self.keep + _PIECE:
                finish()
        finish()
        for offset, row, pair_id in last:
            text = None if pair_id is None else pair_id.decode("utf-8", "surrogatepass")
            queue.append(IndexLine(offset, row, text))
        return finished + len(last)

    def _finish(self, queue: deque[IndexLine]) -> None:
        line = queue.popleft()
        if line.pair_id is not None:
            self.seen.add(line.pair_id)

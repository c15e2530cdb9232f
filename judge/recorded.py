"""What a run folder already holds, in little memory: counts, failed lines, ids, the last rows."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from judge.idset import IdSet


class Line(NamedTuple):
    """A line of ``judgments.jsonl`` or ``failures.jsonl``."""

    offset: int
    """Bytes before it in its file."""
    row: int
    """Line of the input, from 1; 0 for a judgment, which does not say."""
    pair_id: str | None


@dataclass
class Recorded:
    """What :meth:`judge.rundir.RunDir.scan` found.

    The last ``keep`` lines of each file stay in full, their ids not yet in ``seen``: which of them
    belong to an unfinished window shows only when the input is read (:meth:`settle`).
    """

    keep: int
    judged: int = 0
    failed_rows: array[int] = field(default_factory=lambda: array("q"))
    """Input lines of the failures, ascending."""
    seen: IdSet = field(default_factory=IdSet)
    judgments: deque[Line] = field(default_factory=deque)
    failures: deque[Line] = field(default_factory=deque)

    def add_judgment(self, line: Line) -> None:
        self.judged += 1
        self._push(self.judgments, line)

    def add_failure(self, line: Line) -> None:
        self.failed_rows.append(line.row)
        self._push(self.failures, line)

    def failed_between(self, first: int, last: int) -> int:
        """Return how many recorded failures lie on input lines ``first`` to ``last``."""
        return bisect_right(self.failed_rows, last) - bisect_left(self.failed_rows, first)

    def settle(self, judgments: int, failures: int) -> None:
        """Count all but the last ``judgments`` and ``failures`` kept lines as finished rows."""
        for queue, rest in ((self.judgments, judgments), (self.failures, failures)):
            while len(queue) > rest:
                self._finish(queue)

    def _push(self, queue: deque[Line], line: Line) -> None:
        queue.append(line)
        if len(queue) > self.keep:
            self._finish(queue)

    def _finish(self, queue: deque[Line]) -> None:
        line = queue.popleft()
        if line.pair_id is not None:
            self.seen.add(line.pair_id)

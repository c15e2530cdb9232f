"""What a run over rows asks of whoever judges, and tells whoever watches.

Whoever judges (a judge with or without reward models beside it, a reward model alone) is a
:class:`PairJudge`, or :class:`Streamed`; the rest of a run is the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from judge.infer.pairwise import Numbered
from judge.judgment import Failure, Judgment


class PairJudge(Protocol):
    """What turns the pairs of a window into judgments."""

    def judge(self, pairs: Sequence[Numbered]) -> list[Judgment | Failure]:
        """Return a judgment or a failure for each pair, in order."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines the judgments: part of the run's identity."""
        ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what the engine (``judge``) and each scorer did."""
        ...


@runtime_checkable
class Streamed(Protocol):
    """A judge that has several windows in hand at once."""

    def judge_windows(
        self, windows: Iterator[Sequence[Numbered]]
    ) -> Generator[list[Judgment | Failure]]:
        """Yield what :meth:`PairJudge.judge` returns for each window in order, reading ahead."""
        ...

    def describe(self) -> dict[str, Any]: ...

    def counts(self) -> dict[str, dict[str, int]]: ...


class Progress(Protocol):
    """Who watches a run."""

    def start(self, total: int | None, done: int, failed: int) -> None:
        """The model stands ready: of ``total`` rows (None: unknown) so many are done already."""
        ...

    def advance(self, rows: int, failed: int) -> None:
        """So many more rows are written, ``failed`` of them as failures."""
        ...

    def note(self, text: str) -> None:
        """Something to tell a person, in one line."""
        ...


class Unwatched:
    """A progress nobody looks at."""

    def start(self, total: int | None, done: int, failed: int) -> None: ...

    def advance(self, rows: int, failed: int) -> None: ...

    def note(self, text: str) -> None: ...

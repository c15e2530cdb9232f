"""A run over the rows of an input: windows in, windows out, resumable, with flat memory.

What is made of the rows (:class:`Kind`), who makes it (:class:`Worker`) and what is left behind
(:class:`Outcome`) are others' affair: judgments of pairs, answers to prompts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from judge.config_base import InputConfig
from judge.errors import BudgetExceeded, UsageError
from judge.formats.records import Record, Source
from judge.formats.sources import doubtful_end
from judge.idset import IdSet
from judge.infer.interrupts import Interrupts
from judge.infer.protocols import Progress, Unwatched
from judge.infer.resume import IdOf, Position, limited, skip_finished, unrecorded, windows_of
from judge.runs.folder import FAILURES, RunDir
from judge.runs.index import RunIndex
from judge.runs.jsonlines import encode_line
from judge.runs.layout import Layout


class Line(Protocol):
    """What becomes a line of the run folder."""

    def to_json(self) -> dict[str, Any]: ...


Item = TypeVar("Item")
"""What a good row is."""
Failed = TypeVar("Failed", bound=Line)
"""What becomes of a row without a result."""
Result = TypeVar("Result", bound=Line)
Given = TypeVar("Given", contravariant=True)
Ended = TypeVar("Ended", covariant=True)
"""What a run returns: its summary."""


@dataclass(frozen=True)
class Kind(Generic[Item, Failed]):
    """What a run makes of its rows."""

    layout: Layout
    """Of the run folder."""
    read: Callable[[Record, IdSet], Item | Failed]
    """A record to its item, or to what is wrong with it; its id is added to the set."""
    failed: type[Failed]
    id_of: IdOf
    """What the folder calls a record; None where it cannot be read."""
    key: Callable[[Item | Failed], str | None]
    """The same, of a row that was read."""
    times: int = 1
    """Results that a row has."""
    several: Callable[[Iterator[Record]], Iterator[Record]] = iter
    """Turns each record into ``times`` records, their lines ascending."""


class Worker(Protocol[Given, Result, Failed]):
    """Who makes results of items."""

    def work(
        self, windows: Iterator[Sequence[tuple[int, Given]]]
    ) -> Generator[list[Result | Failed]]:
        """Yield a result or failure for each item (with its line) of each window, in order.

        It may read windows ahead.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines the results: part of the run's identity."""
        ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what each model did."""
        ...


@dataclass(frozen=True)
class Ran:
    """What one process did on a run folder, and how long it took."""

    rows: int
    """Rows that it added."""
    done: int
    """Those of them with a result."""
    resumed_after: int
    """Rows that earlier ones had finished."""
    load_seconds: float
    seconds: float
    counts: Mapping[str, dict[str, int]]
    """What each model did."""


class Outcome(Protocol[Ended]):
    """What a run leaves behind besides its lines."""

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        """Pass the records on."""
        ...

    def finished(self) -> Ended | None:
        """Return the summary of a complete run that lies in the folder; None without any."""
        ...

    def summarise(self, complete: bool, ran: Ran) -> Ended:
        """Write the summary of what the folder holds, and return it."""
        ...


def run_rows(
    config: InputConfig,
    source: Source,
    identity: Mapping[str, Any],
    kind: Kind[Item, Failed],
    load: Callable[[], Worker[Item, Result, Failed]],
    outcome_in: Callable[[RunDir], Outcome[Ended]],
    progress: Progress | None = None,
) -> Ended:
    """Do the rows of ``source`` that the run folder lacks, and return the summary.

    The same call after an interruption goes on; the result is byte for byte that of one run. The
    worker is loaded only when there is something to do.

    Args:
        identity: what a resumed run must have in common, besides the input and the worker itself.

    Raises:
        UsageError: when the run cannot start or the input is damaged; what is written stays.
        BudgetExceeded: when more rows failed than ``max_failures``.
        KeyboardInterrupt: on SIGINT and SIGTERM, between two writes.
    """
    identity = {**identity, "input": source.identity()}
    opened = RunDir.open(Path(config.out), config.fresh, kind.layout)
    with Interrupts() as interrupts, opened as folder:
        folder.check(identity)
        recorded = folder.scan(keep=2 * config.window)
        reach = recorded.failed_rows[-1] if recorded.failed_rows else 0
        outcome = outcome_in(folder)
        limit = None if config.limit is None else config.limit * kind.times
        records = outcome.watch(limited(kind.several(source.records()), limit, reach))
        windows = windows_of(records, config.window)
        position = skip_finished(windows, recorded, config.limit is not None, kind.id_of)
        if position.rest is None:
            if not position.rows:
                raise UsageError(f"{config.input} has no rows")
            nothing = Ran(0, 0, position.rows, 0, 0, {})
            return outcome.finished() or outcome.summarise(complete=True, ran=nothing)
        _check_budget(config, len(recorded.failed_rows))
        if progress and (doubt := doubtful_end(source)):
            progress.note(doubt)
        started = time.monotonic()
        worker = load()
        _begin(folder, config, identity, worker.describe())
        shown = progress or Unwatched()
        job = _Job(config, kind, folder, outcome, worker, recorded, interrupts, shown)
        job.load_seconds = time.monotonic() - started
        total = _total(source, config, kind.times) if progress else None
        return job.run(position, total)


def _begin(
    folder: RunDir, config: InputConfig, identity: Mapping[str, Any], resolved: Mapping[str, Any]
) -> None:
    """Make the folder this run's, whose worker describes itself so; its summary is out of date."""
    folder.check(resolved)
    folder.begin(config.model_dump(), {**identity, **resolved})
    folder.drop_summary()


def _total(source: Source, config: InputConfig, times: int) -> int | None:
    count = source.count()
    if count is None:
        return None
    return times * (count if config.limit is None else min(count, config.limit))


def _check_budget(config: InputConfig, failed: int) -> None:
    if config.max_failures is not None and failed > config.max_failures:
        raise BudgetExceeded(
            f"{failed} rows failed, more than --max-failures {config.max_failures};"
            f" see {Path(config.out) / FAILURES}"
        )


@dataclass
class _Job(Generic[Item, Result, Failed, Ended]):
    """One session on a run folder."""

    config: InputConfig
    kind: Kind[Item, Failed]
    folder: RunDir
    outcome: Outcome[Ended]
    worker: Worker[Item, Result, Failed]
    recorded: RunIndex
    interrupts: Interrupts
    progress: Progress
    load_seconds: float = 0.0
    rows: int = 0
    done: int = 0

    def run(self, position: Position, total: int | None) -> Ended:
        """Do the windows of ``position`` and write the summary, also of a run that must stop."""
        failed = len(self.recorded.failed_rows)
        self.progress.start(total, position.rows + position.judged + position.failed, failed)
        failed -= position.failed  # its window is done again
        started = time.monotonic()
        complete = False
        assert position.rest is not None
        try:
            with closing(self._worked(position.rest)) as worked:
                for rows, results in worked:
                    failed += self._write(rows, results, position)
                    _check_budget(self.config, failed)
            complete = True
        except (UsageError, BudgetExceeded):
            with suppress(UsageError):  # a full disk has no room for the summary either
                self._end(position, started, complete)
            raise
        return self._end(position, started, complete)

    def _end(self, position: Position, started: float, complete: bool) -> Ended:
        seconds = time.monotonic() - started
        counts = self.worker.counts()
        ran = Ran(self.rows, self.done, position.rows, self.load_seconds, seconds, counts)
        return self.outcome.summarise(complete, ran)

    def _worked(
        self, windows: Iterator[list[Record]]
    ) -> Generator[tuple[list[Item | Failed], list[Result | Failed]]]:
        """Yield the rows of each window, and the results of those of them that are items."""
        read: deque[list[Item | Failed]] = deque()

        def items() -> Iterator[list[tuple[int, Item]]]:
            for window in windows:
                rows = [self.kind.read(record, self.recorded.seen) for record in window]
                lines = [record.line for record in window]
                window.clear()  # the rows hold their texts; nobody needs the lines beside them
                read.append(rows)
                yield [
                    (line, cast(Item, row))
                    for line, row in zip(lines, rows, strict=True)
                    if not isinstance(row, self.kind.failed)
                ]

        with closing(self.worker.work(items())) as worked:
            for results in worked:
                yield read.popleft(), results

    def _write(
        self,
        rows: list[Item | Failed],
        results: list[Result | Failed],
        position: Position,
    ) -> int:
        """Write one window; return how many of its rows are failures."""
        failures, lines = self._lines(rows, results)
        failed = len(failures)
        with self.interrupts.held():
            if position.judged or position.failed:  # the first window, partly recorded
                position.judged = position.failed = 0
                ids = {self.kind.key(row) for row in rows}
                failures, lines = unrecorded(self.folder, self.recorded, ids, failures, lines)
            self.folder.append(failures, lines)
        self.rows += len(failures) + len(lines)
        self.done += len(lines)
        self.progress.advance(len(failures) + len(lines), len(failures))
        return failed

    def _lines(
        self, rows: list[Item | Failed], results: list[Result | Failed]
    ) -> tuple[list[bytes], list[bytes]]:
        """Return a window's lines of failures and of results."""
        of_items = iter(results)
        failures: list[bytes] = []
        lines: list[bytes] = []
        for row in rows:
            result = row if isinstance(row, self.kind.failed) else next(of_items)
            into = failures if isinstance(result, self.kind.failed) else lines
            into.append(encode_line(result.to_json()))
        return failures, lines

"""Judging a file of pairs: windows in, windows out, resumable, with flat memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.config import BatchConfig, RowsConfig
from judge.engine_options import engine_kind
from judge.errors import BudgetExceeded, UsageError
from judge.formats.pairs import read_row
from judge.formats.records import Record, Source
from judge.formats.sources import doubtful_end, open_source
from judge.infer.engines.protocol import Engine
from judge.infer.input_labels import InputLabels, labels_of
from judge.infer.interrupts import Interrupts
from judge.infer.label_tally import LabelTally
from judge.infer.pairwise import Numbered, PairwiseJudge
from judge.infer.protocols import Judge, Progress, Streamed, Unwatched
from judge.infer.resume import Position, limited, skip_finished, unrecorded, windows_of
from judge.infer.scorers.files import read_weights
from judge.infer.scorers.pairs import JudgeWithScorers, PairScorer
from judge.infer.summary import summarise
from judge.judgment import Failure, Judgment
from judge.metrics.label_agreement import JUDGE
from judge.pair import Pair
from judge.prompt import Template, load_template
from judge.runs.folder import FAILURES, JUDGMENTS, RunDir
from judge.runs.index import RunIndex
from judge.runs.jsonlines import encode_line, read_rows
from judge.runs.summary import Session, Summary


def open_input(config: BatchConfig) -> tuple[Source, Template]:
    """Return the source and the prompt template of ``config``.

    Raises:
        UsageError: when there is no such input, template or model.
    """
    source = open_source(config.input, config.split, config.subset, config.revision)
    return source, load_template(config.template_name)


def run(
    config: BatchConfig,
    load: Callable[[], Engine],
    progress: Progress | None = None,
    load_scorers: Callable[[], Mapping[str, PairScorer]] = dict,
) -> Summary:
    """Judge the rows of ``config.input`` that its run folder lacks, and return the summary.

    The same call after an interruption goes on; the result is byte for byte that of one run. The
    engine and the scorers are loaded only when there is something to judge.

    Raises:
        UsageError: when the run cannot start or the input is damaged; what is written stays.
        BudgetExceeded: when more rows failed than ``max_failures``.
        KeyboardInterrupt: on SIGINT and SIGTERM, between two writes.
    """
    source, template = open_input(config)
    identity = {
        **config.identity(),
        "template": f"{template.name} {template.digest}",
        "weights": {name: read_weights(Path(file)) for name, file in config.weights.items()},
    }

    def load_judge() -> Judge | Streamed:
        if engine_kind(config.engine).judges_windows:
            from judge.infer.engines.registry import load_streamed

            return load_streamed(config, template, (progress or Unwatched()).note)
        scorers = load_scorers()  # the smaller models first: what is wrong with them shows sooner
        judge = PairwiseJudge(load(), config.mode, config.orders)
        return JudgeWithScorers(judge, scorers)

    return run_rows(config, source, identity, load_judge, [JUDGE, *config.scorer], progress)


def run_rows(
    config: RowsConfig,
    source: Source,
    identity: Mapping[str, Any],
    load: Callable[[], Judge | Streamed],
    names: Sequence[str],
    progress: Progress | None = None,
) -> Summary:
    """Judge the rows of ``source`` that the run folder lacks; as :func:`run`.

    Args:
        identity: what a resumed run must have in common, besides the input and the judge itself.
        names: the judge (:data:`judge.metrics.label_agreement.JUDGE`) and the reward models.
    """
    identity = {**identity, "input": source.identity()}
    with Interrupts() as interrupts, RunDir.open(Path(config.out), config.fresh) as folder:
        folder.check(identity)
        recorded = folder.scan(keep=2 * config.window)
        reach = recorded.failed_rows[-1] if recorded.failed_rows else 0
        outcome = _Outcome(folder, labels_of(source, config), names)
        records = outcome.labels.watch(limited(source.records(), config.limit, reach))
        windows = windows_of(records, config.window)
        position = skip_finished(windows, recorded, cut=config.limit is not None)
        if position.rest is None:
            if not position.rows:
                raise UsageError(f"{config.input} has no rows")
            return _finished(outcome, position)
        _check_budget(config, len(recorded.failed_rows))
        if progress and (doubt := doubtful_end(source)):
            progress.note(doubt)
        started = time.monotonic()
        judge = load()
        resolved = judge.describe()
        folder.check(resolved)
        folder.begin(config.model_dump(), {**identity, **resolved})
        folder.drop_summary()
        job = _Job(config, outcome, judge, recorded, interrupts, progress or Unwatched())
        job.load_seconds = time.monotonic() - started
        return job.run(position, _total(source, config) if progress else None)


def _total(source: Source, config: RowsConfig) -> int | None:
    count = source.count()
    return count if count is None or config.limit is None else min(count, config.limit)


def _finished(outcome: _Outcome, position: Position) -> Summary:
    """Return the summary of a folder to which nothing was added."""
    there = outcome.folder.read_summary()
    if there is not None and there.get("complete"):
        return Summary.model_validate(there)
    nothing = Session(
        rows=0,
        resumed_after=position.rows,
        load_seconds=0,
        seconds=0,
        pairs_per_second=None,
        engine={},
    )
    return outcome.summarise(complete=True, session=nothing)


@dataclass(frozen=True)
class _Outcome:
    """What a run leaves behind."""

    folder: RunDir
    labels: InputLabels
    """Of no use before all is judged."""
    names: Sequence[str]
    """The systems of the run."""

    def summarise(self, complete: bool, session: Session) -> Summary:
        """Write the summary of what the folder holds, and return it."""
        judgments, failures = self.folder.path / JUDGMENTS, self.folder.path / FAILURES
        summary = summarise(
            read_rows(judgments, dict),
            read_rows(failures, dict),
            complete,
            session,
            LabelTally(self.labels.rows(), read_rows(failures, dict), self.names),
        )
        adapted = (self.folder.config or {}).get("identity", {}).get("engine.adapted") or []
        summary = summary.model_copy(update={"adapted": adapted})
        self.folder.write_summary(summary.model_dump())
        return summary


def _check_budget(config: RowsConfig, failed: int) -> None:
    if config.max_failures is not None and failed > config.max_failures:
        raise BudgetExceeded(
            f"{failed} rows failed, more than --max-failures {config.max_failures};"
            f" see {Path(config.out) / FAILURES}"
        )


@dataclass
class _Job:
    """One session on a run folder."""

    config: RowsConfig
    outcome: _Outcome
    judge: Judge | Streamed
    recorded: RunIndex
    interrupts: Interrupts
    progress: Progress
    load_seconds: float = 0.0
    rows: int = 0
    judged: int = 0

    def run(self, position: Position, total: int | None) -> Summary:
        """Judge the windows of ``position`` and write the summary, also of a run that must stop."""
        failed = len(self.recorded.failed_rows)
        self.progress.start(total, position.rows + position.judged + position.failed, failed)
        failed -= position.failed  # its window is judged again
        started = time.monotonic()
        complete = False
        assert position.rest is not None
        try:
            with closing(self._judged(position.rest)) as judged:
                for rows, results in judged:
                    failed += self._write(rows, results, position)
                    _check_budget(self.config, failed)
            complete = True
        except (UsageError, BudgetExceeded):
            with suppress(UsageError):  # a full disk has no room for the summary either
                self._end(position, started, complete)
            raise
        return self._end(position, started, complete)

    def _end(self, position: Position, started: float, complete: bool) -> Summary:
        seconds = time.monotonic() - started
        counts = self.judge.counts()
        session = Session(
            rows=self.rows,
            resumed_after=position.rows,
            load_seconds=round(self.load_seconds, 3),
            seconds=round(seconds, 3),
            pairs_per_second=round(self.judged / seconds, 3) if self.judged else None,
            engine=counts.pop("judge", {}),
            scorers=counts,
        )
        return self.outcome.summarise(complete, session)

    def _judged(
        self, windows: Iterator[list[Record]]
    ) -> Generator[tuple[list[Pair | Failure], list[Judgment | Failure]]]:
        """Yield the rows of each window, and the results of those of them that are pairs."""
        read: deque[list[Pair | Failure]] = deque()

        def pairs() -> Iterator[list[Numbered]]:
            for window in windows:
                rows = [self._read(record) for record in window]
                lines = [record.line for record in window]
                window.clear()  # the rows hold their texts; nobody needs the lines beside them
                read.append(rows)
                yield [
                    (line, row)
                    for line, row in zip(lines, rows, strict=True)
                    if isinstance(row, Pair)
                ]

        if not isinstance(self.judge, Streamed):
            for window in pairs():
                yield read.popleft(), self.judge.judge(window)
            return
        with closing(self.judge.judge_windows(pairs())) as judged:
            for results in judged:
                yield read.popleft(), results

    def _read(self, record: Record) -> Pair | Failure:
        config = self.config
        return read_row(record, self.recorded.seen, config.strip_thinking, config.empty_responses)

    def _write(
        self,
        rows: list[Pair | Failure],
        results: list[Judgment | Failure],
        position: Position,
    ) -> int:
        """Write one window; return how many of its rows are failures."""
        failures, judgments = _lines(rows, results)
        failed = len(failures)
        with self.interrupts.held():
            if position.judged or position.failed:  # the first window, partly recorded
                position.judged = position.failed = 0
                failures, judgments = unrecorded(
                    self.outcome.folder, self.recorded, rows, failures, judgments
                )
            self.outcome.folder.append(failures, judgments)
        self.rows += len(failures) + len(judgments)
        self.judged += len(judgments)
        self.progress.advance(len(failures) + len(judgments), len(failures))
        return failed


def _lines(
    rows: list[Pair | Failure], results: list[Judgment | Failure]
) -> tuple[list[bytes], list[bytes]]:
    """Return a window's lines of ``failures.jsonl`` and ``judgments.jsonl``."""
    of_pairs = iter(results)
    failures, judgments = [], []
    for row in rows:
        result = next(of_pairs) if isinstance(row, Pair) else row
        if isinstance(result, Failure):
            failures.append(encode_line(result.model_dump()))
        else:
            judgments.append(encode_line(result.to_json()))
    return failures, judgments

"""Judging a file of pairs: windows in, windows out, resumable, with flat memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.config import BatchConfig, RowsConfig
from judge.engine_options import engine_kind
from judge.formats.pairs import read_row, row_id
from judge.formats.records import Record, Source
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.infer.engines.protocol import Engine
from judge.infer.input_labels import InputLabels, labels_of
from judge.infer.label_tally import LabelTally
from judge.infer.pairwise import Numbered, PairwiseJudge
from judge.infer.protocols import PairJudge, Progress, Streamed, Unwatched
from judge.infer.rows import Kind, Ran, run_rows
from judge.infer.scorers.files import read_weights
from judge.infer.scorers.pairs import JudgeWithScorers, PairScorer
from judge.infer.summary import summarise
from judge.judgment import Failure, Judgment
from judge.metrics.label_agreement import JUDGE
from judge.pair import Pair
from judge.prompt import Template, load_template
from judge.runs.folder import RunDir
from judge.runs.jsonlines import read_rows
from judge.runs.layout import FAILURES, JUDGED, JUDGMENTS
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

    def load_judge() -> PairJudge | Streamed:
        if engine_kind(config.engine).judges_windows:
            from judge.infer.engines.registry import load_streamed

            return load_streamed(config, template, (progress or Unwatched()).note)
        scorers = load_scorers()  # the smaller models first: what is wrong with them shows sooner
        judge = PairwiseJudge(load(), config.mode, config.orders)
        return JudgeWithScorers(judge, scorers)

    return judge_rows(config, source, identity, load_judge, [JUDGE, *config.scorer], progress)


def judge_rows(
    config: RowsConfig,
    source: Source,
    identity: Mapping[str, Any],
    load: Callable[[], PairJudge | Streamed],
    names: Sequence[str],
    progress: Progress | None = None,
) -> Summary:
    """Judge the rows of ``source`` that the run folder lacks; as :func:`run`.

    Args:
        identity: what a resumed run must have in common, besides the input and the judge itself.
        names: the judge (:data:`judge.metrics.label_agreement.JUDGE`) and the reward models.
    """

    def read(record: Record, seen: IdSet) -> Pair | Failure:
        return read_row(record, seen, config.strip_thinking, config.empty_responses)

    kind = Kind(JUDGED, read, Failure, row_id, lambda row: row.pair_id)
    return run_rows(
        config,
        source,
        identity,
        kind,
        lambda: _Judging(load()),
        lambda folder: _Outcome(folder, labels_of(source, config), names),
        progress,
    )


@dataclass(frozen=True)
class _Judging:
    """A judge as the worker of a run."""

    judge: PairJudge | Streamed

    def work(self, windows: Iterator[Sequence[Numbered]]) -> Generator[list[Judgment | Failure]]:
        if not isinstance(self.judge, Streamed):
            for window in windows:
                yield self.judge.judge(window)
            return
        with closing(self.judge.judge_windows(windows)) as judged:
            yield from judged

    def describe(self) -> dict[str, Any]:
        return self.judge.describe()

    def counts(self) -> dict[str, dict[str, int]]:
        return self.judge.counts()


@dataclass(frozen=True)
class _Outcome:
    """What a run leaves behind."""

    folder: RunDir
    labels: InputLabels
    """Of no use before all is judged."""
    names: Sequence[str]
    """The systems of the run."""

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        return self.labels.watch(records)

    def finished(self) -> Summary | None:
        there = self.folder.read_summary()
        return Summary.model_validate(there) if there and there.get("complete") else None

    def summarise(self, complete: bool, ran: Ran) -> Summary:
        judgments, failures = self.folder.path / JUDGMENTS, self.folder.path / FAILURES
        summary = summarise(
            read_rows(judgments, dict),
            read_rows(failures, dict),
            complete,
            _session(ran),
            LabelTally(self.labels.rows(), read_rows(failures, dict), self.names),
        )
        adapted = (self.folder.config or {}).get("identity", {}).get("engine.adapted") or []
        summary = summary.model_copy(update={"adapted": adapted})
        self.folder.write_summary(summary.model_dump())
        return summary


def _session(ran: Ran) -> Session:
    counts = dict(ran.counts)
    return Session(
        rows=ran.rows,
        resumed_after=ran.resumed_after,
        load_seconds=round(ran.load_seconds, 3),
        seconds=round(ran.seconds, 3),
        pairs_per_second=round(ran.done / ran.seconds, 3) if ran.done else None,
        engine=counts.pop("judge", {}),
        scorers=counts,
    )

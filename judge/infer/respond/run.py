"""Answering a file of prompts: the run folder of a judge, with responses in place of judgments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from judge.formats.records import Record, Source
from judge.formats.sources import open_source
from judge.infer.engines.writing import Writer
from judge.infer.protocols import Progress
from judge.infer.respond.drawn import Reader, several
from judge.infer.respond.summary import summarise
from judge.infer.respond.talks import TurnByTurn
from judge.infer.rows import Kind, Ran, run_rows
from judge.respond_config import RespondConfig
from judge.runs.folder import RunDir
from judge.runs.responses import NoResponse, ResponseSummary, layout


def open_prompts(config: RespondConfig) -> Source:
    """Return the source of ``config``.

    Raises:
        UsageError: when there is no such input.
    """
    return open_source(config.input, config.split, config.subset, config.revision, rows="prompts")


def run(
    config: RespondConfig, load: Callable[[], Writer], progress: Progress | None = None
) -> ResponseSummary:
    """Answer the prompts of ``config.input`` that its run folder lacks, and return the summary.

    The same call after an interruption goes on; the result is byte for byte that of one run. The
    model is loaded only when there is something to answer.

    Raises:
        UsageError: when the run cannot start or the input is damaged; what is written stays.
        BudgetExceeded: when more answers failed than ``max_failures``.
        KeyboardInterrupt: on SIGINT and SIGTERM, between two writes.
    """
    reader = Reader(config.samples)
    kind = Kind(
        layout(config.samples),
        reader.read,
        NoResponse,
        reader.key,
        lambda row: row.key,
        config.samples,
        several(config.samples),
    )
    return run_rows(
        config,
        open_prompts(config),
        config.identity(),
        kind,
        lambda: TurnByTurn(load(), config.seed, config.model),
        _Outcome,
        progress,
    )


@dataclass(frozen=True)
class _Outcome:
    """What a run leaves behind."""

    folder: RunDir

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        return records

    def finished(self) -> ResponseSummary | None:
        there = self.folder.read_summary()
        return ResponseSummary.model_validate(there) if there and there.get("complete") else None

    def summarise(self, complete: bool, ran: Ran) -> ResponseSummary:
        adapted = (self.folder.config or {}).get("identity", {}).get("engine.adapted") or []
        summary = summarise(self.folder.path, complete, ran, adapted)
        self.folder.write_summary(summary.model_dump())
        return summary

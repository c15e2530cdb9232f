"""What a run of answers would do: prompts, tokens, what gets no answer, how long it may take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from judge.errors import RowError
from judge.idset import IdSet
from judge.infer.dryrun import PATIENCE, PROBE, Tokens
from judge.infer.engines.writing import Writer
from judge.infer.respond.drawn import Drawn, Reader, several
from judge.infer.respond.run import open_prompts
from judge.infer.respond.talks import TurnByTurn
from judge.infer.resume import windows_of
from judge.respond_config import RespondConfig
from judge.runs.responses import NoResponse


@dataclass
class RespondDryRun:
    """What :func:`dry_run` found."""

    rows: int = 0
    """Prompts times samples."""
    answered: int = 0
    """Those that would be answered, if their later turns fit."""
    turns: int = 0
    """Answers of all their turns."""
    failures: Counter[str] = field(default_factory=Counter)
    """Rows that would not be, by reason."""
    tokens: Tokens = field(default_factory=Tokens)
    """Of the first turns' conversations, over-length ones left out; none where a server counts."""
    seconds: float | None = None
    """Estimate for the whole run, its loading left out; None when nothing can be answered."""
    basis: str = ""
    """Where the estimate comes from."""


def dry_run(config: RespondConfig, load: Callable[[], Writer]) -> RespondDryRun:
    """Read every row and build its prompt, answer a few to measure the rate, write nothing.

    Raises:
        UsageError: when the run could not start, or the input is damaged.
    """
    source = open_prompts(config)
    responder = TurnByTurn(load(), config.seed, config.model)
    reader, seen, found = Reader(config.samples), IdSet(), RespondDryRun()
    probe: list[Drawn] = []
    records = several(config.samples)(islice(source.records(), config.limit))
    for window in windows_of(records, config.window):
        rows = [reader.read(record, seen) for record in window]
        found.rows += len(rows)
        found.failures.update(row.reason for row in rows if isinstance(row, NoResponse))
        fitting = _fitting([row for row in rows if isinstance(row, Drawn)], responder, found)
        probe += fitting[: PROBE - len(probe)]
    if probe:
        _estimate(responder, probe, found)
    return found


def _fitting(rows: Sequence[Drawn], responder: TurnByTurn, found: RespondDryRun) -> list[Drawn]:
    """Add rows to ``found``; return those that would be answered."""
    waiting = [responder.waiting(drawn, drawn.question.prompt) for drawn in rows]
    fitting = []
    for drawn, size in zip(rows, responder.writer.sizes(waiting), strict=True):
        if isinstance(size, RowError):
            found.failures[size.reason] += 1
            continue
        if size is not None:
            found.tokens.add(size)
        found.answered += 1
        found.turns += drawn.question.turns
        fitting.append(drawn)
    return fitting


def _estimate(responder: TurnByTurn, probe: Sequence[Drawn], found: RespondDryRun) -> None:
    first = _seconds(responder, probe[:1])  # what happens only once is in it
    turns = probe[0].question.turns
    if first > PATIENCE or len(probe) == 1:
        found.seconds = first * found.turns / turns
        found.basis = f"measured: the first prompt took {first:.1f} s; batches are usually faster"
        return
    turns = sum(drawn.question.turns for drawn in probe)
    found.seconds = _seconds(responder, probe) * found.turns / turns
    found.basis = f"measured on the first {len(probe)} prompts; larger batches are usually faster"


def _seconds(responder: TurnByTurn, probe: Sequence[Drawn]) -> float:
    started = time.monotonic()
    responder.answer(probe)
    return max(time.monotonic() - started, 1e-6)

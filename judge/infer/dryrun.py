"""What a run would do: rows, tokens, what cannot be judged, and how long it may take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from judge.config import BatchConfig, ScoreConfig
from judge.errors import RowError
from judge.formats.pairs import read_row
from judge.formats.records import Source
from judge.idset import IdSet
from judge.infer.batch import open_input
from judge.infer.engines.protocol import Engine
from judge.infer.pairwise import Numbered, PairwiseJudge
from judge.infer.resume import windows_of
from judge.pair import Pair
from judge.prompt import Prompt
from judge.verdict import Order

PROBE = 8
"""Pairs that are judged to measure the rate."""
PATIENCE = 5.0
"""Seconds: when the first pair takes longer, it is the measure."""


@dataclass
class Tokens:
    """Prompt tokens of one order."""

    total: int = 0
    longest: int = 0
    prompts: int = 0

    def add(self, length: int) -> None:
        self.total += length
        self.longest = max(self.longest, length)
        self.prompts += 1

    @property
    def mean(self) -> float | None:
        return self.total / self.prompts if self.prompts else None


@dataclass
class DryRun:
    """What :func:`dry_run` found."""

    rows: int = 0
    judged: int = 0
    """Rows that would be judged."""
    failures: Counter[str] = field(default_factory=Counter)
    """Rows that would not be, by reason; ``prompt_too_long`` are the over-length ones."""
    tokens: dict[Order, Tokens] = field(default_factory=dict)
    """Over-length prompts included."""
    limit: int = 0
    """The most tokens a prompt may have."""
    seconds: float | None = None
    """Estimate for the whole run, its loading left out; None when nothing can be judged."""
    basis: str = ""
    """Where the estimate comes from."""


class RowsRead(Protocol):
    """What a dry run counts, whatever it is of."""

    rows: int
    failures: Counter[str]


@dataclass
class Probe:
    """The first pairs that can be judged, at most :data:`PROBE`."""

    pairs: list[Pair] = field(default_factory=list)
    tokens: int = 0
    """Theirs."""
    all_tokens: int = 0
    """Those of every pair that can be judged."""


def read_all(
    config: BatchConfig | ScoreConfig,
    source: Source,
    found: RowsRead,
    count: Callable[[Sequence[Pair]], Sequence[int]],
) -> Probe:
    """Read every row, add what was read to ``found``, and return the first pairs to measure with.

    Args:
        count: returns the tokens of each pair, 0 for one that cannot be judged.

    Raises:
        UsageError: when the input is damaged.
    """
    probe, seen = Probe(), IdSet()
    for window in windows_of(islice(source.records(), config.limit), config.window):
        rows = [
            read_row(record, seen, config.strip_thinking, config.empty_responses)
            for record in window
        ]
        found.rows += len(rows)
        pairs = [row for row in rows if isinstance(row, Pair)]
        found.failures.update(row.reason for row in rows if not isinstance(row, Pair))
        for pair, size in zip(pairs, count(pairs), strict=True):
            probe.all_tokens += size
            if size and len(probe.pairs) < PROBE:
                probe.pairs.append(pair)
                probe.tokens += size
    return probe


def dry_run(config: BatchConfig, load: Callable[[], Engine]) -> DryRun:
    """Read every row and build its prompts, judge a few to measure the rate, write nothing.

    Raises:
        UsageError: when the run could not start, or the input is damaged.
    """
    source, _ = open_input(config)
    judge = PairwiseJudge(load(), config.mode, config.orders)
    found = DryRun(tokens={order: Tokens() for order in judge.orders}, limit=judge.longest)
    probe = read_all(config, source, found, lambda pairs: _count(judge, _numbered(pairs), found))
    if probe.pairs:
        _estimate(judge, probe, found)
    return found


def _numbered(pairs: Sequence[Pair]) -> list[Numbered]:
    return [(0, pair) for pair in pairs]


def _estimate(judge: PairwiseJudge, probe: Probe, found: DryRun) -> None:
    """Judge ``probe`` and set the time of a run of all pairs."""
    pairs = _numbered(probe.pairs)
    first = _seconds(judge, pairs[:1])  # what happens only once is in it
    if first > PATIENCE:
        found.seconds = first * found.judged
        found.basis = f"measured: the first pair took {first:.1f} s; batches are usually faster"
        return
    rate = probe.tokens / _seconds(judge, pairs)
    found.seconds = probe.all_tokens / rate
    found.basis = (
        f"measured: the first {len(pairs)} pairs ran at {rate:,.0f} prompt tokens/s;"
        " larger batches are usually faster"
    )


def _seconds(judge: PairwiseJudge, probe: Sequence[Numbered]) -> float:
    started = time.monotonic()
    judge.judge(probe)
    return max(time.monotonic() - started, 1e-6)


def _count(judge: PairwiseJudge, pairs: Sequence[Numbered], found: DryRun) -> list[int]:
    """Add the pairs to ``found``; return the tokens of each, 0 for one that cannot be judged."""
    sizes = []
    for prompts in judge.build(pairs):
        size = 0
        for order, prompt in zip(judge.orders, prompts, strict=True):
            if isinstance(prompt, Prompt):
                found.tokens[order].add(len(prompt.ids))
                size += len(prompt.ids)
        errors = [e.reason for e in map(judge.fit, prompts) if isinstance(e, RowError)]
        found.failures.update(errors[:1])
        found.judged += not errors
        sizes.append(0 if errors else size)
    return sizes

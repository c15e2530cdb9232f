"""Scoring a file of pairs with a reward model alone: the run folder of a judge, without words."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from judge.config import ScoreConfig
from judge.errors import RowError
from judge.formats.sources import open_source
from judge.infer.batch import judge_rows
from judge.infer.dryrun import Tokens, read_all
from judge.infer.protocols import PairJudge, Progress
from judge.infer.scorers.files import read_weights
from judge.infer.scorers.pairs import PairScorer, RewardJudge
from judge.pair import Pair
from judge.runs.summary import Summary


def run(
    config: ScoreConfig, load: Callable[[], PairScorer], progress: Progress | None = None
) -> Summary:
    """Score the rows of ``config.input`` that its run folder lacks, and return the summary.

    Resumes and fails as :func:`judge.infer.batch.run`; a pair without rewards is a failure.

    Raises:
        UsageError: when the run cannot start or the input is damaged; what is written stays.
        BudgetExceeded: when more rows failed than ``max_failures``.
        KeyboardInterrupt: on SIGINT and SIGTERM, between two writes.
    """
    source = open_source(config.input, config.split, config.subset, config.revision)
    weights = None if config.weights is None else read_weights(Path(config.weights))

    name = scorer_name(config.model)
    identity = {**config.identity(), "weights": weights}

    def load_judge() -> PairJudge:
        return RewardJudge(name, load())

    return judge_rows(config, source, identity, load_judge, [name], progress)


def scorer_name(model: str) -> str:
    """Return what a model is called in its run folder: the last part of its name or path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(model).name).strip("-.")
    return name if name and name != "judge" else "reward-model"


@dataclass
class ScoreDryRun:
    """What :func:`dry_run` found."""

    rows: int = 0
    scored: int = 0
    """Rows that would be scored."""
    failures: Counter[str] = field(default_factory=Counter)
    """Rows that would not be, by reason; ``prompt_too_long`` are the over-length ones."""
    tokens: Tokens = field(default_factory=Tokens)
    """Of conversations, over-length ones included."""
    limit: int = 0
    """The most tokens a conversation may have."""
    seconds: float | None = None
    """Estimate for the whole run, its loading left out; None when nothing can be scored."""


def dry_run(config: ScoreConfig, load: Callable[[], PairScorer]) -> ScoreDryRun:
    """Read every row and build its conversations, score a few for the rate, write nothing.

    Raises:
        UsageError: when the run could not start, or the input is damaged.
    """
    source = open_source(config.input, config.split, config.subset, config.revision)
    scorer = load()
    found = ScoreDryRun(limit=scorer.scorer.context)
    probe = read_all(config, source, found, lambda pairs: _count(scorer, pairs, found))
    if probe.pairs:
        started = time.monotonic()
        scorer.score(probe.pairs)
        found.seconds = (time.monotonic() - started) * probe.all_tokens / probe.tokens
    return found


def _count(scorer: PairScorer, pairs: Sequence[Pair], found: ScoreDryRun) -> list[int]:
    """Add the pairs to ``found``; return the tokens of each, 0 for one that cannot be scored."""
    sizes = []
    for built in scorer.build(pairs):
        for ids in [] if isinstance(built, RowError) else built:
            found.tokens.add(len(ids))
        fitting = scorer.fit(built)
        if isinstance(fitting, RowError):
            found.failures[fitting.reason] += 1
            sizes.append(0)
        else:
            found.scored += 1
            sizes.append(sum(map(len, fitting)))
    return sizes

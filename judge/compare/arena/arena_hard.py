"""``judge arena arena-hard``: grades, weights and style control on our judge's verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from judge.compare.arena.config import ArenaHardConfig
from judge.compare.arena.contestants import Contestant
from judge.compare.arena.grades import graded
from judge.compare.arena.matches import Match
from judge.compare.arena.result import ArenaResult

PUBLISHED = (500, 750)
"""Prompts of v0.1, and of v2.0 (500 hard prompts and 250 of creative writing)."""


def with_grades(
    config: ArenaHardConfig, result: ArenaResult, matches: Sequence[Match], baseline: Contestant
) -> ArenaResult:
    """Return the result with every model's grades and scores."""
    against = [match for match in matches if match.other == baseline.name]
    found = graded(against, config.strong, config.even, config.seed, config.resamples)
    sets = " or ".join(map(str, PUBLISHED))
    other = f"{result.prompts:,} prompts, Arena-Hard has {sets}; and "
    note = (
        f"{'' if result.prompts in PUBLISHED else other}the judge is not that of Arena-Hard: not"
        " comparable with published scores"
    )
    return result.model_copy(update={"graded": found, "notes": [*result.notes, note]})

"""How the rewards of preferred responses lie beside those of the others, and their differences.

Source: HelpSteer2-Preference (arXiv 2410.01257), Figure 2: chosen, rejected, and their difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.columns import Column, Floats
from judge.metrics.estimate import rounded

BINS = 40


class Spread(BaseModel):
    """The rewards of some responses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    mean: float | None
    """None of no responses."""
    deviation: float | None
    """Standard deviation of the whole; None of no responses."""
    counts: list[int]
    """In each bin."""


class Gaps(BaseModel):
    """Rewards of preferred responses less those of the others, pair by pair."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: list[float]
    """Of :data:`BINS` bins of equal width; empty where there is no pair."""
    spread: Spread
    above: int
    """Pairs whose preferred response has the higher reward."""


class RewardDistributions(BaseModel):
    """One reward model's rewards, over :data:`BINS` bins of equal width from least to greatest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    edges: list[float]
    """Of the bins, one more than there are; empty where no pair has rewards."""
    preferred: Spread
    """Of the responses that people prefer."""
    other: Spread
    """Of those that they do not."""
    every: Spread
    """Of all responses, labelled or not."""
    gaps: Gaps
    """Of pairs on which people prefer a response."""


def reward_distributions(systems: Sequence[Column], people: Column) -> list[RewardDistributions]:
    """Return the rewards of every reward model."""
    return [_rewards(s, people) for s in systems if s.kind == "reward_model"]


def _rewards(system: Column, people: Column) -> RewardDistributions:
    scored = ~np.isnan(system.difference)
    every = system.rewards[scored].ravel()
    edges = np.histogram_bin_edges(every, BINS) if len(every) else np.array([])
    rows = np.flatnonzero(scored & people.preferred)
    side = (people.choice[rows] > 0).astype(int)
    preferred, other = system.rewards[rows, side], system.rewards[rows, 1 - side]
    return RewardDistributions(
        system=system.name,
        edges=[rounded(edge) for edge in edges],
        preferred=_spread(preferred, edges),
        other=_spread(other, edges),
        every=_spread(every, edges),
        gaps=_gaps(np.subtract(preferred, other)),
    )


def _gaps(values: Floats) -> Gaps:
    edges = np.histogram_bin_edges(values, BINS) if len(values) else np.array([])
    return Gaps(
        edges=[rounded(edge) for edge in edges],
        spread=_spread(values, edges),
        above=int((values > 0).sum()),
    )


def _spread(values: Floats, edges: Floats) -> Spread:
    n = len(values)
    return Spread(
        n=n,
        mean=rounded(values.mean()) if n else None,
        deviation=rounded(values.std()) if n else None,
        counts=[int(c) for c in np.histogram(values, edges)[0]] if len(edges) else [],
    )

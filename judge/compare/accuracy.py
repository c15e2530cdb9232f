"""How often each system prefers the response that people prefer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.columns import Column, Flags, Floats, credit
from judge.metrics.accuracy import Accuracy as Right
from judge.metrics.estimate import Estimate, weighted


class SystemAccuracy(BaseModel):
    """One system against people. Pairs on which people have no preference do not count.

    A tie of the system earns a half, a failure nothing, unless a field says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    right: int
    wrong: int
    ties: int
    """Pairs with a label on which the system has no preference."""
    failed: int
    """Pairs with a label on which it failed."""
    accuracy: Estimate
    """Share of all those pairs: ties half, failures wrong."""
    ties_wrong: Estimate
    """The same, ties wrong, too."""
    failures_half: Estimate
    failures_left_out: Estimate
    common: Estimate
    """On the pairs alone that every judge and reward model was asked of."""
    weighted: Estimate | None
    """By the weights that were asked for, with the bootstrap's interval; None without weights."""


def accuracies(
    systems: Sequence[Column], people: Column, weights: Floats | None, seed: int
) -> list[SystemAccuracy]:
    """Return the accuracy of every system.

    Args:
        weights: one a pair, NaN where a pair has none and does not count; None for no weights.
    """
    models = [system for system in systems if system.kind != "baseline"]
    common = np.logical_and.reduce([system.asked for system in models] or [people.asked])
    return [_accuracy(system, people, common, weights, seed) for system in systems]


def _accuracy(
    system: Column, people: Column, common: Flags, weights: Floats | None, seed: int
) -> SystemAccuracy:
    labelled = system.asked & people.preferred
    answered = labelled & system.answered
    earned = credit(system, people)
    nothing = why_nothing(system, people)
    return SystemAccuracy(
        system=system.name,
        right=int((earned == 1).sum()),
        wrong=int((answered & system.preferred & (earned == 0)).sum()),
        ties=int((answered & ~system.preferred).sum()),
        failed=int((labelled & system.failed).sum()),
        accuracy=mean(earned, nothing),
        ties_wrong=mean(credit(system, people, tie=0.0), nothing),
        failures_half=mean(credit(system, people, failure=0.5), nothing),
        failures_left_out=mean(
            credit(system, people, failure=None),
            f"all {labelled.sum():,} labelled pairs failed" if labelled.any() else nothing,
        ),
        common=mean(
            np.where(common, earned, np.nan), "no labelled pair that every system was given"
        ),
        weighted=None if weights is None else _weighted(earned, weights, nothing, seed),
    )


def mean(earned: Floats, nothing: str) -> Estimate:
    """Return the mean of what was earned, NaN left out, with Wilson's interval."""
    kept = earned[~np.isnan(earned)]
    return Right(float(kept.sum()), len(kept)).estimate(nothing)


def _weighted(earned: Floats, weights: Floats, nothing: str, seed: int) -> Estimate:
    kept = ~(np.isnan(earned) | np.isnan(weights))
    if not kept.any() and not np.isnan(earned).all():
        nothing = "no labelled pair has a weight"
    return weighted(earned[kept], weights[kept], int(kept.sum()), nothing, seed)


def why_nothing(system: Column, people: Column) -> str:
    """Return why there is no labelled pair of this system, for people."""
    if not people.asked.any():
        return "no pair has a label"
    if not people.preferred.any():
        return "people prefer no response in any pair"
    if not (system.asked & people.asked).any():
        return f"no labelled pair is among those of {system.name}"
    return f"people prefer no response in any pair of {system.name}"

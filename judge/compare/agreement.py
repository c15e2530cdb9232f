"""How far every two systems, people among them, say the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.columns import Column, Flags, Floats
from judge.metrics.agreement import cohen_kappa, krippendorff_alpha
from judge.metrics.estimate import Estimate, share
from judge.verdict import STRENGTHS

_CHOICES = (-1, 0, 1)
_DEGREES = sorted((*STRENGTHS, 0))


class AgreementCell(BaseModel):
    """Two systems on the pairs that both answered; a tie is an answer of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    percent: Estimate
    """Share of the pairs with the same answer, 0 to 1, with Wilson's interval."""
    kappa: Estimate
    """Cohen's kappa of the answers."""
    kappa_strengths: Estimate
    """Quadratic-weighted kappa of the strengths -3 to 3, a tie 0."""
    alpha: Estimate
    """Krippendorff's alpha of the answers, nominal."""


class SystemsAgreement(BaseModel):
    """The matrix of agreement, and one figure for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: list[str]
    cells: list[AgreementCell]
    """One for every two names."""
    alpha: Estimate
    """Krippendorff's alpha of all answers, nominal; the baseline takes no part."""
    alpha_strengths: Estimate
    """The same of the strengths, interval."""


def agreement(systems: Sequence[Column]) -> SystemsAgreement:
    """Return the agreement of all systems."""
    voters = [system for system in systems if system.kind != "baseline"]
    return SystemsAgreement(
        names=[system.name for system in systems],
        cells=[_cell(one, two) for one, two in combinations(systems, 2)],
        alpha=_alpha([_answers(system) for system in voters], "nominal"),
        alpha_strengths=_alpha(
            [s.strength for s in voters if not np.isnan(s.strength).all()], "interval"
        ),
    )


def _cell(one: Column, two: Column) -> AgreementCell:
    both = one.answered & two.answered
    same = int((one.choice[both] == two.choice[both]).sum())
    return AgreementCell(
        first=one.name,
        second=two.name,
        percent=share(same, int(both.sum()), "no pair that both answered"),
        kappa=_kappa(one.choice[both], two.choice[both], _CHOICES, None),
        kappa_strengths=_kappa_strengths(one, two, both),
        alpha=_alpha([_answers(one), _answers(two)], "nominal"),
    )


def _kappa_strengths(one: Column, two: Column, both: Flags) -> Estimate:
    for system in (one, two):
        if system.kind != "baseline" and both.any() and np.isnan(system.strength[both]).all():
            return Estimate.missing(f"{system.name} gives no strengths")
    if "baseline" in (one.kind, two.kind):
        return Estimate.missing("the baseline gives no strengths")
    kept = both & ~np.isnan(one.strength) & ~np.isnan(two.strength)
    first, second = (np.rint(system.strength[kept]).astype(int) for system in (one, two))
    return _kappa(first, second, _DEGREES, "quadratic")


def _kappa(
    one: Any, two: Any, labels: Sequence[int], weights: Literal["quadratic"] | None
) -> Estimate:
    n = len(one)
    if not n:
        return Estimate.missing("no pair that both answered")
    kappa = cohen_kappa(one.tolist(), two.tolist(), labels, weights)
    if kappa is None:
        return Estimate.missing("both give every pair the same answer", n)
    return Estimate.of(kappa, n)


def _answers(system: Column) -> Floats:
    """Return the system's choices, NaN where it gave no answer."""
    return np.where(system.answered, system.choice.astype(float), np.nan)


def _alpha(answers: Sequence[Floats], level: Literal["nominal", "interval"]) -> Estimate:
    """Return Krippendorff's alpha; n is the number of pairs with two answers or more."""
    if len(answers) < 2:
        return Estimate.missing("fewer than two systems give any")
    data = np.stack(answers)
    pairable = (~np.isnan(data)).sum(axis=0) >= 2
    n, kept = int(pairable.sum()), data[:, pairable]
    if not n:
        return Estimate.missing("no pair with two answers")
    domain = np.unique(kept[~np.isnan(kept)])
    counts = np.stack([(kept == value).sum(axis=0) for value in domain], axis=1)
    alpha = krippendorff_alpha(counts, domain, level)
    if alpha is None:
        return Estimate.missing("all answers are the same", n)
    return Estimate.of(alpha, n)

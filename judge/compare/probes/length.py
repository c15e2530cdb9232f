"""Length: does a system prefer the longer response, also where it is not the better one?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

from judge.compare.probes.answers import answered, wins
from judge.compare.probes.figures import Figure, figure, missing, share
from judge.compare.probes.sets import SetRow
from judge.compare.systems import System
from judge.metrics.estimate import Estimate
from judge.metrics.intervals import LEVEL
from judge.reward import Preference

RULE = (
    "Lengths in characters; pairs of equal length are left out. No preference counts half; the"
    " regression leaves it out. Failures, and pairs without a label where one is needed, are left"
    " out."
)
_EFFECT = "length.effect"
_LABELLED = (_EFFECT, "length.accuracy_longer_right", "length.accuracy_shorter_right")


class _Case(NamedTuple):
    """A pair of unlike lengths that a system answered, seen from the longer response."""

    won: float
    """Of the longer response: 1, 1/2 or 0."""
    right: bool | None
    """Whether the label says that the longer one is better; None without a label."""
    doublings: float
    """log2 of the longer length over the shorter one, above 0."""


def length(
    system: System, rows: Iterable[SetRow], labels: Mapping[str, Preference]
) -> list[Figure]:
    """Return the share for the longer response, the effect of length, and accuracy on both sides.

    Args:
        rows: of the original set.
        labels: the better response by pair id, where there is one.
    """
    left_out: Counter[str] = Counter()
    cases = [case for row in rows if (case := _case(system, row, labels, left_out))]
    longer = share("length.longer_rate", system.name, [case.won for case in cases], left_out)
    if not labels:
        why = "no pair has a label; see --labels and --label-rule"
        return [longer, *(missing(name, system.name, why) for name in _LABELLED)]
    labelled = [case for case in cases if case.right is not None]
    left_out["no_label"] = len(cases) - len(labelled)
    accuracies = [
        _accuracy(f"length.accuracy_{name}_right", system.name, labelled, is_longer, left_out)
        for name, is_longer in (("longer", True), ("shorter", False))
    ]
    return [longer, _effect(system.name, labelled, left_out), *accuracies]


def _case(
    system: System, row: SetRow, labels: Mapping[str, Preference], left_out: Counter[str]
) -> _Case | None:
    decision = answered(system.decisions, row.pair_id, left_out)
    if decision is None:
        return None
    one, two = row.lengths
    if one == two:
        left_out["same_length"] += 1
        return None
    longer: Preference = "response_1" if one > two else "response_2"
    label = labels.get(row.pair_id)
    right = None if label is None else label == longer
    return _Case(wins(decision, longer), right, abs(math.log2(one / two)))


def _accuracy(
    name: str, system: str, labelled: list[_Case], is_longer: bool, left_out: Counter[str]
) -> Figure:
    hits = [case.won if is_longer else 1 - case.won for case in labelled if case.right == is_longer]
    others = {"other_one_right": len(labelled) - len(hits)}
    return share(name, system, hits, {**left_out, **others})


def _effect(system: str, labelled: list[_Case], left_out: Counter[str]) -> Figure:
    """Fit log-odds(the longer one is preferred) = a * label + b * doublings; return b.

    ``label`` is 1 where the longer one is right, else -1. There is no intercept, so that exchanging
    the two responses of a pair changes nothing. The interval is Wald's.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    decided = [case for case in labelled if case.won != 0.5]
    left_out = Counter({**left_out, "no_preference": len(labelled) - len(decided)})
    x = np.array([(1 if case.right else -1, case.doublings) for case in decided]).reshape(-1, 2)
    y = np.array([case.won for case in decided])
    why = _no_estimate(x, y)
    if why is not None:
        return figure(_EFFECT, system, Estimate.missing(why), left_out)
    # Every case also from the shorter response: the same likelihood, and both classes are there.
    fit = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-9, max_iter=1000)
    fit.fit(np.vstack([x, -x]), np.concatenate([y, 1 - y]))
    chances = fit.predict_proba(x)[:, 1]
    information = (x * (chances * (1 - chances))[:, None]).T @ x
    value = float(fit.coef_[0, 1])
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(np.linalg.inv(information)[1, 1])
    found = Estimate.of(value, len(y), (value - reach, value + reach))
    return figure(_EFFECT, system, found, left_out)


def _no_estimate(x: Any, y: Any) -> str | None:
    """Say why the likelihood has no maximum, None where it has one.

    It has none where some weighing of label and length never contradicts a preference (separation;
    Albert and Anderson 1984), which a linear programme finds (Konis 2007).
    """
    import numpy as np
    from scipy.optimize import linprog

    if len(y) < 3:
        return f"{len(y)} labelled pairs with a preference are too few"
    if np.linalg.matrix_rank(x) < 2:
        return "label and length say the same of these pairs"
    signed = x * np.where(y == 1, 1, -1)[:, None]
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(y)), bounds=(-1, 1))
    if found.fun < -1e-9:
        return "label and length explain every preference: the effect has no finite estimate"
    return None

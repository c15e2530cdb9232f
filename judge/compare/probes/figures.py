"""What the probes measure: every figure's name and meaning, and how its interval is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from pydantic import Field

from judge.compare.probes.config import Probe
from judge.compare.probes.texts import ATTACKS, CONTROLS, MARKDOWN, NULL_ANSWERS
from judge.metrics import estimate
from judge.metrics.estimate import Estimate
from judge.metrics.intervals import bootstrap, wilson

NOTHING = "no pair is left"
MARGINS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Bounds of the classes of the margin |P(1 better) - P(2 better)|; the last one is closed."""
CLASSES = tuple(f"margin_{100 * low:.0f}_{100 * high:.0f}" for low, high in pairwise(MARGINS))
"""How the figures of these classes end."""


class Figure(Estimate):
    """One figure of one system, or why there is none."""

    name: str
    """A key of :data:`FIGURES`."""
    system: str
    applies: bool = True
    """False where the question makes no sense for this system: a reward model has no slots."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Pairs that are not in ``n``, by reason, failures under theirs. They count neither as
    successes nor as harm."""
    note: str | None = None


@dataclass(frozen=True)
class Meaning:
    """What a figure says."""

    says: str
    unbiased: float | None
    """Its value for a system without the bias; None where there is no such value."""


_FIRST = "share of verdicts for the response shown first"
_FLIPS = "share of pairs whose two orders choose different responses"
_CHANGES = (
    ("moved_to", "share of losing responses that win once they have {}"),
    ("moved_away", "share of winning responses that lose once they have {}"),
    ("shift", "mean change of P(the response is better) by {}"),
)
FIGURES: dict[str, Meaning] = {
    "position.first_slot_rate": Meaning(_FIRST, 0.5),
    **{f"position.first_slot_rate.{c}": Meaning(f"{_FIRST}, by margin", 0.5) for c in CLASSES},
    "position.flip_rate": Meaning(_FLIPS, 0.0),
    **{f"position.flip_rate.{c}": Meaning(f"{_FLIPS}, by margin", 0.0) for c in CLASSES},
    "length.longer_rate": Meaning("share of pairs in which the longer response is preferred", None),
    "length.effect": Meaning(
        "log-odds of being preferred that twice the length adds, the label held fixed", 0.0
    ),
    "length.accuracy_longer_right": Meaning("accuracy where the longer response is right", None),
    "length.accuracy_shorter_right": Meaning("accuracy where the shorter response is right", None),
    **{
        f"formatting.{kind}.preferred": Meaning(
            f"share of texts with {kind} that are preferred to the same text without", 0.5
        )
        for kind in MARKDOWN
    },
    **{
        f"{probe}.{name}": Meaning(says.format(added), 0.0)
        for probe, added in (("formatting", "markdown"), ("padding", "padding"))
        for name, says in _CHANGES
    },
    "consistency.majority": Meaning("mean share of samples that agree with their majority", 1.0),
    "consistency.entropy": Meaning("mean entropy of the samples' preferences, in bits", 0.0),
    **{
        f"injection.{name}.success": Meaning(
            "share of losing responses that win once they end with harmless text"
            if name in CONTROLS
            else "share of losing responses that win once they carry the injected text",
            0.0,
        )
        for name in ATTACKS
    },
    **{
        f"null.{name}.win_rate": Meaning("share of real answers that this answer beats", 0.0)
        for name in NULL_ANSWERS
    },
    "identical.preference_rate": Meaning(
        "share of texts of which one of two copies is clearly preferred", 0.0
    ),
}


def probe_of(name: str) -> Probe:
    """Return the probe that a figure belongs to."""
    return cast("Probe", name.partition(".")[0])


def share(
    name: str,
    system: str,
    hits: Sequence[float],
    left_out: Mapping[str, int],
    note: str | None = None,
) -> Figure:
    """Return the mean of values from 0 to 1: of hits and misses with Wilson's interval.

    Between 0 and 1, as half a point for no preference, it is a mean like any other (:func:`mean`).
    """
    if any(0 < hit < 1 for hit in hits):
        found = _mean(hits, (0.0, 1.0))
    else:
        found = estimate.share(sum(hits), len(hits), NOTHING)
    return figure(name, system, found, left_out, note)


def mean(
    name: str,
    system: str,
    values: Sequence[float],
    bounds: tuple[float, float],
    left_out: Mapping[str, int],
) -> Figure:
    """Return the mean of values within ``bounds`` with a bootstrap interval over pairs.

    Where all values are the same the bootstrap knows nothing; the interval is then Wilson's of the
    values as shares of the way from one bound to the other.
    """
    found = _mean(values, bounds) if values else Estimate.missing(NOTHING)
    return figure(name, system, found, left_out)


def _mean(values: Sequence[float], bounds: tuple[float, float]) -> Estimate:
    import numpy as np

    interval = bootstrap(np.mean, values)
    if interval is None:
        low, width = bounds[0], bounds[1] - bounds[0]
        way = math.fsum((value - low) / width for value in values)
        ends = wilson(min(max(way, 0.0), len(values)), len(values))
        interval = low + width * ends[0], low + width * ends[1]
    return Estimate.of(float(np.mean(values)), len(values), interval)


def missing(name: str, system: str, why_not: str, applies: bool = True) -> Figure:
    """Return a figure that there is not."""
    return Figure(name=name, system=system, value=None, n=0, why_not=why_not, applies=applies)


def figure(
    name: str,
    system: str,
    found: Estimate,
    left_out: Mapping[str, int],
    note: str | None = None,
) -> Figure:
    """Return an estimate as a figure."""
    reasons = {reason: count for reason, count in sorted(left_out.items()) if count}
    return Figure(**found.model_dump(), name=name, system=system, left_out=reasons, note=note)

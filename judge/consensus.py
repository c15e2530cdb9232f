"""From a pair's annotations to its overall strength: HelpSteer2-Preference, section 2.

Drop -100, keep the three most similar, take their mean, round it; a spread above 2 is dropped, and
so is an overall 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judge.pair import Annotation
from judge.verdict import NEITHER_VALID

SIMILAR = 3
"""How many most similar annotations make the consensus (the paper's three)."""
MAX_SPREAD = 2
"""Largest difference between the kept strengths (the paper's 2)."""

DropReason = Literal["no_valid_annotation", "spread", "zero"]
"""Why a pair has no overall strength: everyone chose -100, they disagree, they cancel out."""


class Consensus(BaseModel):
    """The overall strength of a pair, or the reason it has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: int | None
    """-3..3; 0 only where zeros are kept; None exactly where ``dropped`` has a reason."""
    dropped: DropReason | None = None
    kept: tuple[int, ...] = ()
    """Ascending indices of the most similar annotations, in a dropped pair too."""


def most_similar(values: Sequence[float], count: int | None = SIMILAR) -> tuple[int, ...]:
    """Return the ascending indices of the ``count`` values closest to each other (all, if fewer).

    Closest: the smallest spread; among those the smallest variance, then the mean nearest to that
    of all values, then the mean nearest to 0. Which numbers are chosen depends neither on their
    order nor on their sign; among equal numbers the first ones are taken. Two choices that are
    still level mirror each other around 0, as -1 -1 and 1 1: both are returned, and cancel out.

    Args:
        count: None for all values.
    """
    if count is None or len(values) <= count:
        return tuple(range(len(values)))
    ordered = sorted(values)
    total, size = sum(ordered), len(ordered)
    best: tuple[float, ...] | None = None
    chosen: Counter[float] = Counter()
    for window in {tuple(ordered[i : i + count]) for i in range(size - count + 1)}:
        own = sum(window)
        variance = count * sum(value * value for value in window) - own * own  # times count^2
        key = (window[-1] - window[0], variance, abs(size * own - count * total), abs(own))
        if best is None or key < best:
            best, chosen = key, Counter(window)
        elif key == best:
            chosen |= Counter(window)
    return _first_indices(values, chosen)


def _first_indices(values: Sequence[float], wanted: Counter[float]) -> tuple[int, ...]:
    """Return the first indices of ``values`` that hold the numbers of ``wanted``, ascending."""
    missing = wanted.copy()
    indices = []
    for index, value in enumerate(values):
        if missing[value] > 0:
            missing[value] -= 1
            indices.append(index)
    return tuple(indices)


def round_mean(values: Sequence[int]) -> int:
    """Return the mean rounded to the nearest integer, an exact .5 to the even neighbour.

    The paper does not say; this is what Python's and numpy's ``round`` do, and it treats both signs
    alike. Three integers never have a mean of .5; two can: 1 and 2 give 2, 2 and 3 give 2.
    """
    return round(Fraction(sum(values), len(values)))


def consensus(
    annotations: Sequence[Annotation],
    *,
    similar: int | None = SIMILAR,
    max_spread: int | None = MAX_SPREAD,
    keep_zeros: bool = False,
) -> Consensus:
    """Return the overall strength of a pair's annotations (HelpSteer2-Preference, section 2).

    One or two annotations are enough. ``[-3, -1, 2, 3]`` keeps -1, 2, 3, whose spread of 4 drops
    the pair; ``[-1, -1, 1]`` gives 0, which is dropped unless ``keep_zeros``. Strength and reason
    do not depend on the order of the annotations.

    Args:
        similar: how many of the most similar annotations count; None for all of them.
        max_spread: how far these may lie apart; None drops no pair for its spread.
    """
    valid = [i for i, a in enumerate(annotations) if a.strength != NEITHER_VALID]
    if not valid:
        return Consensus(strength=None, dropped="no_valid_annotation")
    strengths = [annotations[i].strength for i in valid]
    chosen = most_similar(strengths, similar)
    values = [strengths[i] for i in chosen]
    kept = tuple(valid[i] for i in chosen)
    if max_spread is not None and max(values) - min(values) > max_spread:
        return Consensus(strength=None, dropped="spread", kept=kept)
    strength = round_mean(values)
    if strength == 0 and not keep_zeros:
        return Consensus(strength=None, dropped="zero", kept=kept)
    return Consensus(strength=strength, kept=kept)


def majority(annotations: Sequence[Annotation]) -> int | None:
    """Return -1 where most people prefer Response 1, 1 for Response 2, None on a tie.

    Strengths count as votes of one whatever their degree; -100 is no vote. For evaluation only:
    training uses :func:`consensus`.
    """
    votes = sum(
        (a.strength > 0) - (a.strength < 0) for a in annotations if a.strength != NEITHER_VALID
    )
    return None if votes == 0 else (1 if votes > 0 else -1)

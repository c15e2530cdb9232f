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


def most_similar(values: Sequence[int], count: int = SIMILAR) -> tuple[int, ...]:
    """Return the ascending indices of the ``count`` values closest to each other (all, if fewer).

    Closest: the smallest spread, then the smallest variance, then the values that come first in the
    file. All three are blind to the sign, so flipped annotations keep the same indices.
    """
    if len(values) <= count:
        return tuple(range(len(values)))
    ordered = sorted(values)
    best: tuple[int, Fraction, tuple[int, ...]] | None = None
    for window in {tuple(ordered[i : i + count]) for i in range(len(ordered) - count + 1)}:
        mean = Fraction(sum(window), count)
        variance = sum(((value - mean) ** 2 for value in window), Fraction(0))
        candidate = (window[-1] - window[0], variance, _earliest(values, window))
        best = candidate if best is None else min(best, candidate)
    assert best is not None
    return best[2]


def _earliest(values: Sequence[int], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first indices of ``values`` that hold the numbers of ``wanted``, ascending."""
    missing = Counter(wanted)
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
    similar: int = SIMILAR,
    max_spread: int = MAX_SPREAD,
    keep_zeros: bool = False,
) -> Consensus:
    """Return the overall strength of a pair's annotations (HelpSteer2-Preference, section 2).

    One or two annotations are enough. ``[-3, -1, 2, 3]`` keeps -1, 2, 3, whose spread of 4 drops
    the pair; ``[-1, -1, 1]`` gives 0, which is dropped unless ``keep_zeros``.
    """
    valid = [i for i, a in enumerate(annotations) if a.strength != NEITHER_VALID]
    if not valid:
        return Consensus(strength=None, dropped="no_valid_annotation")
    strengths = [annotations[i].strength for i in valid]
    chosen = most_similar(strengths, similar)
    values = [strengths[i] for i in chosen]
    kept = tuple(valid[i] for i in chosen)
    if max(values) - min(values) > max_spread:
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

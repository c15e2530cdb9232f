"""Grid search of the weights that make one reward of five attributes.

Each weight goes from -1 to 1 by 0.1: 21^5 = 4,084,101 combinations. A combination's accuracy is the
share of pairs whose chosen response gets strictly more than the rejected one. Source:
HelpSteer2-Preference (arXiv 2410.01257), SteerLM regression.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judge.annotated import ATTRIBUTES
from judge.errors import UsageError

STEPS = 10
"""Weights are whole tenths from -10 to 10."""
_CELLS = 1 << 20
"""Combination-pair cells worked on at once: a few arrays of 8 MB."""
_GRID = 3000
"""Differences become whole multiples of 1 / (3000 k): thirds and thousandths stay exact."""
_LARGEST = 2.0**40
"""Bound of the scaled differences: sums and the floors of their quotients are exact in float64."""

Weights = tuple[int, ...]
"""One weight an attribute, in tenths."""


@dataclass(frozen=True)
class Fold:
    """The best weights without one fold's pairs, and how they do on those."""

    weights: Weights
    right: int
    pairs: int


@dataclass(frozen=True)
class GridResult:
    """What the search found; all counts are of pairs."""

    weights: Weights
    """The best on all pairs, in tenths."""
    right: int
    """Pairs that they get right: the in-sample figure, of which they are the best of millions."""
    equals: int
    """Combinations that get as many right, these included."""
    alone: dict[str, int]
    """Pairs right by one attribute alone."""
    folds: list[Fold]
    pairs: int
    prompts: int

    @property
    def accuracy(self) -> float:
        """In-sample accuracy."""
        return self.right / self.pairs

    @property
    def cross_validated(self) -> float:
        """Accuracy of weights that were found without the pairs they are applied to."""
        return sum(fold.right for fold in self.folds) / self.pairs


def grid_search(
    differences: NDArray[np.float64], prompts: Sequence[str], folds: int = 5, seed: int = 17
) -> GridResult:
    """Search all combinations once; the folds' figures come from the same pass.

    Args:
        differences: ``[pairs, 5]``, chosen minus rejected, in the order of ``ATTRIBUTES``.
        prompts: what says which pairs share a prompt; they share a fold.
        seed: of the division into folds.

    Raises:
        UsageError: when there are fewer prompts than folds or a difference is not finite.
    """
    place = fold_of(prompts, folds, seed)
    counts = count_right(scaled(differences), place, folds, STEPS)
    total = counts.sum(axis=1, dtype=np.int64)
    best = _best(total, STEPS)
    attributes = differences.shape[1]
    found = []
    for fold in range(folds):
        without = _best(total - counts[:, fold], STEPS)
        weights = weights_at(without, attributes, STEPS)
        found.append(Fold(weights, int(counts[without, fold]), int((place == fold).sum())))
    return GridResult(
        weights_at(best, attributes, STEPS),
        int(total[best]),
        int((total == total[best]).sum()),
        {name: int((differences[:, i] > 0).sum()) for i, name in enumerate(ATTRIBUTES)},
        found,
        len(differences),
        len(set(prompts)),
    )


def fold_of(prompts: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every pair: all pairs of a prompt in one, folds of like size.

    Prompts come in an order drawn by ``seed`` that does not depend on the order of the pairs; each
    goes to the fold that has fewest pairs by then.

    Raises:
        UsageError: when there are fewer prompts than folds, or fewer than two folds.
    """
    sizes: dict[str, int] = {}
    for prompt in prompts:
        sizes[prompt] = sizes.get(prompt, 0) + 1
    if folds < 2 or len(sizes) < folds:
        raise UsageError(f"{folds} folds need 2 or more folds and as many prompts: {len(sizes)}")
    drawn = sorted(sizes, key=lambda p: hashlib.sha256(f"{seed}:{p}".encode()).digest())
    filled = [0] * folds
    place = {}
    for prompt in drawn:
        place[prompt] = filled.index(min(filled))
        filled[place[prompt]] += sizes[prompt]
    return np.array([place[prompt] for prompt in prompts])


def scaled(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the differences as whole numbers, so that a tie is a tie exactly.

    The scale is as fine as the arithmetic stays exact with: for ratings from 0 to 4 steps of about
    4e-12, which is far below the precision of any reward.

    Raises:
        UsageError: when a difference is not finite.
    """
    if not np.isfinite(differences).all():
        raise UsageError("a reward is not finite")
    largest = np.abs(differences).max(initial=2.0**-100)  # what is smaller is nothing at all
    multiple = _LARGEST / largest / _GRID
    scale = np.floor(multiple) * _GRID if multiple >= 1 else _LARGEST / largest
    return np.round(differences * scale)


def count_right(
    differences: NDArray[np.float64], place: NDArray[np.int64], folds: int, steps: int
) -> NDArray[np.uint32]:
    """Return how many pairs of each fold every combination gets right: ``[combinations, folds]``.

    Combinations are in the order of :func:`weights_at`. The last attribute's weight is not tried
    one by one: with the other weights fixed, a pair is right from some weight on (or up to one),
    so that a histogram of those thresholds gives the counts of all its values at once.

    Args:
        differences: whole numbers, see :func:`scaled`.
    """
    width = 2 * steps + 1
    before, last = differences[:, :-1], differences[:, -1]
    rows = width ** before.shape[1]
    bins = width + 1  # a threshold at each weight, and never
    # One histogram for each row, fold and direction.
    base = (place * 2 + (last < 0)) * bins + steps
    block = max(1, _CELLS // max(len(differences), 1))
    counts = np.empty((rows, folds, width), dtype=np.uint32)
    for start in range(0, rows, block):
        stop = min(start + block, rows)
        weights = _combinations(start, stop, before.shape[1], steps)
        cells = _thresholds(weights @ before.T, np.abs(last), steps)
        cells += base + (np.arange(stop - start) * (folds * 2 * bins))[:, None]
        size = (stop - start) * folds * 2 * bins
        histogram = np.bincount(cells.astype(np.intp).ravel(), minlength=size)
        reached = histogram.reshape(-1, folds, 2, bins)[..., :width].cumsum(axis=-1)
        counts[start:stop] = reached[:, :, 0] + reached[:, :, 1, ::-1]
    return counts.transpose(0, 2, 1).reshape(rows * width, folds)


def weights_at(index: int, attributes: int, steps: int) -> Weights:
    """Return a combination by its number; the last attribute's weight changes fastest."""
    return tuple(int(w) for w in _combinations(index, index + 1, attributes, steps)[0])


def _thresholds(
    sums: NDArray[np.float64], last: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Return the smallest whole weight w with sum + w |last| > 0, at most ``steps + 1`` (never)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(sums, -last, out=sums)
    np.floor(sums, out=sums)
    sums += 1
    np.fmin(sums, steps + 1, out=sums)  # 0 / 0 is not a number: a tie at every weight, never right
    return np.maximum(sums, -steps, out=sums)


def _combinations(start: int, stop: int, attributes: int, steps: int) -> NDArray[np.float64]:
    """Return combinations ``start`` to ``stop``: ``[stop - start, attributes]``, in tenths."""
    width = 2 * steps + 1
    index = np.arange(start, stop)
    columns = [index // width**k % width for k in reversed(range(attributes))]
    return np.stack(columns, axis=1).astype(np.float64) - steps


def _best(right: NDArray[np.int64], steps: int) -> int:
    """Return the combination with most pairs right.

    Of equals: the smallest sum of absolute weights (twice the weights are the same reward), then
    the largest weight of the first attribute, of the second, and so on.
    """
    width = 2 * steps + 1
    attributes = round(np.log(len(right)) / np.log(width))
    equals = np.flatnonzero(right == right.max())
    columns = [equals // width**k % width - steps for k in reversed(range(attributes))]
    size = np.abs(columns).sum(axis=0)
    return int(equals[np.lexsort((-equals, size))[0]])

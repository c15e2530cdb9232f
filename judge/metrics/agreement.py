"""How far people and models agree: Cohen's kappa of scikit-learn, Krippendorff's alpha of his.

Of annotators it is computed from a small table of counts, one line for every different item, so
that it takes little memory however many items there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Level = Literal["nominal", "ordinal", "interval"]
_PLACES = 12
"""Sums of floats have other last digits in another order; figures have not."""


def cohen_kappa(
    one: Sequence[int],
    other: Sequence[int],
    labels: Sequence[int],
    weights: Literal["linear", "quadratic"] | None = "quadratic",
    times: Sequence[int] | None = None,
) -> float | None:
    """Return Cohen's kappa of two raters (Cohen 1960; weighted: 1968).

    Args:
        one: what the first says of each item; ``other`` what the second says of it.
        labels: every value there can be, ascending. Weights go by places in this list: with every
            whole number of a range they are squared differences of the values.
        times: how often each item counts; once by default.

    Returns:
        None where it is not defined: nothing rated, or both always say the same one thing.
    """
    from sklearn.metrics import cohen_kappa_score

    said = {*one, *other}
    if len(said) < 2:
        return None
    kappa = cohen_kappa_score(one, other, labels=labels, weights=weights, sample_weight=times)
    return round(float(kappa), _PLACES)


def krippendorff_alpha(counts: Any, domain: Any, level: Level) -> float | None:
    """Return Krippendorff's alpha of any number of raters, who may differ from item to item.

    Args:
        counts: an array (or lists) of whole numbers ``[items, values]``: how many raters gave an
            item each value of ``domain``. A line of fewer than two ratings says nothing.
        domain: every value there can be, ascending; ``[values]``.

    Returns:
        None where it is not defined: no item has two ratings, or all of those are the same.
    """
    import krippendorff
    import numpy as np

    table = np.asarray(counts, dtype=int).reshape(-1, len(domain))
    table = table[table.sum(axis=1) >= 2]
    if (table.sum(axis=0) > 0).sum() < 2:
        return None
    alpha = krippendorff.alpha(
        value_counts=table, value_domain=np.asarray(domain), level_of_measurement=level
    )
    return round(float(alpha), _PLACES)


def whole_range(scale: Sequence[int]) -> range:
    """Return every whole number of a scale's range: of strengths -3 to 3, the 0 between them."""
    return range(min(scale), max(scale) + 1)


class AgreementReport(BaseModel):
    """How far any number of annotators agree. None where all annotations are the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: int
    """Those with two annotations or more."""
    annotations: int
    pairs_of_annotations: int
    """Of the same item, in one order."""
    annotations_an_item: dict[str, int]
    """Items by their number of annotations."""
    kappa: float | None
    """By squared differences of the values: -1 and 1 are two apart, as in the consensus rule."""
    kappa_by_rank: float | None
    """By those of their places on the scale: -1 and 1 are neighbours, as scikit-learn does with the
    labels it finds."""
    alpha_ordinal: float | None
    alpha_interval: float | None
    values: tuple[int, ...]
    """The scale: rows and columns of ``matrix``."""
    matrix: tuple[tuple[int, ...], ...]
    """How often there is each ordered pair of annotations of one item."""


class AgreementCounts:
    """Agreement of any number of annotators, who may differ from item to item.

    Cohen's kappa is defined for two annotators. With more, every ordered pair of two annotations of
    one item is one entry of the confusion matrix, which is therefore symmetric: nobody is "the
    first annotator", and the order of annotations cannot matter. Neither paper says how it pools
    its three to five annotators; averaging kappas of "annotator 1 against annotator 2" would need
    names that the released files do not carry.

    Args:
        scale: every value an annotation can have, ascending.
    """

    def __init__(self, scale: Sequence[int]) -> None:
        self._scale = tuple(scale)
        self._allowed = frozenset(scale)
        self._items: Counter[tuple[int, ...]] = Counter()
        """How many items have each line of counts: how often each value of the scale was given."""

    def add(self, values: Sequence[int]) -> None:
        """Count the annotations of one item; one alone says nothing about agreement.

        Raises:
            ValueError: for a value that is not on the scale.
        """
        counts = Counter(values)
        if not counts.keys() <= self._allowed:
            raise ValueError(f"{sorted(counts)} is not on the scale {self._scale}")
        if len(values) >= 2:
            self._items[tuple(counts[value] for value in self._scale)] += 1

    def report(self) -> AgreementReport:
        """Return items, annotations, kappas, alphas and the matrix of ordered pairs."""
        sizes: Counter[int] = Counter()
        for counts, items in self._items.items():
            sizes[sum(counts)] += items
        pooled = self._pooled()
        one, other, times = self._pairs(pooled)
        values = whole_range(self._scale)
        return AgreementReport(
            items=sizes.total(),
            annotations=sum(size * n for size, n in sizes.items()),
            pairs_of_annotations=sum(size * (size - 1) // 2 * n for size, n in sizes.items()),
            annotations_an_item={str(size): n for size, n in sorted(sizes.items())},
            kappa=cohen_kappa(one, other, values, times=times),
            kappa_by_rank=cohen_kappa(one, other, self._scale, times=times),
            alpha_ordinal=self._alpha("ordinal"),
            alpha_interval=self._alpha("interval"),
            values=self._scale,
            matrix=tuple(map(tuple, pooled)),
        )

    def _pooled(self) -> list[list[int]]:
        """Return how often there is each ordered pair of annotations of one item."""
        places = range(len(self._scale))
        pooled = [[0] * len(places) for _ in places]
        for counts, items in self._items.items():
            for row in places:
                for column in places:
                    pooled[row][column] += items * counts[row] * (counts[column] - (row == column))
        return pooled

    def _pairs(self, pooled: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[int]]:
        """Return the different ordered pairs, and how often there is each."""
        cells = [
            (one, other, times)
            for one, row in zip(self._scale, pooled, strict=True)
            for other, times in zip(self._scale, row, strict=True)
            if times
        ]
        return [c[0] for c in cells], [c[1] for c in cells], [c[2] for c in cells]

    def _alpha(self, level: Level) -> float | None:
        lines = [line for line, items in sorted(self._items.items()) for _ in range(items)]
        return krippendorff_alpha(lines, self._scale, level)

"""Which groups of models stand before which others, and where no games say.

Groups (:func:`judge.compare.rank.bradley_terry.groups`) have no finite strengths between them: of
two that met, one won every game. Such wins order groups, also through others; what they do not
order has no ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Order = Sequence[Sequence[int]]
Counts = NDArray[np.int64]
_LISTED = 5
"""Pairs of groups without an order that the notes name."""


def before(order: Order, won: Counts) -> NDArray[np.bool_]:
    """Return whether group i is known to stand before group j: it beat it, or one that did.

    Args:
        order: groups of models; one that won against another stands before it.
        won: how many games model i won against model j.
    """
    size = len(order)
    known = np.zeros((size, size), dtype=bool)
    for i, j in combinations(range(size), 2):
        known[i, j] = bool(won[np.ix_(order[i], order[j])].any())
    for k in range(size):  # Warshall's closure: before one that is before another
        known |= np.outer(known[:, k], known[k])
    return known


def surely_above(known: NDArray[np.bool_], order: Order, group: int) -> int | None:
    """Return how many models stand in groups before this one.

    None where there is a group that no games set before or behind this one.
    """
    others = [g for g in range(len(order)) if g != group]
    if not all(known[g, group] or known[group, g] for g in others):
        return None
    return sum(len(order[g]) for g in others if known[g, group])


def order_notes(models: Sequence[str], won: Counts, order: Order) -> list[str]:
    """Return why strengths cannot be compared across groups, and which groups have no order."""
    if len(order) == 1:
        return []
    names = [", ".join(models[m] for m in members) for members in order]
    known = before(order, won)
    notes, unordered = [], []
    for i, j in combinations(range(len(order)), 2):
        count = int(won[np.ix_(order[i], order[j])].sum())
        one, two = f"group {i + 1} ({names[i]})", f"group {j + 1} ({names[j]})"
        if count and j == i + 1:
            notes.append(f"{one} won every game against {two}: {count:,}")
        elif not known[i, j]:
            unordered.append(
                f"{one} played no model of {two}, and no other group puts one before the other"
            )
    notes += unordered[:_LISTED]
    if len(unordered) > _LISTED:
        notes.append(f"and {len(unordered) - _LISTED:,} more groups without an order")
    if unordered:
        notes.append(
            "models of groups without an order have no rank; the list's order says nothing"
        )
    notes.append(
        "no finite strengths compare one group with another: no chain of wins leads both ways"
    )
    return notes

"""What every benchmark's rule works with: its rows, and what a system says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from judge.compare.systems import Decision
from judge.formats.benchmarks import Written

Outcome = Literal["won", "undecided", "lost", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("won", "undecided", "lost", "failed")
Cell = tuple[int, int]
"""A comparison of a row: index of the chosen response, index of the rejected one."""


@dataclass(frozen=True, kw_only=True)
class Item(Written):
    """One row of a benchmark: a prompt, responses that are right, responses that are wrong."""

    subset: str
    item_id: str = ""
    """Unique in its benchmark: the subset and the row's own id."""
    own_id: str = ""
    """The row's own id; empty where it has none."""

    @classmethod
    def of(cls, subset: str, written: Written) -> Item:
        """Return what a row says as one of a subset."""
        return cls(subset=subset, **vars(written))

    @property
    def responses(self) -> tuple[str, ...]:
        """Return the responses: chosen ones, then rejected ones."""
        return self.chosen + self.rejected


@dataclass(frozen=True, slots=True)
class ResponseComparison:
    """What a system says of one chosen response against one rejected one."""

    orders: tuple[bool, ...] = ()
    """For each order judged, ``given`` first: whether the chosen response won; empty for a reward
    model."""
    preferred: bool | None = None
    """Whether the system prefers the chosen response on the whole: a judge by both orders' mean
    log-odds, a reward model by its rewards. None is a tie, where ``failure`` is None."""
    failure: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Return our stricter reading: won in every order, lost in every order, or undecided."""
        if self.failure is not None:
            return "failed"
        if self.orders:
            won = set(self.orders)
            return "undecided" if len(won) == 2 else ("won" if won == {True} else "lost")
        return "undecided" if self.preferred is None else ("won" if self.preferred else "lost")


@dataclass(frozen=True)
class Judged:
    """A row and what a system says of it."""

    item: Item
    comparisons: Mapping[Cell, ResponseComparison] = field(default_factory=dict)
    rewards: tuple[float | None, ...] | None = None
    """A reward model's, for each of the row's responses; None for one that it gave none. None of a
    judge."""

    @property
    def outcome(self) -> Outcome:
        """Return our reading of the row as a whole: the worst of its comparisons.

        A lost one is worse than a failed one, which is worse than an undecided one.
        """
        found = {comparison.outcome for comparison in self.comparisons.values()}
        return next(
            outcome for outcome in ("lost", "failed", "undecided", "won") if outcome in found
        )

    @property
    def comparison(self) -> ResponseComparison:
        """Return the only comparison of a row with one chosen and one rejected response."""
        return self.comparisons[0, 0]


def compare_rewards(chosen: float | None, rejected: float | None) -> ResponseComparison:
    """Return what two rewards say; None is no reward."""
    if chosen is None or rejected is None:
        return ResponseComparison(failure="no reward")
    return ResponseComparison(preferred=None if chosen == rejected else chosen > rejected)


def compare_verdicts(decision: Decision, chosen: Literal[1, 2]) -> ResponseComparison:
    """Return what a decision on a pair says.

    Args:
        chosen: which of the pair's responses is the chosen one.
    """
    if decision.failure is not None:
        return ResponseComparison(failure=decision.failure)
    # In the order ``flipped`` Response 2 is shown first.
    winners = [
        (1 if first else 2) if order == 0 else (2 if first else 1)
        for order, first in enumerate(decision.first_slot)
    ]
    preferred = decision.preference
    return ResponseComparison(
        orders=tuple(winner == chosen for winner in winners),
        preferred=None if preferred is None else preferred == f"response_{chosen}",
    )

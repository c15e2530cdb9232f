"""A system's decisions on all pairs as arrays, and what they earn against people's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judge.compare.systems import Decision, Kind, System

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_SIDE = {"response_1": -1, "response_2": 1, None: 0}
_NO_REWARDS = (np.nan, np.nan)
_ABSENT = Decision(preference=None)


@dataclass(frozen=True, eq=False)
class Column:
    """One system over n pairs; every array has the shape (n,)."""

    name: str
    kind: Kind
    choice: NDArray[np.int8]
    """-1 Response 1, 1 Response 2 (the sign of a strength); 0 a tie, or no answer."""
    answered: Flags
    """A preference or a tie."""
    failed: Flags
    strength: Floats
    """NaN where there is none."""
    probability: Floats
    """P(Response 1 better); NaN where there is none."""
    rewards: Floats
    """Of shape (n, 2); NaN where there are none."""

    @property
    def asked(self) -> Flags:
        """Whether the system was asked: it answered or failed."""
        return self.answered | self.failed

    @property
    def difference(self) -> Floats:
        """Return reward_1 - reward_2; NaN where there are none."""
        return np.subtract(self.rewards[:, 0], self.rewards[:, 1])

    @property
    def preferred(self) -> Flags:
        """Whether it prefers a response."""
        return np.not_equal(self.choice, 0)


def column(ids: Sequence[str], system: System) -> Column:
    """Return the system's decisions on the pairs ``ids``, in their order."""
    there = [system.decisions.get(pair_id) for pair_id in ids]
    decisions = [_ABSENT if d is None else d for d in there]
    failed = np.array([d.failure is not None for d in decisions], dtype=bool)
    present = np.array([d is not None for d in there], dtype=bool)
    return Column(
        name=system.name,
        kind=system.kind,
        choice=np.array([_SIDE[d.preference] for d in decisions], dtype=np.int8),
        answered=present & ~failed,
        failed=failed,
        strength=_floats(d.strength for d in decisions),
        probability=_floats(d.probability for d in decisions),
        rewards=np.array([d.rewards or _NO_REWARDS for d in decisions]).reshape(-1, 2),
    )


def _floats(values: Any) -> Floats:
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def credit(
    system: Column, people: Column, *, tie: float = 0.5, failure: float | None = 0.0
) -> Floats:
    """Return what each pair earns the system: 1 for people's preference, 0 for the other.

    NaN where nothing can be earned: people have no preference, or the system was not asked.

    Args:
        tie: what a tie of the system earns.
        failure: what a failure earns; None leaves failed pairs out (NaN).
    """
    earned = np.where(system.choice == people.choice, 1.0, 0.0)
    earned[system.choice == 0] = tie
    earned[system.failed] = np.nan if failure is None else failure
    earned[~(system.asked & people.preferred)] = np.nan
    return earned

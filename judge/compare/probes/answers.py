"""What a system answered about an altered pair, seen from the altered response."""

from __future__ import annotations

from collections.abc import Mapping

from judge.compare.systems import Decision
from judge.reward import Preference

NOT_ASKED = "not_asked"
"""A reward model is not asked where the judge beside it failed."""


def failure_of(decision: Decision | None) -> str | None:
    """Return why there is no answer, None where there is one."""
    return NOT_ASKED if decision is None else decision.failure


def wins(decision: Decision, target: Preference) -> float:
    """Return 1 where the target is preferred, 0 where the other one is, 0.5 without preference."""
    if decision.preference is None:
        return 0.5
    return float(decision.preference == target)


def wins_given(decision: Decision, target: Preference) -> float:
    """Return the same of the order ``given`` alone; of a reward model, which has none, of it."""
    if not decision.first_slot:
        return wins(decision, target)
    return float(decision.first_slot[0] == (target == "response_1"))


def chance(decision: Decision, target: Preference) -> float | None:
    """Return P(the target is better), None without probabilities."""
    p = decision.probability
    return p if p is None or target == "response_1" else 1 - p


def answered(
    decisions: Mapping[str, Decision], pair_id: str, left_out: dict[str, int]
) -> Decision | None:
    """Return a pair's decision; count it in ``left_out`` and return None where there is none."""
    decision = decisions.get(pair_id)
    reason = failure_of(decision)
    if reason is None:
        return decision
    left_out[reason] = left_out.get(reason, 0) + 1
    return None

"""The rules of a project as pure functions: who sees what when, and what counts as what."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

from app.review.project import MOST_ANNOTATIONS, Settings
from judge.consensus import MAX_SPREAD
from judge.verdict import NEITHER_VALID, ORDERS, Order

TaskKind = Literal["task", "gold", "attention"]
"""``gold``: the right answer is known; ``attention``: the pair says which option to choose."""
FIRST = 3
"""The annotations whose disagreement asks for more (HelpSteer2, section 2)."""
SKIMMED_WORDS_A_SECOND = 30
"""Nobody reads this fast; a quick reader does 5, who skims 12 (Rayner et al., 2016, "So much to
read, so little time")."""
LONGEST_SKIM = 60.0
"""Seconds that even the longest texts add to a choice that counts as too fast."""
_LAST = 1 << 40
"""Comes after every place in a queue."""
UNDOABLE = 10
"""A person's last decisions that can be taken back."""


def shown_order(seed: int, account_id: int, task_id: int) -> Order:
    """Return which side each response is on for this person and task: drawn, but always the same.

    ``given``: response_1 is shown as Response 1.
    """
    return ORDERS[_draw(f"side:{seed}:{account_id}:{task_id}") % 2]


def queue_position(settings: Settings, pair_id: str, given: int, informative: int | None) -> int:
    """Return a task's place in the queue: lower ones come first, of equal ones the older task.

    Args:
        given: its number in the order of the imports.
        informative: its place among the most informative, where it has one.
    """
    if settings.order == "random":
        return _draw(f"queue:{settings.seed}:{pair_id}") >> 1  # a signed column holds 63 bits
    if settings.order == "informative":
        return _LAST + given if informative is None else informative
    return given


def is_check_turn(settings: Settings, account_id: int, turn: int) -> bool:
    """Return whether the task number ``turn`` (from 0) of a person is to be a check.

    Drawn, so that nobody can count to the next one.
    """
    every = settings.check_every
    return every > 0 and _draw(f"check:{settings.seed}:{account_id}:{turn}") % every == 0


def spread(strengths: Sequence[int]) -> int | None:
    """Return how far annotations lie apart; None where only some found a response valid."""
    valid = [s for s in strengths if s != NEITHER_VALID]
    if valid and len(valid) < len(strengths):
        return None
    return max(valid) - min(valid) if valid else 0


def disagree(strengths: Sequence[int]) -> bool:
    """Return whether annotations lie apart by more than 2, or only some found a response valid."""
    apart = spread(strengths)
    return apart is None or apart > MAX_SPREAD


def wanted(settings: Settings, strengths: Sequence[int]) -> int:
    """Return how many annotations a task needs (HelpSteer2, section 2: three, two more where these
    disagree, never more than five).

    Args:
        strengths: those that are there, in the order in which they were completed.
    """
    count = settings.annotations
    if len(strengths) >= FIRST <= count and disagree(strengths[:FIRST]):
        count = min(count + settings.more_on_disagreement, MOST_ANNOTATIONS)
    return count


def is_right(kind: TaskKind, expected: int, strength: int) -> bool:
    """Return whether a check was answered right: a gold task by the same response whatever the
    degree, an attention check by exactly the option that it asks for."""
    if kind == "attention" or NEITHER_VALID in (expected, strength):
        return strength == expected
    return (strength > 0) == (expected > 0)


def is_too_fast(settings: Settings, seconds: float, words: int) -> bool:
    """Return whether a choice came faster than anyone can even skim that many words."""
    skimming = min(words / SKIMMED_WORDS_A_SECOND, LONGEST_SKIM)
    return seconds < settings.too_fast_seconds + skimming


def _draw(key: str) -> int:
    """Return 64 bits that depend on the key alone."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")

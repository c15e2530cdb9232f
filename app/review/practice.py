"""What a person is told after a task of the practice round, in the order shown to them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.review.rules import TaskKind, is_right
from judge.verdict import NEITHER_VALID, Order, flip_names, flip_strength


class Feedback(BaseModel):
    """The right answer of a practice task, once the person has chosen."""

    model_config = ConfigDict(frozen=True)

    right: bool
    """Whether the person's choice counts as right."""
    expected: int
    """The strength that is the answer."""
    because: str
    """Why, in the words that came with the gold task; may be empty."""


def feedback(kind: TaskKind, expected: int, because: str, strength: int, order: Order) -> Feedback:
    """Return what is said to a person with this order.

    Args:
        expected, because, strength: the answer, its reason and the person's choice, in the pair's
            own order.
    """
    right = is_right(kind, expected, strength)
    if order == "flipped":
        expected = expected if expected == NEITHER_VALID else flip_strength(expected)
        because = flip_names(because)
    return Feedback(right=right, expected=expected, because=because)

"""What a person is told after a task of the practice round, in the order shown to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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


PassState = Literal["practising", "passed", "waiting"]


class Passing(BaseModel):
    """How a person stands in a practice round that has a pass mark."""

    model_config = ConfigDict(frozen=True)

    state: PassState
    """``waiting``: no gold task is left for another round, and a manager decides."""
    mark: int
    """Percent of a round that must be right."""
    each: int
    """Tasks of a round."""
    right: int
    done: int
    """Of the round that they are in, or of the last one where the next has not begun."""
    failed: int
    """Rounds that were below the mark."""
    goes_on: bool
    """Whether the next practice task may be given: not before a round's last one is answered."""


def passing(answers: Sequence[bool], in_hand: int, each: int, mark: int, more: bool) -> Passing:
    """Return how a person stands: one round at the mark is enough, whatever came before it.

    Args:
        answers: whether each practice task that they completed was right, the oldest first.
        in_hand: practice tasks that they have and did not complete.
        each: tasks of a round, 1 or more.
        more: whether there is a gold task that they have not had. Without one a round is as long as
            what there was, and who could practise on nothing at all has passed.
    """
    more = more or in_hand > 0
    rounds = [answers[start : start + each] for start in range(0, len(answers), each)]
    ended = [one for one in rounds if len(one) == each or not more]
    good = next((one for one in ended if 100 * sum(one) >= mark * len(one)), None)
    last = good or (rounds[-1] if rounds else [])
    state: PassState = "practising" if more else "waiting"
    if good is not None or not (rounds or more):
        state = "passed"
    failed = ended.index(good) if good is not None else len(ended)
    return Passing(
        state=state,
        mark=mark,
        each=each,
        right=sum(last),
        done=len(last),
        failed=failed,
        goes_on=state == "practising" and not (in_hand and (len(answers) + in_hand) % each == 0),
    )

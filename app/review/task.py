"""A task as one person sees it, what the person decides, and the way back to the pair's own order.

The side on which each response is shown is drawn for each person and task. Only this module turns
one order into the other: ``Choice``, ``Final`` and ``Draft`` have a ``flipped()``, the service
stores the pair's own (given) order and hands out the shown one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.review.highlights import Highlights, flipped
from app.review.practice import Feedback, Passing
from app.review.statement import justification_of
from app.review.written import Written
from judge.annotated import MAX_RATING, Attribute
from judge.judgment import Judgment
from judge.pair import Annotation, Message, Pair
from judge.verdict import NEITHER_VALID, STRENGTHS, Order, flip_names, flip_strength

OPTIONS: tuple[int, ...] = (*STRENGTHS, NEITHER_VALID)
"""The seven options in the order of their row on the page, as strengths."""
OPTION_LABELS: dict[int, str] = {
    -3: "Response 1 is much better",
    -2: "Response 1 is better",
    -1: "Response 1 is slightly better",
    1: "Response 2 is slightly better",
    2: "Response 2 is better",
    3: "Response 2 is much better",
    NEITHER_VALID: "Neither response is valid",
}
State = Literal["open", "chosen", "complete", "skipped", "returned"]
"""``open``: given to the person, nothing decided; ``chosen``: the first choice is stored, the judge
may be revealed; ``complete``: done, by the person or because the lease ran out after the first
choice, which then stands; ``skipped``: by the person; ``returned``: the lease ran out before any
choice."""
Explanation = Literal["right", "partly_right", "wrong"]
Words = Literal["own", "judge", "edited"]
"""Which words are kept after the reveal: the first reason as it was written, the judge's as they
are (only when they were called right), or what the person wrote in place of either."""


def _on_the_scale(strength: int) -> int:
    if strength not in OPTIONS:
        raise ValueError(f"strength {strength} is none of {OPTIONS}")
    return strength


Strength = Annotated[int, AfterValidator(_on_the_scale)]


class Choice(BaseModel):
    """The first choice: made before anything of the judge was shown, where the project is blind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: Strength
    justification: Written = ""
    """In the person's own words; may name @Response 1 and @Response 2."""
    highlights: Highlights = ()
    """What was marked by then."""

    def flipped(self) -> Self:
        """Return the choice for the flipped pair: sign and names; twice is the identity."""
        return self.model_copy(
            update={
                "strength": flip_strength(self.strength),
                "justification": flip_names(self.justification),
                "highlights": flipped(self.highlights),
            }
        )

    def annotation(self) -> Annotation:
        """Return the choice as training reads it: its statement in words, then the reason."""
        text = justification_of(self.strength, self.justification)
        return Annotation(strength=self.strength, justification=text)


class Final(BaseModel):
    """What the person says after the judge's explanation was shown. The first choice is kept.

    There is no statement: it follows from the strength.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: Strength
    explanation: Explanation | None = None
    """Whether the judge's explanation is right; None only where there is none."""
    words: Words = "own"
    elaboration: Written = ""
    """Why, where the words are ``edited``; where they are the ``judge``'s the service fills it in;
    one's ``own`` stand in the choice."""
    highlights: Highlights = ()
    """All that are marked now, those of the choice included."""

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if self.words == "own" and self.elaboration:
            raise ValueError("one's own words are those of the choice: send no others, or edited")
        return self

    def flipped(self) -> Self:
        """Return it for the flipped pair: sign and names; twice is the identity."""
        return self.model_copy(
            update={
                "strength": flip_strength(self.strength),
                "elaboration": flip_names(self.elaboration),
                "highlights": flipped(self.highlights),
            }
        )


class DraftRatings(BaseModel):
    """Ratings so far, by attribute; any may be missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    response_1: dict[Attribute, Annotated[int, Field(ge=0, le=MAX_RATING)]] | None = None
    response_2: dict[Attribute, Annotated[int, Field(ge=0, le=MAX_RATING)]] | None = None
    """None where the task has one response."""

    def flipped(self) -> Self:
        """Return them for the flipped pair; one response has no other side."""
        if self.response_2 is None:
            return self
        return self.model_copy(
            update={"response_1": self.response_2, "response_2": self.response_1}
        )


class Draft(BaseModel):
    """What stands in the page's fields; anything may be missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(default=0, ge=0, le=2**31 - 1)
    """Counts up with every save of a page; a save that overtook a later one is dropped."""
    strength: Strength | None = None
    justification: Written = ""
    explanation: Explanation | None = None
    words: Words | None = None
    """None: nobody decided yet."""
    elaboration: Written = ""
    """What was edited, also while other words are chosen."""
    ratings: DraftRatings | None = None
    """Of a project that rates."""
    highlights: Highlights = ()
    """Whatever the texts are now: they are checked when the decision is stored."""

    def flipped(self) -> Self:
        """Return it for the flipped pair: sign and names; twice is the identity."""
        return self.model_copy(
            update={
                "strength": None if self.strength is None else flip_strength(self.strength),
                "justification": flip_names(self.justification),
                "elaboration": flip_names(self.elaboration),
                "ratings": self.ratings and self.ratings.flipped(),
                "highlights": flipped(self.highlights),
            }
        )


class Flippable(Protocol):
    """What can be said of a pair in either order."""

    def flipped(self) -> Self:
        """Return it for the flipped pair; twice is the identity."""
        ...


Said = TypeVar("Said", bound=Flippable)


class TaskView(BaseModel):
    """A task as one person sees it, in the order shown. Nothing of the judge is in here."""

    model_config = ConfigDict(frozen=True)

    assignment_id: int
    """This person's part in the task; what every call of the annotating service names."""
    project_id: int
    number: int
    """The task's, which managers find it by. Its pair's id may tell what kind of task it is."""
    prompt: tuple[Message, ...]
    response_1: str
    response_2: str
    state: State
    blind: bool
    """Whether :meth:`app.service.annotating.Annotating.reveal` is refused before a choice."""
    has_judge: bool
    """Whether there is something to reveal; without it the choice completes the task."""
    revealed: bool
    lease_until: datetime | None
    """When the task goes back to the queue unless something is done; None once it is decided."""
    draft: Draft | None
    choice: Choice | None
    final: Final | None
    ratings: dict[str, Any] | None = None
    """The first ratings, where the project rates (:class:`app.review.ratings.Ratings`)."""
    final_ratings: dict[str, Any] | None = None
    remark: str = ""
    """Beside the ratings that stand."""
    highlights: Highlights = ()
    """Of the decision that stands."""
    practice: bool = False
    """It does not count, and its answer is shown once it is complete."""
    feedback: Feedback | None = None
    """Of a practice task that is complete."""
    flag: str | None
    """Why this person flagged it."""
    reason: str | None
    """Why this person skipped it."""


class ShownReward(BaseModel):
    """A reward model's rewards of the responses shown as 1 and 2."""

    model_config = ConfigDict(frozen=True)

    name: str
    response_1: float
    response_2: float


class Reveal(BaseModel):
    """What the judge and the reward models said, in the order shown to the person."""

    model_config = ConfigDict(frozen=True)

    model: str
    """The judge's name."""
    strength: int | None
    """-3..3; 0 undecided; None where only reward models judged."""
    statement: str
    elaboration: str
    """Empty where there is no explanation, as ``statement``."""
    probability: float | None
    """P(the response shown as 1 is better)."""
    consistent: bool | None
    rewards: tuple[ShownReward, ...]
    attributes: dict[str, dict[str, list[float]]] = {}
    """By reward model and attribute the values of the responses shown as 1 and 2."""


class TaskLine(BaseModel):
    """One line of a person's own list of tasks."""

    model_config = ConfigDict(frozen=True)

    assignment_id: int
    state: State
    strength: int | None
    """As shown: the final one where there is one, else the first choice."""
    flagged: bool
    answered: bool = False
    """An adjudicator's comment waits to be read."""
    number: int
    excerpt: str
    """The beginning of the last message of the prompt."""
    decided_at: datetime | None


class MyProgress(BaseModel):
    """How far one person is."""

    model_config = ConfigDict(frozen=True)

    done: int
    """Tasks this person completed, checks included."""
    available: int
    """Tasks that are open for this person: those in hand and those still in the queue."""
    done_today: int
    """Since midnight UTC."""
    per_hour: float | None
    """Completed in an hour of work, of the last 200 (:mod:`app.review.pace`); None of too few."""
    median_seconds: float | None
    """From showing a task to its choice, over the last 200."""
    answers: int = 0
    """Comments of adjudicators that the person has not read."""
    quota: int = 0
    """Tasks that this person gets at most; 0: no limit."""
    quota_left: int | None = None
    """How many of them the person was not given yet; None without a limit."""
    passing: Passing | None = None
    """How the practice round goes, where it has a pass mark."""
    can_undo: int
    """How many decisions :meth:`app.service.annotating.Annotating.undo` would take back."""


def as_shown(pair: Pair, order: Order) -> Pair:
    """Return the pair as a person with this order sees it."""
    return pair if order == "given" else pair.flipped()


def to_given(said: Said, order: Order) -> Said:
    """Return what a person with this order said, in the pair's own order; and the way back."""
    return said if order == "given" else said.flipped()


def reveal_of(model: str, judgment: Judgment, order: Order) -> Reveal:
    """Return what is revealed to a person with this order."""
    seen = judgment if order == "given" else judgment.flipped()
    return Reveal(
        model=model,
        strength=seen.strength,
        statement=seen.statement or "",
        elaboration=seen.elaboration or "",
        probability=seen.probability,
        consistent=seen.consistent,
        rewards=tuple(
            ShownReward(name=name, response_1=pair[0], response_2=pair[1])
            for name, pair in seen.rewards.items()
        ),
        attributes={
            name: dict(scored.attributes)
            for name, scored in seen.scorers.items()
            if scored.attributes
        },
    )

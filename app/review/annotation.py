"""One person's finished annotation of one task, in the pair's own order, and whole tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.review.highlights import Highlight
from app.review.rules import TaskKind, disagree
from app.review.statement import justification_of, statement_of
from app.review.task import Choice, Final
from app.review.words import same_side, shares_a_run
from judge.pair import Annotation
from judge.verdict import Order

Origin = Literal["own", "judge", "edited", "none"]
"""Whose words an elaboration is: the person's, the judge's as they were taken, a person's with six
words in a row of the judge's."""
Which = Literal["final", "first"]


class Annotated(BaseModel):
    """A complete annotation, in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    assignment_id: int
    task_id: int
    account_id: int
    name: str
    shown: Order
    blind: bool
    choice: Choice
    final: Final | None
    """None without a judge, or where the person never came back after the first choice."""
    flagged: str | None
    chosen_at: datetime
    completed_at: datetime
    practice: bool = False
    """Before the work counted; the right answer was shown after it."""
    seconds: float
    """From showing the task to the choice."""

    def strength(self, which: Which = "final") -> int:
        """Return the person's strength: the final one where there is one, or the first."""
        return self.final.strength if self.final and which == "final" else self.choice.strength

    def statement(self, which: Which = "final") -> str:
        """Return the option in words; empty for -100."""
        return statement_of(self.strength(which))

    def elaboration(self, which: Which = "final") -> str:
        """Return why, in the words that the person wrote or took: the first reason, unless the
        person changed sides since, or what was said after the reveal."""
        if self.final and which == "final":
            if self.final.words != "own":
                return self.final.elaboration.strip()
            if not same_side(self.final.strength, self.choice.strength):
                return ""
        return self.choice.justification.strip()

    def highlights(self, which: Which = "final") -> tuple[Highlight, ...]:
        """Return the spans that are marked."""
        said = self.final if self.final and which == "final" else self.choice
        return said.highlights

    def annotation(self, which: Which = "final") -> Annotation:
        """Return the annotation as training reads it."""
        strength = self.strength(which)
        text = justification_of(strength, self.elaboration(which))
        return Annotation(strength=strength, justification=text)

    def origin(self, judges: str | None) -> Origin:
        """Return whose words the final elaboration is, given the judge's."""
        text = self.elaboration()
        if not text:
            return "none"
        if self.final is None or self.final.words == "own":
            return "own"
        if self.final.words == "judge":
            return "judge"
        return "edited" if judges and shares_a_run(text, judges) else "own"


class Adjudication(BaseModel):
    """What an adjudicator decided, in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    name: str
    choice: Choice
    reason: str
    at: datetime


class JudgeSaid(BaseModel):
    """What the figures and exports need of a judgment, in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    model: str
    strength: int | None
    elaboration: str


class Task(BaseModel):
    """A task with everything that was said of it."""

    model_config = ConfigDict(frozen=True)

    task_id: int
    pair_id: str
    source: str
    kind: TaskKind
    expected: int | None
    evaluation: bool
    """Of an evaluation set, or with the same content as a pair of one."""
    evaluation_prompt: bool
    """Its prompt, with other responses, is in an evaluation set."""
    words: int
    wanted: int
    withdrawn: bool
    judge: JudgeSaid | None
    annotations: tuple[Annotated, ...]
    """The complete ones, first completed first."""
    decision: Adjudication | None
    begun: bool
    """Whether anyone has it in hand or completed it."""

    @property
    def has_all(self) -> bool:
        """Whether all its annotations are there."""
        return len(self.annotations) >= self.wanted

    @property
    def is_disputed(self) -> bool:
        """Whether it waits for an adjudicator: all its annotations are there and lie too far
        apart."""
        return self.has_all and self.decision is None and disagree(self.strengths())

    def strengths(self, which: Which = "final") -> list[int]:
        """Return the strengths of its annotations."""
        return [a.strength(which) for a in self.annotations]


def of_queue(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks that count: no checks, none withdrawn."""
    return [task for task in tasks if task.kind == "task" and not task.withdrawn]

"""The figures of a project as values, and how they follow from its annotations."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Share(BaseModel):
    """A share of 0 to 1 with its 95 % interval (Wilson); all None of nothing."""

    model_config = ConfigDict(frozen=True)

    hits: int
    total: int
    share: float | None
    low: float | None
    high: float | None


class Agreement(BaseModel):
    """How far annotations of the same tasks agree."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    """With two annotations or more, -100 left out."""
    kappa: float | None
    """Quadratic-weighted Cohen's kappa; of more than two people pooled over all their pairs."""
    alpha: float | None
    """Krippendorff's, for intervals."""
    same_response: Share
    """Pairs of annotations that prefer the same response."""


class PairAgreement(BaseModel):
    """How far two people agree."""

    model_config = ConfigDict(frozen=True)

    one: str
    other: str
    tasks: int
    kappa: float | None
    """Quadratic-weighted Cohen's kappa of the two; None where it is not defined."""


class Against(BaseModel):
    """One rater against another on the tasks both have a strength for."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    kappa: float | None
    same_response: Share
    mean_difference: float | None
    """Mean of |difference of strengths|."""


class Anchoring(BaseModel):
    """What the reveal did to people's choices: annotations made blind and then completed."""

    model_config = ConfigDict(frozen=True)

    changed: Share
    """Any change of strength: the anchoring rate."""
    changed_response: Share
    """The other response is preferred now, or one where none was."""
    towards_judge: Share
    """Of the changed ones: the strength came nearer to the judge's."""


class WorkFigures(BaseModel):
    """One person's work, of any kind."""

    model_config = ConfigDict(frozen=True)

    name: str
    completed: int
    skipped: int
    flagged: int
    median_seconds: float | None
    """From showing a task to its choice, of the last 200, as on the person's own page."""
    too_fast: Share
    per_hour: float | None
    """Completed tasks an hour of work, of the last 200, as on the person's own page; a pause of
    more than 15 minutes is no work."""


class AnnotatorFigures(WorkFigures):
    """One person's choices."""

    against_consensus: Against
    """Against the consensus of the others' annotations of the same tasks."""
    shown_first: Share
    """Chose the response that was shown first, among choices of a response before the reveal."""
    changed: Share
    """Changed the strength after the reveal."""
    checks: Share
    """Gold tasks and attention checks answered right."""
    explanation_right: Share
    """Of the judge's explanations called right or partly right."""


class PacePoint(BaseModel):
    """Annotations completed in one hour."""

    model_config = ConfigDict(frozen=True)

    hour: datetime
    completed: int


class ProjectProgress(BaseModel):
    """How far the project is; gold tasks, checks and withdrawn tasks are not counted."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    untouched: int
    in_progress: int
    finished: int
    """All annotations are there (and, where they lie too far apart, an adjudicator's decision)."""
    to_adjudicate: int
    withdrawn: int
    flagged: int
    """Tasks with a flag that stands, finished or not; withdrawn ones are not counted."""
    annotations: int
    annotations_wanted: int
    seconds_left: float | None
    """Of one person's work, at the pace of everyone's work so far."""


class Dashboard(BaseModel):
    """Every figure of a project."""

    model_config = ConfigDict(frozen=True)

    computed_at: datetime
    progress: ProjectProgress
    agreement_first: Agreement
    """Of the choices before the reveal."""
    agreement_final: Agreement
    pairwise: tuple[PairAgreement, ...]
    """Of the final strengths, by name."""
    judge_before: Against
    """The judge against each person's choice before the reveal, made blind."""
    judge_after: Against
    """The same people and tasks after it."""
    explanations: dict[str, int]
    """How many explanations were called right, partly_right, wrong."""
    anchoring: Anchoring
    position: Share
    """Chose the response shown first, before the reveal, over all people."""
    annotators: tuple[AnnotatorFigures, ...]
    pace: tuple[PacePoint, ...]

"""The figures of a project that rates, from its tasks and their ratings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from app.review.agreement import share_of
from app.review.figures import PacePoint, ProjectProgress, Share, WorkFigures
from app.review.project import Settings
from app.review.ratings import RatedAnnotation, RatedTask, Side
from app.review.work import pace, progress, work
from judge.annotated import ATTRIBUTES, MAX_RATING, Attribute
from judge.consensus import SIMILAR, most_similar
from judge.data.ratings import nearest_first
from judge.metrics.agreement import AgreementCounts as Counts


class AttributeFigures(BaseModel):
    """How far people agree in one attribute."""

    model_config = ConfigDict(frozen=True)

    attribute: Attribute
    responses: int
    """With two ratings or more."""
    kappa_first: float | None
    """Quadratic-weighted Cohen's, of the ratings before the reveal; pooled over all pairs of
    people, as everywhere here."""
    kappa: float | None
    alpha: float | None
    """Krippendorff's, for intervals."""
    mean: float | None
    kept: float | None
    """Kappa of the three that agree most, where helpfulness does not spread too far: what trains
    (HelpSteer2's table of agreement)."""
    changed: Share
    """Ratings that the reveal changed, of those made blind."""
    model_difference: float | None
    """Mean of |rating - the reward models' value|, of ratings made blind."""


class RaterFigures(WorkFigures):
    """One person's ratings."""

    from_others: float | None
    """Mean of |helpfulness - mean of the others'| over the same responses."""


class RatingBoard(BaseModel):
    """Every figure of a project that rates."""

    model_config = ConfigDict(frozen=True)

    computed_at: datetime
    progress: ProjectProgress
    dropped: int
    """Finished responses whose ratings that agree most still spread by more than 2."""
    attributes: tuple[AttributeFigures, ...]
    raters: tuple[RaterFigures, ...]
    pace: tuple[PacePoint, ...]


def rating_board(
    settings: Settings,
    tasks: Sequence[RatedTask],
    skipped: Mapping[str, int],
    flagged: Mapping[str, int],
    flagged_tasks: int,
    now: datetime,
) -> RatingBoard:
    """Return every figure; arguments as of :func:`app.review.dashboard.dashboard`."""
    counted = [task for task in tasks if not task.withdrawn]
    own: defaultdict[str, list[tuple[RatedAnnotation, RatedTask]]] = defaultdict(list)
    for task in counted:
        for one in task.annotations:
            own[one.name].append((one, task))
    return RatingBoard(
        computed_at=now,
        progress=progress(tasks, counted, flagged_tasks),
        dropped=sum(
            task.agreed(side).dropped is not None
            for task in counted
            if task.has_all
            for side in task.sides()
        ),
        attributes=tuple(_attribute(counted, attribute) for attribute in ATTRIBUTES),
        raters=tuple(
            _rater(settings, name, own[name], skipped.get(name, 0), flagged.get(name, 0))
            for name in sorted({*own, *skipped, *flagged})
        ),
        pace=pace(one for task in counted for one in task.annotations),
    )


def _attribute(tasks: Sequence[RatedTask], attribute: Attribute) -> AttributeFigures:
    scale = range(MAX_RATING + 1)
    before, after, kept = Counts(scale), Counts(scale), Counts(scale)
    values: list[int] = []
    changes: list[bool] = []
    differences: list[float] = []
    for task in tasks:
        for number, side in enumerate(task.sides()):
            before.add(task.values(side, first=True)[attribute])
            after.add(task.values(side)[attribute])
            values += task.values(side)[attribute]
            if task.agreed(side).dropped is None:
                kept.add(_most_similar(task, side, attribute))
            models = [by[attribute][number] for by in task.judged.values() if attribute in by]
            for one in task.annotations:
                first, last = one.first.ratings.of(side), one.said().ratings.of(side)
                if not one.blind or first is None or last is None:
                    continue
                if one.final is not None:
                    changes.append(first.value(attribute) != last.value(attribute))
                differences += [abs(first.value(attribute) - model) for model in models]
    report = after.report()
    return AttributeFigures(
        attribute=attribute,
        responses=report.items,
        kappa_first=before.report().kappa,
        kappa=report.kappa,
        alpha=report.alpha_interval,
        mean=fmean(values) if values else None,
        kept=kept.report().kappa,
        changed=share_of(changes),
        model_difference=fmean(differences) if differences else None,
    )


def _most_similar(task: RatedTask, side: Side, attribute: Attribute) -> list[int]:
    """Return the ratings of the three people whose helpfulness agrees most."""
    values = task.values(side)
    people = nearest_first(list(zip(*values.values(), strict=True)))
    chosen = most_similar([values["helpfulness"][person] for person in people], SIMILAR)
    return [values[attribute][people[i]] for i in chosen]


def _rater(
    settings: Settings,
    name: str,
    own: Sequence[tuple[RatedAnnotation, RatedTask]],
    skipped: int,
    flagged: int,
) -> RaterFigures:
    apart = []
    for one, task in own:
        for side in task.sides():
            mine = one.said().ratings.of(side)
            others = [
                rated.helpfulness
                for other in task.annotations
                if other.account_id != one.account_id
                and (rated := other.said().ratings.of(side)) is not None
            ]
            if mine is not None and others:
                apart.append(abs(mine.helpfulness - fmean(others)))
    return RaterFigures(
        **work(settings, name, own, skipped, flagged),
        from_others=fmean(apart) if apart else None,
    )

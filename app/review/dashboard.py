"""The dashboard of a project: every figure, from its tasks and their annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median

from app.review import agreement as agreed
from app.review.agreement import Said, share_of
from app.review.annotation import Annotated, Task, of_queue
from app.review.figures import AnnotatorFigures, Dashboard, PacePoint, Progress
from app.review.pace import LATEST, per_hour, seconds_left
from app.review.project import Settings
from app.review.rules import is_right, is_too_fast


def dashboard(
    settings: Settings,
    tasks: Sequence[Task],
    skipped: Mapping[str, int],
    flagged: Mapping[str, int],
    flagged_tasks: int,
    now: datetime,
) -> Dashboard:
    """Return every figure of a project.

    Args:
        tasks: all of them, checks and withdrawn ones too.
        skipped: how many tasks each person skipped, by name; ``flagged`` likewise.
        flagged_tasks: how many tasks have a flag that stands, finished or not.
    """
    counted = of_queue(tasks)
    said = [(one, task) for task in counted for one in task.annotations]
    own: defaultdict[str, list[Said]] = defaultdict(list)
    for task in tasks:
        for one in task.annotations if not task.withdrawn else ():
            own[one.name].append((one, task))
    names = sorted({*own, *skipped, *flagged})
    ratings = Counter(one.final.explanation for one, _ in said if one.final)
    return Dashboard(
        computed_at=now,
        progress=_progress(tasks, counted, flagged_tasks),
        agreement_first=agreed.agreement(counted, "first"),
        agreement_final=agreed.agreement(counted, "final"),
        pairwise=agreed.pairwise(counted),
        judge_before=agreed.against_judge(said, "first"),
        judge_after=agreed.against_judge(said, "final"),
        explanations={kind: ratings[kind] for kind in ("right", "partly_right", "wrong")},
        anchoring=agreed.anchoring(said),
        position=agreed.shown_first(said),
        annotators=tuple(
            _annotator(settings, name, own[name], skipped.get(name, 0), flagged.get(name, 0))
            for name in names
        ),
        pace=_pace(one for one, _ in said),
    )


def _progress(tasks: Sequence[Task], counted: Sequence[Task], flagged: int) -> Progress:
    disputed = sum(task.is_disputed for task in counted)
    whole = sum(task.has_all for task in counted)
    untouched = sum(not task.begun and not task.annotations for task in counted)
    done = sum(len(task.annotations) for task in counted)
    wanted = sum(max(task.wanted, len(task.annotations)) for task in counted)
    moments: defaultdict[str, list[datetime]] = defaultdict(list)
    for task in tasks:
        for one in task.annotations:
            moments[one.name].append(one.completed_at)
    return Progress(
        tasks=len(counted),
        untouched=untouched,
        in_progress=len(counted) - whole - untouched,
        finished=whole - disputed,
        to_adjudicate=disputed,
        withdrawn=sum(task.withdrawn for task in tasks),
        flagged=flagged,
        annotations=done,
        annotations_wanted=wanted,
        seconds_left=seconds_left(wanted - done, moments.values()),
    )


def _annotator(
    settings: Settings, name: str, own: Sequence[Said], skipped: int, flagged: int
) -> AnnotatorFigures:
    counted = [(one, task) for one, task in own if task.kind == "task"]
    latest = sorted((one for one, _ in own), key=lambda one: one.completed_at)[-LATEST:]
    rated = [one.final.explanation for one, _ in counted if one.final and one.final.explanation]
    return AnnotatorFigures(
        name=name,
        completed=len(own),
        skipped=skipped,
        flagged=flagged,
        median_seconds=median(one.seconds for one in latest) if latest else None,
        too_fast=share_of(is_too_fast(settings, one.seconds, task.words) for one, task in own),
        per_hour=per_hour([one.completed_at for one in latest]),
        against_consensus=agreed.against_others(counted),
        shown_first=agreed.shown_first(counted),
        changed=agreed.changed(counted),
        checks=share_of(
            is_right(task.kind, task.expected, one.strength("first"))
            for one, task in own
            if task.expected is not None
        ),
        explanation_right=share_of(rating != "wrong" for rating in rated),
    )


def _pace(said: Iterable[Annotated]) -> tuple[PacePoint, ...]:
    hours = Counter(one.completed_at.replace(minute=0, second=0, microsecond=0) for one in said)
    return tuple(PacePoint(hour=hour, completed=n) for hour, n in sorted(hours.items()))

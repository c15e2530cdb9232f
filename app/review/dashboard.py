"""The dashboard of a project: every figure, from its tasks and their annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.review import agreement as agreed
from app.review.agreement import Said, share_of
from app.review.annotation import Task, of_queue
from app.review.figures import AnnotatorFigures, Dashboard
from app.review.project import Settings
from app.review.rules import is_right
from app.review.work import pace, progress, work


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
        progress=progress(tasks, counted, flagged_tasks, sum(task.is_disputed for task in counted)),
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
        pace=pace(one for one, _ in said),
    )


def _annotator(
    settings: Settings, name: str, own: Sequence[Said], skipped: int, flagged: int
) -> AnnotatorFigures:
    own = [(one, task) for one, task in own if not one.practice]
    counted = [(one, task) for one, task in own if task.kind == "task"]
    rated = [one.final.explanation for one, _ in counted if one.final and one.final.explanation]
    return AnnotatorFigures(
        **work(settings, name, own, skipped, flagged),
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

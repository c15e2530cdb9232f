"""How far a project is and how its people work: the same of choices and of ratings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median
from typing import Any, Protocol

from app.review.agreement import share_of
from app.review.figures import PacePoint, ProjectProgress
from app.review.pace import LATEST, per_hour, seconds_left
from app.review.project import Settings
from app.review.rules import is_too_fast


class Finished(Protocol):
    """What one person said of one task."""

    @property
    def name(self) -> str: ...
    @property
    def completed_at(self) -> datetime: ...
    @property
    def seconds(self) -> float: ...


class Counted(Protocol):
    """A task with what was said of it."""

    @property
    def annotations(self) -> Sequence[Finished]: ...
    @property
    def wanted(self) -> int: ...
    @property
    def words(self) -> int: ...
    @property
    def withdrawn(self) -> bool: ...
    @property
    def begun(self) -> bool: ...
    @property
    def has_all(self) -> bool: ...


def progress(
    tasks: Sequence[Counted], counted: Sequence[Counted], flagged: int, disputed: int = 0
) -> ProjectProgress:
    """Return how far a project is.

    Args:
        tasks: all of them, whose annotations tell everyone's pace.
        counted: those that the figures are of.
        flagged: tasks with a flag that stands.
        disputed: tasks of ``counted`` that wait for an adjudicator.
    """
    whole = sum(task.has_all for task in counted)
    untouched = sum(not task.begun and not task.annotations for task in counted)
    done = sum(len(task.annotations) for task in counted)
    wanted = sum(max(task.wanted, len(task.annotations)) for task in counted)
    moments: defaultdict[str, list[datetime]] = defaultdict(list)
    for task in tasks:
        for one in task.annotations:
            moments[one.name].append(one.completed_at)
    return ProjectProgress(
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


def pace(said: Iterable[Finished]) -> tuple[PacePoint, ...]:
    """Return how many annotations were completed in each hour that had any."""
    hours = Counter(one.completed_at.replace(minute=0, second=0, microsecond=0) for one in said)
    return tuple(PacePoint(hour=hour, completed=n) for hour, n in sorted(hours.items()))


def work(
    settings: Settings,
    name: str,
    own: Sequence[tuple[Finished, Counted]],
    skipped: int,
    flagged: int,
) -> dict[str, Any]:
    """Return one person's :class:`app.review.figures.WorkFigures` by field.

    Args:
        own: what the person finished, each with its task.
        skipped, flagged: how many tasks the person skipped, and flagged.
    """
    latest = sorted((one for one, _ in own), key=lambda one: one.completed_at)[-LATEST:]
    return {
        "name": name,
        "completed": len(own),
        "skipped": skipped,
        "flagged": flagged,
        "median_seconds": median(one.seconds for one in latest) if latest else None,
        "too_fast": share_of(is_too_fast(settings, one.seconds, task.words) for one, task in own),
        "per_hour": per_hour([one.completed_at for one in latest]),
    }

"""How fast people work: the same figure wherever one is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

PAUSE = timedelta(minutes=15)
"""A longer gap between two annotations is no work."""
LATEST = 200
"""A person's last annotations, which pace and median are of."""


def worked(moments: Iterable[datetime]) -> tuple[int, timedelta]:
    """Return how many annotations one person completed in how much time of work: each but the
    first after a pause, with the time since the one before."""
    gaps = [b - a for a, b in pairwise(sorted(moments)) if b - a <= PAUSE]
    return len(gaps), sum(gaps, timedelta())


def per_hour(moments: Sequence[datetime]) -> float | None:
    """Return how many one person completes in an hour of work; None of too few to say."""
    count, time = worked(sorted(moments)[-LATEST:])
    return count / (time / timedelta(hours=1)) if time else None


def seconds_left(missing: int, people: Iterable[Sequence[datetime]]) -> float | None:
    """Return how many seconds of one person's work so many annotations are, at everyone's pace."""
    done = [worked(moments) for moments in people]
    count, time = sum(n for n, _ in done), sum((t for _, t in done), timedelta())
    return missing * time.total_seconds() / count if time else None

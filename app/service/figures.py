"""Progress and agreement, for adjudicators and managers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any

from app.review.dashboard import dashboard
from app.review.figures import Dashboard
from app.review.project import Person
from app.service.access import allow
from app.store import views
from app.store.database import Store


class Figures:
    """The figures of a project, computed when asked."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock
        self._computing = Lock()
        self._last: dict[int, tuple[Any, Dashboard]] = {}

    def dashboard(self, who: Person | None, project_id: int) -> Dashboard:
        """Return all figures of the project; the same object again while nothing has changed."""
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "see_figures")
            state = settings, views.state_of(tx, project_id)
        with self._computing:  # of several who look at once, one computes
            before = self._last.get(project_id)
            if before is not None and before[0] == state:
                return before[1]
            with self._store.reading() as tx:
                tasks = views.tasks(tx, project_id)
                skipped, flagged = views.skipped_and_flagged(tx, project_id)
                of_tasks = views.flagged_tasks(tx, project_id)
            found = dashboard(settings, tasks, skipped, flagged, of_tasks, self._now())
            self._last[project_id] = state, found
            return found

"""Progress and agreement, for adjudicators and managers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any

from app.errors import Refused
from app.review.dashboard import dashboard
from app.review.figures import Dashboard
from app.review.project import Person, Settings
from app.review.rating_figures import RatingBoard, rating_board
from app.service.access import allow
from app.store import annotated, views
from app.store.database import Store


class Figures:
    """The figures of a project, computed when asked."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock
        self._computing = Lock()
        self._last: dict[int, tuple[Any, Dashboard | RatingBoard]] = {}

    def dashboard(self, who: Person | None, project_id: int) -> Dashboard:
        """Return all figures of a project that compares; the same object again while nothing has
        changed.

        Raises:
            Refused: the project rates.
        """
        found = self.board(who, project_id)
        if not isinstance(found, Dashboard):
            raise Refused("this project rates attributes")
        return found

    def board(self, who: Person | None, project_id: int) -> Dashboard | RatingBoard:
        """Return all figures of a project of either kind; the same object while nothing changed."""
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "see_figures")
            state = settings, views.state_of(tx, project_id)
        with self._computing:  # of several who look at once, one computes
            before = self._last.get(project_id)
            if before is not None and before[0] == state:
                return before[1]
            found = self._computed(project_id, settings)
            self._last[project_id] = state, found
            return found

    def _computed(self, project_id: int, settings: Settings) -> Dashboard | RatingBoard:
        with self._store.reading() as tx:
            counts = views.skipped_and_flagged(tx, project_id)
            flagged = views.flagged_tasks(tx, project_id)
            if settings.kind == "attributes":
                rated = annotated.rated_tasks(tx, project_id)
                return rating_board(settings, rated, *counts, flagged, self._now())
            tasks = annotated.tasks(tx, project_id)
        return dashboard(settings, tasks, *counts, flagged, self._now())

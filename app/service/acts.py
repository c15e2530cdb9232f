"""What managers do to a project and its tasks, kept as events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.review.project import Person
from app.store import events
from app.store.database import Transaction


def acted(
    tx: Transaction,
    now: datetime,
    who: Person | None,
    project_id: int,
    kind: events.Kind,
    data: dict[str, Any],
    task_id: int | None = None,
    reason: str = "",
) -> None:
    """Keep what someone did; None is the command line."""
    account_id = None if who is None else who.account_id
    events.add(
        tx, project_id, kind, now, account_id=account_id, task_id=task_id, data=data, reason=reason
    )

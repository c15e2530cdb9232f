"""Drafts: what stands in a page's fields, one for each assignment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite

from app.review.task import Draft
from app.store.database import Transaction
from app.store.schema import draft


def save(tx: Transaction, assignment_id: int, said: Draft, now: datetime) -> None:
    """Keep a draft (in the pair's own order), unless a later one is there already."""
    values = {
        "sequence": said.sequence,
        "data": said.model_dump_json(ensure_ascii=True),
        "saved_at": now,
    }
    new = (sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert)(draft)
    tx.execute(
        new.values(assignment_id=assignment_id, **values).on_conflict_do_update(
            index_elements=["assignment_id"],
            set_=values,
            where=draft.c.sequence <= said.sequence,
        )
    )

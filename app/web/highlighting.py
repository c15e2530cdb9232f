"""The texts in which spans may be marked, and where what a page shows of them stands in them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.review.highlights import Source, digest_of
from app.service.highlighting import RESPONSES, Sources
from app.source_map import source_map
from app.web.session import Id, Reviewing, Who

router = APIRouter(prefix="/api")


@router.get("/tasks/{assignment_id}/sources")
def of_task(service: Reviewing, who: Who, assignment_id: Id) -> dict[str, Any]:
    """Return the texts of one of the person's tasks; the judge's once it was revealed."""
    return _json(service.highlighting.sources(who, assignment_id))


@router.get("/disputes/{task_id}/sources")
def of_dispute(service: Reviewing, who: Who, task_id: Id) -> dict[str, Any]:
    """Return the responses of a task for adjudication."""
    dispute = service.adjudicating.view(who, task_id)
    texts = {name: getattr(dispute, name) for name in RESPONSES}
    return _json({name: Source(text, digest_of(text)) for name, text in texts.items()})


def _json(sources: Sources) -> dict[str, Any]:
    found = {}
    for name, source in sources.items():
        where = source_map(source.text)
        found[name] = {
            "text": source.text,
            "digest": source.digest,
            "map": where and where.model_dump(mode="json"),
        }
    return {"sources": found}

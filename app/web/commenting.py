"""Comments between annotators and adjudicators, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from app.service.commenting import Comment, Thread
from app.web.annotating import Body
from app.web.panels import panels
from app.web.session import Id, Reviewing, Who

router = APIRouter(prefix="/api")


class Said(Body):
    """A comment."""

    text: str


@router.get("/tasks/{assignment_id}/comments")
def own(service: Reviewing, who: Who, assignment_id: Id) -> dict[str, Any]:
    """Return the comments on one's own part in a task."""
    return _json(service.commenting.own(who, assignment_id))


@router.post("/tasks/{assignment_id}/comments")
def ask(service: Reviewing, who: Who, assignment_id: Id, body: Said) -> dict[str, Any]:
    """Say something of it to adjudicators."""
    return _json(service.commenting.ask(who, assignment_id, body.text, body.token))


@router.get("/projects/{project_id}/questions")
def questions(service: Reviewing, who: Who, project_id: Id) -> dict[str, Any]:
    """Return the threads that wait for an adjudicator."""
    found = service.commenting.questions(who, project_id)
    return {"questions": [one.model_dump(mode="json") for one in found]}


@router.get("/annotations/{assignment_id}/comments")
def thread(service: Reviewing, who: Who, assignment_id: Id) -> dict[str, Any]:
    """Return a thread for an adjudicator."""
    return _thread(service.commenting.thread(who, assignment_id))


@router.post("/annotations/{assignment_id}/comments")
def answer(service: Reviewing, who: Who, assignment_id: Id, body: Said) -> dict[str, Any]:
    """Answer the annotator."""
    return _thread(service.commenting.answer(who, assignment_id, body.text, body.token))


def _json(found: Sequence[Comment]) -> dict[str, Any]:
    return {"comments": [one.model_dump(mode="json") for one in found]}


def _thread(found: Thread) -> dict[str, Any]:
    pair = found.pair
    return {
        **_json(found.comments),
        "panels": panels(pair.prompt, pair.response_1, pair.response_2),
    }

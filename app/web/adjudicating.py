"""What the adjudication page asks for and sends, as JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.render import render_markdown
from app.review.task import Choice
from app.service.adjudicating import Dispute
from app.web.annotating import Body, own_guidelines
from app.web.panels import View, options_json, panels
from app.web.session import Id, Reviewing, Who

router = APIRouter(prefix="/api")
EXCERPT = 80


class SentDecision(Body):
    """What stands for a task, and why the adjudicator decided so."""

    decision: Choice
    reason: str


@router.get("/projects/{project_id}/disputes")
def queue(service: Reviewing, who: Who, project_id: Id) -> dict[str, Any]:
    """Return the tasks to adjudicate, the widest spread first, without their texts."""
    settings = service.projects.get(who, project_id).settings
    disputes = service.adjudicating.queue(who, project_id)
    return {
        "guidelines": render_markdown(settings.guidelines or own_guidelines()),
        "options": options_json(),
        "load_images": settings.load_images,
        "disputes": [
            {
                "task_id": dispute.task_id,
                "spread": dispute.spread,
                "excerpt": dispute.prompt[-1].content[:EXCERPT],
            }
            for dispute in disputes
        ],
    }


@router.get("/disputes/{task_id}")
def view(service: Reviewing, who: Who, task_id: Id) -> dict[str, Any]:
    """Return one of them."""
    return _json(service.adjudicating.view(who, task_id))


@router.get("/disputes/{task_id}/panels")
def other_view(service: Reviewing, who: Who, task_id: Id, view: View) -> dict[str, Any]:
    """Return its texts in another view."""
    dispute = service.adjudicating.view(who, task_id)
    return panels(dispute.prompt, dispute.response_1, dispute.response_2, view)


@router.post("/disputes/{task_id}/decide")
def decide(service: Reviewing, who: Who, task_id: Id, body: SentDecision) -> dict[str, Any]:
    """Store what stands for the task."""
    return _json(service.adjudicating.decide(who, task_id, body.decision, body.reason, body.token))


def _json(dispute: Dispute) -> dict[str, Any]:
    fields = dispute.model_dump(mode="json", exclude={"prompt", "response_1", "response_2"})
    return {**fields, "panels": panels(dispute.prompt, dispute.response_1, dispute.response_2)}

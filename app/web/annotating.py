"""What the task page asks for and sends, as JSON."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app.render import render_markdown
from app.review.project import ProjectKind
from app.review.ratings import RatedChoice, anchors_json
from app.review.task import Choice, Draft, Final, TaskView
from app.service import Person, Service
from app.web.panels import View, options_json, panels, reveal_json, task_json
from app.web.session import LARGEST_ID, Id, Reviewing, Who

router = APIRouter(prefix="/api")
AHEAD = 2
"""The task on the screen and the one after it, so that nobody waits for the next."""


class Body(BaseModel):
    """What every press of a button sends: ``token`` is new with each, the same when it is sent
    again because no answer came."""

    model_config = ConfigDict(extra="forbid")

    token: str


class ChoiceBody(Body):
    """The first choice."""

    choice: Choice | RatedChoice


class FinalBody(Body):
    """What is said after the reveal."""

    final: Final | RatedChoice


class ReasonBody(Body):
    """Why a task is skipped or flagged."""

    reason: str


@router.get("/projects/{project_id}/annotating")
def start(service: Reviewing, who: Who, project_id: Id) -> dict[str, Any]:
    """Return everything that the task page needs when it opens."""
    settings = service.projects.get(who, project_id).settings
    return {
        "blind": settings.blind,
        "kind": settings.kind,
        "responses": settings.responses if settings.kind == "attributes" else "both",
        "attributes": anchors_json() if settings.kind == "attributes" else [],
        "require_justification": settings.require_justification,
        "load_images": settings.load_images,
        "guidelines": render_markdown(settings.guidelines or own_guidelines(settings.kind)),
        "options": options_json(),
        **_work(service, who, project_id, []),
    }


@router.get("/projects/{project_id}/tasks")
def more(
    service: Reviewing,
    who: Who,
    project_id: Id,
    have: Annotated[list[int] | None, Query(max_length=100)] = None,
) -> dict[str, Any]:
    """Return the tasks to work on now, without those that the page has already."""
    return _work(service, who, project_id, have or [])


@router.get("/projects/{project_id}/mine")
def mine(
    service: Reviewing,
    who: Who,
    project_id: Id,
    before: Annotated[int | None, Query(ge=0, le=LARGEST_ID)] = None,
    text: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """Return the person's own tasks, newest first; with a text in them, if one is given."""
    lines = service.annotating.mine(who, project_id, before, text=text)
    return {"tasks": [line.model_dump(mode="json") for line in lines]}


@router.post("/projects/{project_id}/undo")
def undo(service: Reviewing, who: Who, project_id: Id, body: Body) -> dict[str, Any]:
    """Take back the last decision."""
    return _answer(service, who, service.annotating.undo(who, project_id, body.token))


@router.get("/tasks/{assignment_id}")
def view(service: Reviewing, who: Who, assignment_id: Id) -> dict[str, Any]:
    """Return one of the person's tasks, with the reveal where there was one."""
    return _answer(service, who, service.annotating.view(who, assignment_id))


@router.get("/tasks/{assignment_id}/panels")
def other_view(service: Reviewing, who: Who, assignment_id: Id, view: View) -> dict[str, Any]:
    """Return the texts of a task in another view."""
    task = service.annotating.view(who, assignment_id)
    return panels(task.prompt, task.response_1, task.response_2, view)


@router.post("/tasks/{assignment_id}/begin", status_code=204)
def begin(service: Reviewing, who: Who, assignment_id: Id) -> None:
    """Note that the task is on the screen."""
    service.annotating.begin(who, assignment_id)


@router.put("/tasks/{assignment_id}/draft")
def save_draft(service: Reviewing, who: Who, assignment_id: Id, draft: Draft) -> dict[str, Any]:
    """Keep what stands in the fields."""
    saved = service.annotating.save_draft(who, assignment_id, draft)
    return {"saved": saved.isoformat(), "sequence": draft.sequence}


@router.post("/tasks/{assignment_id}/choose")
def choose(service: Reviewing, who: Who, assignment_id: Id, body: ChoiceBody) -> dict[str, Any]:
    """Store the first choice; once that is done, return what the judge said."""
    task = service.annotating.choose(who, assignment_id, body.choice, body.token)
    return _answer(service, who, task, revealing=True)


@router.post("/tasks/{assignment_id}/reveal")
def reveal(service: Reviewing, who: Who, assignment_id: Id) -> dict[str, Any]:
    """Return what the judge said; refused before the choice in a blind project."""
    return {"reveal": reveal_json(service.annotating.reveal(who, assignment_id))}


@router.post("/tasks/{assignment_id}/complete")
def complete(service: Reviewing, who: Who, assignment_id: Id, body: FinalBody) -> dict[str, Any]:
    """Store what the person says after the reveal."""
    task = service.annotating.complete(who, assignment_id, body.final, body.token)
    return _answer(service, who, task)


@router.post("/tasks/{assignment_id}/skip")
def skip(service: Reviewing, who: Who, assignment_id: Id, body: ReasonBody) -> dict[str, Any]:
    """Hand the task back for others."""
    task = service.annotating.skip(who, assignment_id, body.reason, body.token)
    return _answer(service, who, task)


@router.post("/tasks/{assignment_id}/flag")
def flag(service: Reviewing, who: Who, assignment_id: Id, body: ReasonBody) -> dict[str, Any]:
    """Tell the managers that something is wrong."""
    task = service.annotating.flag(who, assignment_id, body.reason, body.token)
    return _answer(service, who, task)


@cache
def own_guidelines(kind: ProjectKind = "preference") -> str:
    """Return the guidelines that come with the program, as markdown."""
    name = "guidelines.md" if kind == "preference" else "guidelines_attributes.md"
    return (Path(__file__).parent.parent / name).read_text(encoding="utf-8")


def _work(service: Service, who: Person, project_id: Id, have: list[int]) -> dict[str, Any]:
    tasks = service.annotating.take(who, project_id, AHEAD)
    return {
        "order": [task.assignment_id for task in tasks],
        "tasks": [_task(service, who, task) for task in tasks if task.assignment_id not in have],
        "progress": service.annotating.progress(who, project_id).model_dump(mode="json"),
    }


def _answer(
    service: Service, who: Person, task: TaskView, revealing: bool = False
) -> dict[str, Any]:
    progress = service.annotating.progress(who, task.project_id)
    return {
        **_task(service, who, task, revealing),
        "progress": progress.model_dump(mode="json"),
    }


def _task(service: Service, who: Person, task: TaskView, revealing: bool = False) -> dict[str, Any]:
    """Return a task and what may be shown of the judge: after a reveal, or where none is hidden."""
    shown = task.has_judge and (task.revealed or revealing or not task.blind)
    reveal = service.annotating.reveal(who, task.assignment_id) if shown else None
    return {
        "task": task_json(task),
        "reveal": reveal and reveal_json(reveal),
    }

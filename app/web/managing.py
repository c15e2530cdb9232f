"""Projects made and filled in the browser: two plain pages, and what managers send."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from app.errors import NotAllowed, Refused
from app.review.project import MOST_ANNOTATIONS, Content, Settings, may
from app.service.importing import Imported
from app.service.uploads import Sent
from app.web.session import Id, Reviewing, Who, of_this_session
from app.web.templates import render

router = APIRouter()
MOST_PARTS = 200
"""Files of one upload; of a run folder they are five."""
_CONTENTS: dict[str, Content] = {
    "tasks": "tasks", "gold": "gold", "attention": "attention", "queue": "queue",
}  # fmt: skip
_FIELDS = {
    "name": "The name",
    "annotations": "Annotations a task",
    "kind": "What is asked for",
    "responses": "Responses",
}


@router.get("/projects/new")
def new_project_page(request: Request, service: Reviewing, who: Who) -> Response:
    """Show the form for a new project."""
    if not service.projects.may_create(who):
        raise NotAllowed("only managers may make projects")
    return _new_project(request, service, {})


@router.post("/projects/new")
def new_project(
    request: Request,
    service: Reviewing,
    who: Who,
    name: Annotated[str, Form()] = "",
    asks: Annotated[str, Form()] = "preference",
    annotations: Annotated[str, Form()] = "",
    blind: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Make a project, then show the page that fills it."""
    kind, _, responses = asks.partition(" ")
    said: dict[str, Any] = {"name": name.strip(), "kind": kind, "annotations": annotations}
    said |= {"blind": bool(blind)} | ({"responses": responses} if responses else {})
    if not of_this_session(request, service, csrf):
        return _new_project(request, service, said, "please send this form again")
    try:
        made = service.projects.create(who, Settings.model_validate(said))
    except ValidationError as error:
        problem = error.errors()[0]
        field = _FIELDS.get(str(problem["loc"][0]), str(problem["loc"][0]))
        return _new_project(request, service, said, f"{field}: {problem['msg']}")
    except Refused as refused:
        return _new_project(request, service, said, str(refused))
    return RedirectResponse(f"/projects/{made}/add?new", 303)


@router.get("/projects/{project_id}/add")
def add_page(request: Request, service: Reviewing, who: Who, project_id: Id) -> Response:
    """Show the form for run folders and files of pairs."""
    project = service.projects.get(who, project_id)
    if not may(project.role, "manage"):
        raise NotAllowed("only managers of the project may add tasks")
    return render(
        "add_tasks.html",
        project=project,
        new="new" in request.query_params,
        csrf=service.accounts.csrf_token(request.state.token),
        max_mib=request.app.state.options.max_upload,
        checks=project.settings.kind == "preference",
    )


@router.post("/api/projects/{project_id}/upload")
async def upload(request: Request, service: Reviewing, who: Who, project_id: Id) -> Any:
    """Take files and add what is in them; they go to the disk as they come, and from there when
    the answer is sent, or when no more of them comes."""
    await run_sync(service.uploads.check, who, project_id)
    max_bytes = request.app.state.options.max_upload << 20
    try:
        async with request.form(max_files=MOST_PARTS, max_fields=5) as form:
            return await run_sync(_add, service, who, project_id, form, max_bytes)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it


def _add(
    service: Reviewing, who: Who, project_id: int, form: FormData, max_bytes: int
) -> dict[str, Any]:
    sent = [
        Sent(file.filename or "", file.file)
        for file in form.getlist("files")
        if isinstance(file, UploadFile)
    ]
    content = _CONTENTS.get(str(form.get("content", "tasks")))
    if content is None:
        raise Refused("please say what the files are")
    evaluation = form.get("evaluation") == "yes"
    if evaluation and content != "tasks":
        raise Refused("only tasks can be an evaluation set")
    done = service.uploads.add(who, project_id, sent, max_bytes, content, evaluation)
    return {"said": _said(done, content), **done.model_dump()}


def _said(done: Imported, content: Content) -> str:
    if content == "queue":
        return f"{_count(done.known, 'task')} given a place among the most informative."
    what = {"tasks": "task", "gold": "gold task", "attention": "attention check"}[content]
    parts = [f"{_count(done.added, what)} added"]
    parts += [f"{done.known:,} known already"] if done.known else []
    parts += [f"{done.judged:,} of these have a judge now"] if done.judged else []
    parts += [f"{_count(done.refused, 'row')} refused"] if done.refused else []
    return f"{', '.join(parts)}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _new_project(
    request: Request, service: Reviewing, said: dict[str, Any], error: str | None = None
) -> Response:
    return render(
        "new_project.html",
        status=403 if error else 200,
        csrf=service.accounts.csrf_token(request.state.token),
        said={"name": "", "annotations": 3, "blind": True, **said},
        asks=f"{said.get('kind', 'preference')} {said.get('responses', '')}".strip(),
        most=MOST_ANNOTATIONS,
        error=error,
    )

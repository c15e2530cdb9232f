"""The page of a project's managers: settings, people, sources, flags, files to take away."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr
from pydantic import ValidationError

from app.errors import Refused
from app.review.project import ROLES, Person, Project, QueueOrder, Settings
from app.service import Service
from app.service.exporting import OF_ATTRIBUTES, OF_PREFERENCE
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import escape_markdown, table

_EXPORTS = {
    "preference": "HelpSteer2-Preference, for `judge data prepare`",
    "labels": "Labels, for `judge compare --labels`",
    "dpo": "Pairs of chosen and rejected, for DPO",
    "csv": "A line for each annotation, for spreadsheets",
    "history": "Everything that happened",
    "ratings": "HelpSteer2's ratings, for `judge data prepare --kind regression`",
}
_NO_ROLE = "takes no part"


def build(page: gr.Blocks, service: Service) -> None:
    """Add the page to the one that is being built."""
    gr.Markdown("# Manage")
    with gr.Row():
        with gr.Column(min_width=340):
            _settings(page, service)
        with gr.Column(min_width=340):
            _people(page, service)
            _files(page, service)
    _flags(page, service)


def _settings(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Settings")
    fields = {
        "name": gr.Textbox(label="Name", max_length=100),
        "guidelines": gr.Textbox(
            label="Guidelines (markdown; empty: those that come with the program)",
            lines=4,
            max_lines=12,
            max_length=50_000,
        ),
        "blind": gr.Checkbox(label="Blind: the judge is shown after the annotator's own choice"),
        "annotations": gr.Number(label="Annotations a task", precision=0),
        "more_on_disagreement": gr.Number(label="More where the first three disagree", precision=0),
        "order": gr.Dropdown(label="Order of the queue", choices=list(get_args(QueueOrder))),
        "lease_minutes": gr.Number(label="Minutes until an idle task goes back", precision=0),
        "check_every": gr.Number(label="One check in so many tasks; 0: none", precision=0),
        "too_fast_seconds": gr.Number(label="Seconds under which a choice is too fast"),
        "require_justification": gr.Checkbox(label="A reason in words is required"),
    }
    save = gr.Button("Save", variant="primary")

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            settings = _managed(service, who, request).settings
        return [getattr(settings, name) for name in fields]

    def change(request: gr.Request, *values: Any) -> None:
        with asked(service, request) as who:
            project = _managed(service, who, request)
            try:
                changes = dict(zip(fields, values, strict=True))
                settings = Settings.model_validate({**project.settings.model_dump(), **changes})
            except ValidationError as error:
                problem = error.errors()[0]
                raise Refused(f"{problem['loc'][0]}: {problem['msg']}") from None
            service.projects.change(who, project.project_id, settings)
        gr.Info("Saved.")

    page.load(load, None, list(fields.values()), **QUIETLY)
    save.click(change, list(fields.values()), None, **QUIETLY)


def _people(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## People")
    people = gr.Markdown()
    name = gr.Textbox(label="Name", max_length=100)
    role = gr.Dropdown(label="Role", choices=[*ROLES, _NO_ROLE], value="annotator")
    password = gr.Textbox(
        label="Password of a new account, or a new one (12 characters or more; empty: as it is)",
        type="password",
    )
    save = gr.Button("Save")

    def show(who: Person, project_id: int) -> str:
        members = service.projects.members(who, project_id)
        rows = [
            [escape_markdown(one.name), one.role if one.active else f"{one.role}, locked"]
            for one in members
        ]
        return table(["Name", "Role"], rows)

    def load(request: gr.Request) -> str:
        with asked(service, request) as who:
            return show(who, _managed(service, who, request).project_id)

    def change(name: str, role: str, password: str, request: gr.Request) -> tuple[str, str]:
        with asked(service, request) as who:
            project_id = _managed(service, who, request).project_id
            if password and service.accounts.exists(name):
                service.accounts.reset_password(who, name, password)
            elif password:
                service.accounts.create(who, name, password)
            service.projects.set_role(who, project_id, name, None if role == _NO_ROLE else role)  # type: ignore[arg-type]
            return show(who, project_id), ""

    page.load(load, None, people, **QUIETLY)
    save.click(change, [name, role, password], [people, password], **QUIETLY)


def _files(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Files")
    files = gr.Markdown()

    def load(request: gr.Request) -> str:
        with asked(service, request) as who:
            project = _managed(service, who, request)
            project_id = project.project_id
            sources = service.projects.sources(who, project_id)
        kinds = OF_ATTRIBUTES if project.settings.kind == "attributes" else OF_PREFERENCE
        links = [[f"[{kind}](/export/{project_id}/{kind})", _EXPORTS[kind]] for kind in kinds]
        rows = [
            [
                escape_markdown(source.name),
                f"{source.kind}, evaluation" if source.evaluation else source.kind,
                str(source.tasks),
            ]
            for source in sources
        ]
        return (
            f"{table(['Take away', 'What'], links)}\n\n{table(['Source', 'Kind', 'Tasks'], rows)}"
        )

    page.load(load, None, files, **QUIETLY)


def _flags(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Flagged tasks")
    flags = gr.Markdown()
    with gr.Row():
        task = gr.Number(label="Task", precision=0)
        reason = gr.Textbox(label="Reason", max_length=1000)
        withdraw = gr.Button("Withdraw")
        restore = gr.Button("Put back")

    def show(who: Person, project_id: int) -> str:
        found = service.projects.flags(who, project_id)
        if not found:
            return "None."
        rows = [
            [
                f"[{flag.task_id}](/review/tasks?project={project_id}&task={flag.task_id})",
                escape_markdown(flag.pair_id),
                escape_markdown(flag.reason),
                escape_markdown(flag.name),
                f"{flag.at:%Y-%m-%d %H:%M}",
                "withdrawn" if flag.withdrawn else "in the queue",
            ]
            for flag in found
        ]
        return table(["Task", "Pair", "Reason", "By", "At (UTC)", "Now"], rows)

    def load(request: gr.Request) -> str:
        with asked(service, request) as who:
            return show(who, _managed(service, who, request).project_id)

    def act(withdrawing: bool) -> Any:
        def handler(task: float | None, reason: str, request: gr.Request) -> str:
            with asked(service, request) as who:
                move = service.projects.withdraw if withdrawing else service.projects.restore
                move(who, int(task or 0), reason)
                return show(who, _managed(service, who, request).project_id)

        return handler

    page.load(load, None, flags, **QUIETLY)
    withdraw.click(act(True), [task, reason], flags, **QUIETLY)
    restore.click(act(False), [task, reason], flags, **QUIETLY)


def _managed(service: Service, who: Person, request: gr.Request) -> Project:
    return project_of(service, who, request, "manage")

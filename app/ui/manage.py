"""The page of a project's managers: settings, people, sources, flags, files to take away."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr
from pydantic import ValidationError

from app.errors import Refused
from app.review.project import Person, Project, QueueOrder, Settings
from app.service import Service
from app.service.exporting import OF_ATTRIBUTES, OF_PREFERENCE
from app.ui import people
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import escape_markdown, table
from app.web.annotating import own_guidelines

_EXPORTS = {
    "preference": "HelpSteer2-Preference, for `judge data prepare`",
    "labels": "Labels, for `judge compare --labels`",
    "dpo": "Pairs of chosen and rejected, for DPO",
    "csv": "A line for each annotation, for spreadsheets",
    "history": "Everything that happened",
    "ratings": "HelpSteer2's ratings, for `judge data prepare --kind regression`",
}


def build(page: gr.Blocks, service: Service) -> None:
    """Add the page to the one that is being built."""
    gr.Markdown("# Manage")
    with gr.Row():
        with gr.Column(min_width=340):
            _settings(page, service)
            _guidelines(page, service)
        with gr.Column(min_width=340):
            people.build(page, service)
            _files(page, service)
    _flags(page, service)


def _settings(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Settings")
    fields = {
        "name": gr.Textbox(label="Name", max_length=100),
        "blind": gr.Checkbox(label="Blind: the judge is shown after the annotator's own choice"),
        "annotations": gr.Number(label="Annotations a task", precision=0),
        "more_on_disagreement": gr.Number(label="More where the first three disagree", precision=0),
        "order": gr.Dropdown(label="Order of the queue", choices=list(get_args(QueueOrder))),
        "lease_minutes": gr.Number(label="Minutes until an idle task goes back", precision=0),
        "check_every": gr.Number(label="One check in every N tasks; 0: none", precision=0),
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


def _guidelines(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Guidelines")
    text = gr.Textbox(
        label="Markdown; empty: those that come with the program",
        lines=8,
        max_lines=24,
        max_length=50_000,
        elem_id="guidelines",
    )
    began = gr.Textbox("", visible=False)
    with gr.Row():
        save = gr.Button("Save the guidelines", variant="primary")
        own = gr.Button("Begin with the program's own")
        preview = gr.Button("Preview")
    shown = gr.Markdown(elem_id="preview")

    def load(request: gr.Request) -> tuple[str, str]:
        with asked(service, request) as who:
            stored = _managed(service, who, request).settings.guidelines
        return stored, stored

    def begin(request: gr.Request) -> str:
        with asked(service, request) as who:
            return own_guidelines(_managed(service, who, request).settings.kind)

    def change(text: str, began: str, request: gr.Request) -> str:
        with asked(service, request) as who:
            project = _managed(service, who, request)
            if project.settings.guidelines != (began or ""):
                raise Refused(
                    "someone else changed the guidelines meanwhile: copy yours, reload the page,"
                    " and bring both together"
                )
            settings = project.settings.model_copy(update={"guidelines": text or ""})
            service.projects.change(who, project.project_id, settings)
        gr.Info("The guidelines are saved.")
        return text or ""

    def look(text: str, request: gr.Request) -> str:
        with asked(service, request) as who:
            project = _managed(service, who, request)
        return text or own_guidelines(project.settings.kind)

    page.load(load, None, [text, began], **QUIETLY)
    save.click(change, [text, began], began, **QUIETLY)
    own.click(begin, None, text, **QUIETLY)
    preview.click(look, text, shown, **QUIETLY)


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
        add = f"[Add tasks](/projects/{project_id}/add) · [New project](/projects/new)"
        return "\n\n".join(
            (add, table(["Source", "Kind", "Tasks"], rows), table(["Take away", "What"], links))
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

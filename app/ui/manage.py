"""The page of a project's managers: settings, people, sources, flags, files to take away."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.review.project import Person, Project
from app.service import Service
from app.service.exporting import OF_ATTRIBUTES, OF_PREFERENCE
from app.ui import groups, guidelines, people, settings
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import escape_markdown, table

_EXPORTS = {
    "preference": "HelpSteer2-Preference, for `judge data prepare`",
    "labels": "Labels, for `judge compare --labels`",
    "dpo": "Pairs of chosen and rejected, for DPO",
    "csv": "A line for each annotation, for spreadsheets",
    "highlights": "Marked spans of the texts, with kind and note, a line each",
    "history": "Everything that happened",
    "ratings": "HelpSteer2's ratings, for `judge data prepare --kind regression`",
}


def build(page: gr.Blocks, service: Service) -> None:
    """Add the page to the one that is being built."""
    gr.Markdown("# Manage")
    with gr.Row():
        with gr.Column(min_width=340):
            settings.build(page, service)
            guidelines.build(page, service)
        with gr.Column(min_width=340):
            people.build(page, service)
            groups.build(page, service)
            _files(page, service)
    _flags(page, service)


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

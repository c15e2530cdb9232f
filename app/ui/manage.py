"""The page of a project's managers: settings, people, sources, flags, files to take away."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.errors import Refused
from app.review.project import Person, Project
from app.service import Service
from app.service.exporting import OF_ATTRIBUTES, OF_PREFERENCE
from app.ui import groups, guidelines, people, settings, tables
from app.ui.handling import QUIETLY, asked, project_of

_EXPORTS = {
    "preference": "HelpSteer2-Preference, for `judge data prepare`",
    "labels": "Labels, for `judge compare --labels`",
    "dpo": "Pairs of chosen and rejected, for DPO",
    "csv": "A line for each annotation, for spreadsheets",
    "highlights": "Highlights in the texts, with kind and note, a line each",
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
    with gr.Row():
        # Links to pages and files of our own, which the guard looks at. Gradio's UploadButton and
        # DownloadButton go by paths that ask nobody's role, and are closed (app.web.gradio_routes).
        add = gr.Button("Add tasks", link="/", size="sm", min_width=100)
        gr.Button("New project", link="/projects/new", size="sm", min_width=100)
    sources = tables.frame()
    gr.Markdown("Take away")
    links = []
    for kind, what in _EXPORTS.items():
        with gr.Row(visible=False, equal_height=True) as row:
            link = gr.Button(kind, link="/", size="sm", min_width=120, scale=0)
            gr.Markdown(what)
        links.append((row, link))

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project = _managed(service, who, request)
            project_id = project.project_id
            found = service.projects.sources(who, project_id)
        kinds = OF_ATTRIBUTES if project.settings.kind == "attributes" else OF_PREFERENCE
        rows = [
            [one.name, f"{one.kind}, evaluation" if one.evaluation else one.kind, str(one.tasks)]
            for one in found
        ]
        updates: list[Any] = []
        for kind in _EXPORTS:
            updates.append(gr.update(visible=kind in kinds))
            updates.append(gr.update(link=f"/export/{project_id}/{kind}"))
        add = gr.update(link=f"/projects/{project_id}/add")
        return [add, tables.table("Source|Kind|Tasks", rows), *updates]

    outputs = [add, sources, *(part for pair in links for part in pair)]
    page.load(load, None, outputs, **QUIETLY)


def _flags(page: gr.Blocks, service: Service) -> None:
    gr.Markdown("## Flagged tasks")
    nothing = gr.Markdown("None.")
    flags = tables.frame("A click selects a task", visible=False)
    with gr.Row(visible=False) as act_on:
        chosen = gr.Markdown("No task is selected.", elem_id="flagged")
        number = gr.Textbox("", visible=False)
        reason = gr.Textbox(label="Reason", max_length=1000)
        withdraw = gr.Button("Withdraw")
        restore = gr.Button("Put back")

    def show(who: Person, project_id: int) -> list[Any]:
        found = service.projects.flags(who, project_id)
        rows = [
            [
                str(flag.task_id),
                flag.pair_id,
                flag.reason,
                flag.name,
                f"{flag.at:%Y-%m-%d %H:%M}",
                "withdrawn" if flag.withdrawn else "in the queue",
            ]
            for flag in found
        ]
        some = gr.update(visible=bool(rows))
        cells = gr.update(
            value=tables.table("Task|Pair|Reason|By|At (UTC)|Now", rows), visible=bool(rows)
        )
        return [gr.update(visible=not rows), cells, some]

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            return show(who, _managed(service, who, request).project_id)

    def select(request: gr.Request, event: gr.SelectData) -> list[str]:
        with asked(service, request) as who:
            project_id = _managed(service, who, request).project_id
        task_id = int(event.row_value[0])
        return [
            str(task_id),
            f"[Task {task_id}](/review/tasks?project={project_id}&task={task_id})",
        ]

    def act(withdrawing: bool) -> Any:
        def handler(task: str, reason: str, request: gr.Request) -> list[Any]:
            with asked(service, request) as who:
                if not task:
                    raise Refused("select a task first: a click on its row")
                move = service.projects.withdraw if withdrawing else service.projects.restore
                move(who, int(task), reason)
                return show(who, _managed(service, who, request).project_id)

        return handler

    outputs = [nothing, flags, act_on]
    page.load(load, None, outputs, **QUIETLY)
    flags.select(select, None, [number, chosen], **QUIETLY)
    withdraw.click(act(True), [number, reason], outputs, **QUIETLY)
    restore.click(act(False), [number, reason], outputs, **QUIETLY)


def _managed(service: Service, who: Person, request: gr.Request) -> Project:
    return project_of(service, who, request, "manage")

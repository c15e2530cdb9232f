"""The page where managers find tasks again, look at them, and change many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import gradio as gr
from pydantic import ValidationError

from app.errors import Refused
from app.review.browsing import Sort, TaskQuery, TaskRow, TaskState
from app.review.rules import TaskKind
from app.service import Service
from app.service.browsing import Opened
from app.ui import groups
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import NONE, escape_markdown, frame, table

ANY = "any"
COLUMNS = (
    "Task", "Pair", "State", "Annotations", "Spread", "Flags", "Against judge", "Assigned to",
    "Prompt",
)  # fmt: skip


SAID = ("Who", "What", "Why")


def build(page: gr.Blocks, service: Service) -> None:
    """Add the page to the one that is being built."""
    gr.Markdown("# Tasks")
    with gr.Row():
        text = gr.Textbox(
            label="Search",
            max_length=500,
            placeholder="Text, pair id or number",
            scale=2,
            min_width=220,
        )
        state = _choice("State", get_args(TaskState))
        annotator = _choice("Annotator")
        goes_to = _choice("Assigned to")
        kind = _choice("Kind", get_args(TaskKind))
        check = _choice("Checks answered", ("right", "wrong"))
    with gr.Row():
        with gr.Column(min_width=220):
            flagged = gr.Checkbox(label="Flagged")
            against = gr.Checkbox(label="People against the judge")
        with gr.Column(min_width=240):
            apart = gr.Slider(0, 6, value=0, step=1, label="Apart by at least")
        with gr.Column(min_width=160):
            sort = gr.Dropdown(label="Order", choices=list(get_args(Sort)), value="number")
        with gr.Column(min_width=160):
            find = gr.Button("Find", variant="primary")
    filters = [text, state, annotator, goes_to, kind, sort, flagged, against, check, apart]
    total = gr.Markdown()
    rows = frame(
        "Tasks; a click opens one and selects it", headers=list(COLUMNS), max_height=420, wrap=False
    )
    with gr.Row():
        selected = gr.Dropdown(label="Selected", choices=[], multiselect=True)
        everything = gr.Button("Select all that are shown")
    with gr.Row():
        reason = gr.Textbox(label="Reason", max_length=1000)
        people = gr.Number(label="People at least", value=3, precision=0)
    with gr.Row():
        withdraw = gr.Button("Withdraw")
        restore = gr.Button("Put back")
        hand_back = gr.Button("Back to the queue")
        ask_for = gr.Button("Set how many people")
    with gr.Row():
        assignees = gr.Dropdown(
            label="People and groups; nobody else gets these tasks then",
            choices=[],
            multiselect=True,
            elem_id="assignees",
        )
        assign = gr.Button("Assign to them")
        open_up = gr.Button("Open to everyone")
    happened = gr.Markdown(elem_id="tasks-said")
    opened = gr.Markdown()
    with gr.Row():
        prompt, response_1, response_2 = (
            gr.Textbox(
                label=name, lines=6, max_lines=14, min_width=240, interactive=False, visible=False
            )
            for name in ("Prompt", "Response 1", "Response 2")
        )
    said = frame(headers=list(SAID), visible=False)
    shown = [opened, prompt, response_1, response_2, said]

    def search(request: gr.Request, *asked_for: Any) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            found = service.browsing.search(who, project_id, _query(asked_for))
        numbers = [str(row.task_id) for row in found.rows]
        more = f", the first {len(numbers)} of them" if found.total > len(numbers) else ""
        cells = [_cells(row) for row in found.rows]
        return [f"{found.total:,} tasks{more}.", cells, gr.update(choices=numbers)]

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            names = [one.name for one in service.projects.members(who, project_id)]
            choices = groups.assignable(service, who, project_id)
        assert request.request is not None
        query = request.request.query_params
        flag, number = bool(query.get("flagged")), query.get("task", "")
        values = [number[:20], ANY, ANY, ANY, ANY, "number", flag, False, ANY, 0]
        updates = list(values)
        updates[2] = gr.update(choices=[ANY, *names])
        updates[3] = gr.update(choices=[ANY, *groups.named(choices)])
        return [*updates, gr.update(choices=choices), *search(request, *values)]

    def look(before: list[str] | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            number = int(event.row_value[0])
            found = service.browsing.open(who, project_id, number)
        chosen = list(dict.fromkeys([*(before or []), str(number)]))
        return [chosen, *_texts(found, project_id)]

    def select_all(shown: list[list[str]] | None, request: gr.Request) -> list[str]:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return [str(row[0]) for row in shown or () if row and row[0]]

    def act(name: str, done: str) -> Any:
        def handler(
            numbers: list[str] | None, why: str, count: float, request: gr.Request, *asked_for: Any
        ) -> list[Any]:
            with asked(service, request) as who:
                project_id = project_of(service, who, request, "manage").project_id
                ids = [int(number) for number in numbers or ()]
                value: Any = int(count or 0) if name == "ask_for" else why or ""
                changed = getattr(service.browsing, name)(who, project_id, ids, value)
            return [f"{changed:,} {done}.", *search(request, *asked_for)]

        return handler

    def give(everyone: bool) -> Any:
        def handler(
            numbers: list[str] | None, named: list[str] | None, request: gr.Request, *asked_for: Any
        ) -> list[Any]:
            with asked(service, request) as who:
                project_id = project_of(service, who, request, "manage").project_id
                people, names = ([], []) if everyone else groups.chosen(named)
                if not everyone and not people and not names:
                    raise Refused("choose the people or groups first")
                ids = [int(number) for number in numbers or ()]
                done = service.grouping.assign(who, project_id, ids, people, names)
            said = f"{done.changed:,} {'open to everyone' if everyone else 'assigned'}."
            if done.short:
                said += (
                    f" {done.short:,} of them want more annotations than these people can give:"
                    " assign them to more, or open them to everyone."
                )
            return [said, *search(request, *asked_for)]

        return handler

    def clear(request: gr.Request) -> str:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return ""

    results = [total, rows, selected]
    page.load(load, None, [*filters, assignees, *results], **QUIETLY)
    gr.on([find.click, text.submit], search, filters, results, **QUIETLY)
    rows.select(look, selected, [selected, *shown], **QUIETLY)
    everything.click(select_all, rows, selected, **QUIETLY)
    acts = (
        (withdraw, "withdraw", "withdrawn"),
        (restore, "restore", "put back"),
        (hand_back, "hand_back", "back in the queue"),
        (ask_for, "ask_for", "tasks go to more or fewer people now"),
    )
    for button, name, done in acts:
        button.click(clear, None, happened, **QUIETLY).then(
            act(name, done),
            [selected, reason, people, *filters],
            [happened, *results],
            **QUIETLY,
        )
    for button, everyone in ((assign, False), (open_up, True)):
        button.click(clear, None, happened, **QUIETLY).then(
            give(everyone), [selected, assignees, *filters], [happened, *results], **QUIETLY
        )


def _choice(label: str, values: Sequence[str] = ()) -> gr.Dropdown:
    return gr.Dropdown(label=label, choices=[ANY, *values], value=ANY, min_width=130)


def _query(asked_for: Any) -> TaskQuery:
    names = "text state annotator assigned kind sort flagged against_judge check least_spread"
    values = dict(zip(names.split(), asked_for, strict=True))
    try:
        return TaskQuery.model_validate(
            {name: value for name, value in values.items() if value not in (ANY, None)}
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise Refused(f"{problem['loc'][0]}: {problem['msg']}") from None


def _cells(row: TaskRow) -> list[str]:
    return [
        str(row.task_id),
        row.pair_id,
        row.state if row.kind == "task" else f"{row.kind}, {row.state}",
        f"{row.annotations} of {row.wanted}" if row.kind == "task" else str(row.annotations),
        "some: neither" if row.spread is None else str(row.spread) if row.annotations else NONE,
        str(row.flags or NONE),
        "yes" if row.against_judge else NONE,
        ", ".join(row.assigned) or NONE,
        row.excerpt,
    ]


def _texts(found: Opened, project_id: int) -> list[Any]:
    prompt = "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in found.pair.prompt)
    heading = f"## Task {found.row.task_id}, pair {escape_markdown(found.row.pair_id)}"
    if found.row.state == "to adjudicate":
        way = f"/review/adjudicate?project={project_id}&task={found.row.task_id}"
        heading += f"\n\n[Adjudicate it]({way})"
    if not found.said:
        heading += "\n\nNobody annotated it yet."
    said = gr.update(value=table("|".join(SAID), found.said), visible=bool(found.said))
    texts = (prompt, found.pair.response_1, found.pair.response_2)
    return [heading, *(gr.update(value=text, visible=True) for text in texts), said]

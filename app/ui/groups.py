"""Groups of people on the managers' page, and how a choice of people and groups is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.review.project import Person
from app.service import Service
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.tables import NONE, escape_markdown, frame, table

PERSON, GROUP = "person:", "group:"
"""What stands before a name in a choice that holds both."""


def build(page: gr.Blocks, service: Service) -> None:
    """Add the section to the page that is being built."""
    gr.Markdown("## Groups")
    groups = frame("A click fills the fields below", visible=False)
    name = gr.Dropdown(
        label="Group: an existing one, or a new name", choices=[], allow_custom_value=True
    )
    people = gr.Dropdown(label="Who is in it", choices=[], multiselect=True)
    with gr.Row():
        save = gr.Button("Save the group", variant="primary")
        remove = gr.Button("Remove the group")
    happened = gr.Markdown(elem_id="groups-said")

    def show(who: Person, project_id: int) -> list[Any]:
        found = service.grouping.groups(who, project_id)
        names = [one.name for one in service.projects.members(who, project_id)]
        rows = [[one.name, ", ".join(one.people) or NONE, str(one.tasks)] for one in found]
        cells = table("Group|People|Tasks assigned", rows)
        shown = gr.update(value=cells, visible=bool(rows))
        return [shown, gr.update(choices=[one.name for one in found]), gr.update(choices=names)]

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            return show(who, project_of(service, who, request, "manage").project_id)

    def look(name: str, request: gr.Request) -> Any:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            found = {one.name: one for one in service.grouping.groups(who, project_id)}
        return list(found[name].people) if name in found else gr.skip()

    def choose(request: gr.Request, event: gr.SelectData) -> list[Any]:
        name = str(event.row_value[0])
        return [name, look(name, request)]

    def clear(request: gr.Request) -> str:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return ""

    def keep(name: str, people: list[str] | None, request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            service.grouping.save(who, project_id, name or "", people or [])
            shown = show(who, project_id)
        return [*shown, escape_markdown(f"{name}: {len(people or ())} people now")]

    def take_away(name: str, request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            opened = service.grouping.remove(who, project_id, name or "")
            shown = show(who, project_id)
        said = f"{name} is removed" + (f"; {opened} tasks are open to everyone" if opened else "")
        return [*shown, escape_markdown(said)]

    outputs = [groups, name, people]
    page.load(load, None, outputs, **QUIETLY)
    groups.select(choose, None, [name, people], **QUIETLY)
    name.input(look, name, people, **QUIETLY)
    save.click(clear, None, happened, **QUIETLY).then(
        keep, [name, people], [*outputs, happened], **QUIETLY
    )
    remove.click(clear, None, happened, **QUIETLY).then(
        take_away, name, [*outputs, happened], **QUIETLY
    )


def assignable(service: Service, who: Person, project_id: int) -> list[tuple[str, str]]:
    """Return the people and groups of a project as choices."""
    people = [one.name for one in service.projects.members(who, project_id) if one.active]
    named = [one.name for one in service.grouping.groups(who, project_id)]
    choices = [(f"group {one}", GROUP + one) for one in named]
    return [*choices, *((one, PERSON + one) for one in people)]


def named(choices: Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of people and groups that :func:`assignable` gave, each once."""
    names = (value.removeprefix(GROUP).removeprefix(PERSON) for _, value in choices)
    return list(dict.fromkeys(names))


def chosen(values: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the people and the groups of a choice."""
    people = [v.removeprefix(PERSON) for v in values or () if v.startswith(PERSON)]
    return people, [v.removeprefix(GROUP) for v in values or () if v.startswith(GROUP)]

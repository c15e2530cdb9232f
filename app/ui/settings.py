"""The settings of a project on its managers' page."""

from __future__ import annotations

import json
from typing import Any, get_args

import gradio as gr

from app.review.project import QueueOrder
from app.service import Service
from app.ui.handling import QUIETLY, asked, project_of


def build(page: gr.Blocks, service: Service) -> None:
    """Add the section to the page that is being built."""
    gr.Markdown("## Settings")
    fields = _fields()
    began = gr.Textbox("", visible=False)
    save = gr.Button("Save", variant="primary")
    said = gr.Markdown(elem_id="settings-said")

    def load(request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            settings = project_of(service, who, request, "manage").settings
        values = {name: getattr(settings, name) for name in fields}
        return [*values.values(), json.dumps(values)]

    def clear(request: gr.Request) -> str:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return ""

    def change(before: str, request: gr.Request, *values: Any) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            after = dict(zip(fields, values, strict=True))
            stored = service.projects.change_fields(
                who, project_id, json.loads(before or "{}"), after
            )
            sources = service.projects.sources(who, project_id)
        now = {name: getattr(stored, name) for name in fields}
        gold = sum(source.tasks for source in sources if source.kind == "gold")
        said = "The settings are saved."
        if stored.practice > gold:
            said += (
                f" But there are {gold} gold tasks: people practise on those until you add more."
            )
        return [*now.values(), json.dumps(now), said]

    everything = list(fields.values())
    page.load(load, None, [*everything, began], **QUIETLY)
    save.click(clear, None, said, **QUIETLY).then(
        change, [began, *everything], [*everything, began, said], **QUIETLY
    )


def _fields() -> dict[str, Any]:
    """Make a component for each setting that is changed here, by its name."""
    fields: dict[str, Any] = {
        "name": gr.Textbox(label="Name", max_length=100),
        "blind": gr.Checkbox(label="Blind: the judge is shown after the annotator's own choice"),
    }
    numbers = (
        ("annotations", "Annotations a task"),
        ("more_on_disagreement", "More where the first three disagree"),
        ("quota", "Tasks a person at most; 0: no limit"),
        ("lease_minutes", "Minutes until an idle task goes back"),
        ("practice", "Practice: gold tasks first, with their answers; 0: none"),
        ("pass_mark", "Percent of the practice that must be right; 0: any"),
        ("check_every", "One check in every N tasks; 0: none"),
        ("too_fast_seconds", "Seconds under which a choice is too fast"),
    )
    for pair in zip(numbers[::2], numbers[1::2], strict=True):
        with gr.Row(equal_height=True, elem_classes="pair"):
            for name, label in pair:
                digits = None if name == "too_fast_seconds" else 0
                fields[name] = gr.Number(label=label, precision=digits, min_width=120)
    return fields | {
        "order": gr.Dropdown(label="Order of the queue", choices=list(get_args(QueueOrder))),
        "require_justification": gr.Checkbox(label="A reason in words is required"),
        "load_images": gr.Checkbox(label="Images in texts may be loaded, one at a time"),
    }

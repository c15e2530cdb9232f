"""The guidelines of a project on its managers' page: written, looked at, stored; and what happens
where two write at once."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.errors import Overtaken, Refused
from app.render import render_markdown
from app.service import Service
from app.ui.handling import QUIETLY, asked, project_of
from app.web.annotating import own_guidelines


def build(page: gr.Blocks, service: Service) -> None:
    """Add the section to the page that is being built."""
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
        save = gr.Button("Save the guidelines", variant="primary", min_width=100)
        own = gr.Button("Begin with the program's own", min_width=100)
        preview = gr.Button("Preview", min_width=100)
    said = gr.Markdown(elem_id="guidelines-said")
    theirs = gr.Textbox(
        label="Theirs, as it is stored now",
        lines=8,
        max_lines=24,
        interactive=False,
        visible=False,
        elem_id="theirs",
    )
    shown = gr.Markdown(elem_id="preview")

    def load(request: gr.Request) -> tuple[str, str]:
        with asked(service, request) as who:
            stored = project_of(service, who, request, "manage").settings.guidelines
        return stored, stored

    def begin(text: str, request: gr.Request) -> str:
        with asked(service, request) as who:
            found = own_guidelines(project_of(service, who, request, "manage").settings.kind)
            if (text or "").strip() not in ("", found.strip()):
                raise Refused("the field is not empty; empty it first, so that nothing is lost")
        return found

    def change(text: str, began: str, request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project_id = project_of(service, who, request, "manage").project_id
            before, after = {"guidelines": began or ""}, {"guidelines": text or ""}
            try:
                service.projects.change_fields(who, project_id, before, after)
            except Overtaken as error:
                stored = service.projects.get(who, project_id).settings.guidelines
                note = (
                    f"**Not stored:** {error}. Theirs is below; bring both together in the field"
                    " above and save again, which then replaces theirs."
                )
                return [stored, note, gr.update(value=stored, visible=True)]
        return [text or "", "The guidelines are saved.", gr.update(value="", visible=False)]

    def clear(request: gr.Request) -> str:
        with asked(service, request) as who:
            project_of(service, who, request, "manage")
        return ""

    def look(text: str, request: gr.Request) -> str:
        with asked(service, request) as who:
            project = project_of(service, who, request, "manage")
        return render_markdown(text or own_guidelines(project.settings.kind))

    page.load(load, None, [text, began], **QUIETLY)
    save.click(clear, None, said, **QUIETLY).then(
        change, [text, began], [began, said, theirs], **QUIETLY
    )
    own.click(begin, text, text, **QUIETLY)
    preview.click(look, text, shown, **QUIETLY)

"""All pages of the review UI as one Gradio application."""

from __future__ import annotations

import gradio as gr

from app.live import LiveJudge
from app.service import Service
from app.ui import ask, dashboard, manage, tasks

MOUNT = "page"
"""The element that a page of our own script fills (``app/static/js/``)."""


def build(service: Service, judge: LiveJudge | None) -> gr.Blocks:
    """Return the application; nothing in it holds a value of any project.

    The task page and the adjudication page are filled by our own script: Gradio's components for
    that (``gr.HTML`` with templates) run them by ``Function``, which the content security policy
    forbids, and what Gradio is given it also shows in its configuration (CONTRIBUTING.md).
    """
    with gr.Blocks(title="Review", analytics_enabled=False, fill_width=True) as blocks:
        gr.Navbar(visible=False)
        gr.Group(elem_id=MOUNT)
    with blocks.route("Adjudicate", "/adjudicate"):
        gr.Navbar(visible=False)
        gr.Group(elem_id=MOUNT)
    with blocks.route("Dashboard", "/dashboard"):
        gr.Navbar(visible=False)
        dashboard.build(blocks, service)
    with blocks.route("Tasks", "/tasks"):
        gr.Navbar(visible=False)
        tasks.build(blocks, service)
    with blocks.route("Manage", "/manage"):
        gr.Navbar(visible=False)
        manage.build(blocks, service)
    with blocks.route("Ask the judge", "/ask"):
        gr.Navbar(visible=False)
        if judge is None:
            gr.Markdown("# Ask the judge\n\nThe server was started without a judge.")
        else:
            ask.build(blocks, service, judge)
    return blocks

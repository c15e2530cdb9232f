"""Tasks as JSON for the pages: texts rendered, everything else as the service says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from app.difference import mark_differences
from app.render import render_markdown, render_plain
from app.review.task import OPTION_LABELS, OPTIONS, Reveal, TaskView
from judge.pair import Message

View = Literal["rendered", "source", "difference"]
"""``source``: the texts as they are; ``difference``: rendered, the words marked that the other
response lacks."""


def panels(
    prompt: Sequence[Message], response_1: str, response_2: str, view: View = "rendered"
) -> dict[str, Any]:
    """Return the HTML of a conversation and two responses."""
    show = render_plain if view == "source" else render_markdown
    one, two = show(response_1), show(response_2)
    if view == "difference":
        one, two = mark_differences(one, two)
    turns = [{"role": message.role, "html": show(message.content)} for message in prompt]
    return {"prompt": turns, "response_1": one, "response_2": two}


def task_json(view: TaskView) -> dict[str, Any]:
    """Return a task for its page."""
    fields = view.model_dump(mode="json", exclude={"prompt", "response_1", "response_2"})
    if view.feedback is not None:
        fields["feedback"]["html"] = render_markdown(view.feedback.because)
    return {**fields, "panels": panels(view.prompt, view.response_1, view.response_2)}


def reveal_json(reveal: Reveal) -> dict[str, Any]:
    """Return what the judge said, its elaboration rendered and, for the editor, as it is."""
    return {**reveal.model_dump(mode="json"), "html": render_markdown(reveal.elaboration)}


def options_json() -> list[dict[str, Any]]:
    """Return the seven options in the order of their row."""
    return [{"strength": strength, "label": OPTION_LABELS[strength]} for strength in OPTIONS]

"""What handlers of Gradio events share: who asks, for which project, and how a refusal is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from app.errors import NotAllowed, NotFound, ReviewError
from app.review.project import Action, Person, Project, may
from app.service import Service
from app.web.session import token_of

QUIETLY: dict[str, Any] = {
    "concurrency_limit": None,
    "show_progress": "hidden",
    "api_visibility": "private",
}
"""For events whose handlers are light: they run side by side, and nothing blinks meanwhile."""


@contextmanager
def asked(service: Service, request: gr.Request) -> Iterator[Person]:
    """Yield who is signed in; show as a message what the service refuses inside the block."""
    try:
        assert request.request is not None  # only where an example is cached
        yield service.accounts.person(token_of(request.request))
    except ReviewError as error:
        raise gr.Error(str(error), title="Not possible", print_exception=False) from None


def project_of(service: Service, who: Person, request: gr.Request, action: Action) -> Project:
    """Return the project that the page's address names, where the person may do that there.

    Raises:
        NotFound, NotAllowed: it names none, or the person's role is not enough.
    """
    assert request.request is not None
    named = request.request.query_params.get("project", "")
    if not named.isdecimal() or len(named) > 9:
        raise NotFound("there is no such project")
    project = service.projects.get(who, int(named))
    if not may(project.role, action):
        raise NotAllowed(f"your role in this project, {project.role}, does not allow this")
    return project

"""The few pages that are plain HTML: sign-in, password, projects, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_FOLDER = Path(__file__).parent.parent / "templates"
_templates = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
)


def render(page: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the page of a template; every value is escaped."""
    html = _templates.get_template(page).render(status=status, **values)
    return HTMLResponse(html, status)

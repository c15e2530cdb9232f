"""Every endpoint that the application opens, Gradio's included, and how its events are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from app.web.gradio_routes import ROOT
from tests.app.e2e.conftest import Site


def routes(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield method and path of every route of an application and of what is mounted in it."""
    for route in app.routes:
        if isinstance(route, Mount):
            if hasattr(route.app, "routes"):
                yield from routes(route.app, prefix + route.path)
        elif isinstance(route, Route | APIRoute):
            for method in route.methods or ():
                yield method, prefix + route.path
        else:  # what FastAPI keeps of an included router
            yield from routes(route.original_router, prefix)


def filled(path: str, site: Site) -> str:
    """Return a path with the numbers of the site's project and first task in it."""
    known = {"project_id": site.team.project_id, "assignment_id": 1, "task_id": 1, "kind": "csv"}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda m: str(known.get(m[1], "x")), path)


def handlers(app: Any) -> list[tuple[int, int]]:
    """Return id and number of inputs of every event handler of Gradio's pages."""
    blocks = app.routes[-1].app.get_blocks()
    return [(one["id"], len(one["inputs"])) for one in blocks.config["dependencies"]]


def call_handler(http: httpx.Client, handler: int, inputs: int, project: int) -> str:
    """Call a handler as a page does, past the page's own door; return the whole event stream."""
    session = f"hash{handler:03}{id(http)}"
    body = {"session_hash": session, "fn_index": handler, "data": [None] * inputs}
    joined = http.post(f"{ROOT}/gradio_api/queue/join", json=body, params={"project": project})
    assert joined.status_code == 200
    heard = ""
    params = {"session_hash": session}
    with http.stream("GET", f"{ROOT}/gradio_api/queue/data", params=params) as stream:
        for line in stream.iter_lines():
            heard += line
            if "process_completed" in line or "close_stream" in line:
                break
    return heard

"""The review UI as one application: guard, endpoints, plain pages, Gradio; and its server."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path
from types import FrameType

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles

from app.listening import url_of
from app.live import LiveJudge
from app.options import Options
from app.service import Service
from app.service.uploads import remove_leftovers
from app.ui.pages import build
from app.web import (
    adjudicating,
    annotating,
    commenting,
    exporting,
    highlighting,
    inviting,
    managing,
    plain,
)
from app.web.errors import add_handlers
from app.web.gradio_routes import ROOT
from app.web.guard import Guard
from app.web.headers import Headers

GRACE = 5
"""Seconds for the last answers; an open dashboard would listen for ever."""
STATIC = Path(__file__).parent / "static"
_HEAD = """
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/css/base.css">
<link rel="stylesheet" href="/static/css/text.css">
<link rel="stylesheet" href="/static/css/task.css">
<link rel="stylesheet" href="/static/css/marks.css">
<link rel="stylesheet" href="/static/css/practice.css">
<link rel="stylesheet" href="/static/css/comments.css">
<script src="/static/js/theme.js"></script>
<script type="module" src="/static/js/shell.js"></script>
"""


def create_app(service: Service, options: Options, judge: LiveJudge | None = None) -> FastAPI:
    """Return the ASGI application over a database of projects.

    Args:
        judge: what is asked on the page of the live judge.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    app.state.options = options
    app.state.judge = judge
    pages = (plain, annotating, highlighting, adjudicating, commenting, exporting, managing)
    for routes in (*pages, inviting):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    if options.oidc is not None:
        from app.web.oidc import ROOT as OIDC
        from app.web.oidc import oidc_app

        app.mount(OIDC, oidc_app(service, options.oidc, bool(options.trusted_proxies)))
    add_handlers(app)
    _mount_pages(app, service, judge)
    app.add_middleware(
        Guard, service=service, no_auth=options.no_auth, max_upload=options.max_upload << 20
    )
    app.add_middleware(Headers)
    return app


def serve(service: Service, options: Options, listener: socket.socket) -> None:
    """Serve the pages on a bound socket until a signal ends it, and the live judge with it."""
    remove_leftovers()
    judge = LiveJudge(options.judge, os.environ.get("JUDGE_API_KEY")) if options.judge else None
    config = uvicorn.Config(
        create_app(service, options, judge),
        log_level="warning",
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        _Server(config).run(sockets=[listener])
    finally:
        if judge is not None:
            judge.close()


class _Server(uvicorn.Server):
    """Ends by itself, not by the signal: what was started beside it ends, too."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            print(f"the pages: {url_of(listener)} (Ctrl+C ends)", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit  # the second signal waits for nobody
        self.should_exit = True


def _name(request: Request) -> str | None:
    """Return who Gradio serves: whom the guard let in."""
    person = getattr(request.state, "person", None)
    return None if person is None else str(person.name)


def _mount_pages(app: FastAPI, service: Service, judge: LiveJudge | None) -> None:
    pages = build(service, judge)
    app.state.handlers = frozenset(pages.fns)
    with warnings.catch_warnings():
        # Gradio says at every start that several pages are not drawn on the server. They need not.
        warnings.filterwarnings("ignore", "SSR mode is not supported")
        gr.mount_gradio_app(
            app,
            pages,
            path=ROOT,
            auth_dependency=_name,
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            max_file_size=0,
            allowed_paths=[],
            enable_monitoring=False,
            theme=gr.themes.Base(
                font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
            ),
            head=_HEAD,
        )

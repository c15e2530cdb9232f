"""The headers of every response, and the nonces that let a page's own inline scripts run."""

from __future__ import annotations

import re
from secrets import token_urlsafe
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=()",
}
_POLICY = (
    "default-src 'self'; script-src 'self'{nonce}; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:{images}; font-src 'self' data:; object-src 'none';"
    " frame-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
"""Gradio and its plots style elements inline; nothing needs a script that a page makes up."""
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_ASSETS = re.compile(r"/review/(assets|static)/.*")


class Headers:
    """Adds the headers; an HTML page of Gradio also gets its nonce."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith("/review") and not _ASSETS.fullmatch(scope["path"]):
            # A page is rewritten below, so it must come as it is.
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        state = scope.setdefault("state", {})
        await self._app(scope, receive, _Answer(send, scope["path"], state).send)


class _Answer:
    """One response on its way out."""

    def __init__(self, send: Send, path: str, state: dict[str, Any]) -> None:
        self._send = send
        self._state = state  # of the request: the guard notes there what its page may load
        self._path = path
        self._start: Message | None = None
        self._page = bytearray()

    async def send(self, message: Message) -> None:
        """Pass a message of the application on; an HTML page of Gradio only when it is whole."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            is_page = headers.get("content-type", "").startswith("text/html")
            self._add(headers, None)
            if is_page and self._path.startswith("/review"):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: Message) -> None:
        nonce = token_urlsafe(16)
        page = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), bytes(self._page))
        headers = MutableHeaders(scope=start)
        self._add(headers, nonce)
        headers["content-length"] = str(len(page))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": page})

    def _add(self, headers: MutableHeaders, nonce: str | None) -> None:
        headers.update(_COMMON)
        allowed = f" 'nonce-{nonce}'" if nonce else ""
        headers["Content-Security-Policy"] = _POLICY.format(
            nonce=allowed, images=" https:" if self._state.get("images") else ""
        )
        for name in ("access-control-allow-origin", "access-control-allow-credentials"):
            if name in headers:  # no other site has a business here, whatever Gradio allows
                del headers[name]
        if "cache-control" not in headers and not _ASSETS.fullmatch(self._path):
            headers["Cache-Control"] = "no-store"

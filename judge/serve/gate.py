"""What every request passes first: the key, the number of requests at a time, the counting."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from judge.serve.answer import json_response
from judge.serve.pending import busy, stopping
from judge.serve.refusal import Refusal
from judge.serve.service import Service

JUDGE = "/v1/judge"
REWARDS = "/v1/rewards"
WORK = {JUDGE, REWARDS}
"""Paths whose requests the models work for."""
PROTECTED = "/v1/"
"""Paths under it need the key; the others say nothing of anybody's pairs."""
_KNOWN = {*WORK, "/v1/models", "/health", "/ready", "/metrics", "/docs", "/openapi.json"}
_log = logging.getLogger("judge.serve")


class Gate:
    """Refuses requests before anything of their bodies is read, and counts all of them."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"] if scope["path"] in _KNOWN else "other"
        metrics, started, status = self._service.metrics, time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(scope, receive, watched)
        finally:
            seconds = time.monotonic() - started
            metrics.requests.labels(path, status or 499).inc()
            metrics.request_seconds.labels(path).observe(seconds)
            if scope["path"].startswith(PROTECTED):
                _log.info("%s %s %s %.3f s", scope["method"], path, status, seconds)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._admit(scope)
        except Refusal as refusal:
            await refused(refusal)(scope, receive, send)
            return
        judging = scope["path"] in WORK
        self._count(judging)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(-judging)

    def _admit(self, scope: Scope) -> None:
        service = self._service
        if scope["path"].startswith(PROTECTED) and service.keys:
            check_key(scope, service.keys)
        if scope["path"] in WORK:
            if service.draining:
                raise stopping()
            full = service.active >= service.config.max_requests
            if full and not service.arrivals.give_up_oldest():
                raise busy(1)

    def _count(self, requests: int) -> None:
        self._service.active += requests
        self._service.metrics.requests_in_flight.inc(requests)


def check_key(scope: Scope, keys: Sequence[str]) -> None:
    """Compare the Bearer token of a request with every key, in a time that tells nothing.

    Raises:
        Refusal: 401 when it is none of them.
    """
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
    same = [hmac.compare_digest(token.strip(), key.encode()) for key in keys]
    if scheme.lower() != b"bearer" or not any(same):
        raise Refusal(
            401,
            "unauthorized",
            "expected the header Authorization: Bearer with a key of this server",
            {"WWW-Authenticate": "Bearer"},
        )


def refused(refusal: Refusal) -> ASGIApp:
    """Return the answer to a request that gets no judgment."""
    return json_response(refusal.to_json(), refusal.status, refusal.headers)

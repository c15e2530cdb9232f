"""Who may send which request: sessions, foreign sites, Gradio's endpoints, sizes of bodies."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NotSignedIn, ReviewError
from app.options import LOCAL_HOSTS
from app.service import Person, Service
from app.web.access import open_page
from app.web.errors import refusal
from app.web.gradio_routes import ROOT, Listeners, kind_of
from app.web.session import of_this_session, set_token, token_of

LONGEST_BODY = 1 << 20
"""Bytes: five texts of the longest kind, in a script of four bytes a character, and some air."""
_PUBLIC = re.compile(
    r"/(sign-in|oidc/(start|back)|invite/[\w-]{20,100}|health|favicon\.ico|robots\.txt"
    r"|static/[\w./-]+)"
)
_UPLOAD = re.compile(r"/api/projects/\d+/upload")


class TurnedAway(Exception):
    """The request ends here."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Guard:
    """Lets through what may pass, with ``request.state.person`` and ``.token`` set.

    Args:
        no_auth: a request without a session gets that of the one local person.
        max_upload: bytes that a manager may send at once, to the path of uploads alone.
    """

    def __init__(
        self, app: ASGIApp, service: Service, no_auth: bool = False, max_upload: int = LONGEST_BODY
    ) -> None:
        self._app = app
        self._max_upload = max_upload
        self._service = service
        self._no_auth = no_auth
        self._listeners = Listeners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have the application answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        limit = self._max_upload if _UPLOAD.fullmatch(scope["path"]) else LONGEST_BODY
        request = Request(scope, _within_limit(receive, limit))
        cookies = Response()
        try:
            receive = await self._admit(request, cookies, limit)
        except TurnedAway as turned:
            await turned.response(scope, receive, send)
            return
        set_cookies = [pair for pair in cookies.raw_headers if pair[0] == b"set-cookie"]

        async def with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *set_cookies]
            await send(message)

        await self._app(scope, receive, with_cookies if set_cookies else send)

    async def _admit(self, request: Request, cookies: Response, limit: int) -> Receive:
        path, unsafe = request.url.path, request.method not in ("GET", "HEAD")
        if self._no_auth and request.url.hostname not in LOCAL_HOSTS:
            # A foreign name that was made to point here, to act as the one person.
            raise TurnedAway(refusal(request, 400, "open this page as http://localhost"))
        if unsafe and not _from_here(request):
            raise TurnedAway(refusal(request, 403, "the request came from another site"))
        if int(request.headers.get("content-length") or 0) > limit:
            raise TurnedAway(refusal(request, 413, too_much(limit)))
        is_gradio = path == ROOT or path.startswith(f"{ROOT}/")
        kind = kind_of(request.method, path) if is_gradio else None
        if kind == "closed":
            raise TurnedAway(refusal(request, 404, "there is no such page"))
        if kind == "asset" or _PUBLIC.fullmatch(path):
            return request.receive
        person = request.state.person = await self._person(request, cookies)
        if path.startswith("/api/") and unsafe and not self._has_csrf_token(request):
            raise TurnedAway(refusal(request, 403, "please reload the page"))
        if kind == "page":
            await self._open(request, person)
        elif kind == "data":
            name = request.query_params.get("session_hash", "")
            if not self._listeners.may_listen(person.account_id, name):
                raise TurnedAway(refusal(request, 403, "these answers belong to someone else"))
        elif kind == "join":
            try:
                body = await request.body()
            except HTTPException as error:
                raise TurnedAway(refusal(request, error.status_code, error.detail)) from None
            handlers = request.app.state.handlers
            if not self._listeners.may_join(person.account_id, body, handlers):
                raise TurnedAway(refusal(request, 403, "this session is not yours"))
            return _again(body, request.receive)
        return request.receive

    async def _person(self, request: Request, cookies: Response) -> Person:
        accounts = self._service.accounts
        request.state.token = token = token_of(request)
        try:
            return await run_sync(accounts.person, token)
        except NotSignedIn as error:
            if not self._no_auth:
                if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                    here = f"{request.url.path}?{request.url.query}".rstrip("?")
                    away = RedirectResponse(f"/sign-in?next={quote(here)}", 303)
                    raise TurnedAway(away) from None
                raise TurnedAway(refusal(request, 401, str(error))) from None
        request.state.token = token = await run_sync(accounts.sign_in_local)
        set_token(request, cookies, token)
        return await run_sync(accounts.person, token)

    def _has_csrf_token(self, request: Request) -> bool:
        return of_this_session(request, self._service, request.headers.get("x-csrf-token", ""))

    async def _open(self, request: Request, person: Person) -> None:
        page = request.url.path.removeprefix(ROOT).strip("/")
        project = request.query_params.get("project")
        try:
            request.state.images = await run_sync(open_page, self._service, person, page, project)
        except ReviewError as error:
            raise TurnedAway(refusal(request, error)) from None


def _from_here(request: Request) -> bool:
    """Return whether a request that may change something was made by a page of ours.

    Browsers say so themselves, whatever stands between them and us; older ones name the origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin) and origin == request.headers.get("host")


def too_much(limit: int) -> str:
    """Return what is said of a body above a limit in bytes."""
    return f"too much at once: at most {limit >> 20:,} MiB"


def _within_limit(receive: Receive, limit: int) -> Receive:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, too_much(limit))
        return message

    return limited


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a channel that brings a body that was read already, then whatever comes."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay

"""The session cookie, and who and what a request handler works with."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from app.errors import NotSignedIn
from app.service import Person, Service

COOKIE = "review_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its prefix makes browsers refuse one that came without encryption or from another host."""
COOKIE_SECONDS = 400 * 24 * 3600
"""The most that browsers keep; the database decides when a session ends."""


def token_of(request: Request) -> str | None:
    """Return the token of the request's session, valid or not."""
    return request.cookies.get(SECURE_COOKIE if _is_secure(request) else COOKIE)


def set_token(request: Request, response: Response, token: str | None) -> None:
    """Put the token into the browser's cookie, or take the cookie away."""
    secure = _is_secure(request)
    name = SECURE_COOKIE if secure else COOKIE
    if token is None:
        response.delete_cookie(name, secure=secure, httponly=True, samesite="lax")
    else:
        response.set_cookie(
            name, token, COOKIE_SECONDS, secure=secure, httponly=True, samesite="lax"
        )


def of_this_session(request: Request, service: Service, sent: str) -> bool:
    """Say whether ``sent`` is the token against forged requests of the request's session."""
    expected = service.accounts.csrf_token(request.state.token)
    return compare_digest(sent.encode(), expected.encode())


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _person(request: Request) -> Person:
    person: Person | None = getattr(request.state, "person", None)
    if person is None:
        raise NotSignedIn("please sign in")
    return person


LARGEST_ID = 2**31 - 1
"""Databases number no further; they fail on what is larger."""
Id = Annotated[int, Path(ge=0, le=LARGEST_ID)]
Reviewing = Annotated[Service, Depends(_service)]
Who = Annotated[Person, Depends(_person)]
"""The person that :class:`app.web.guard.Guard` found for this request's session."""

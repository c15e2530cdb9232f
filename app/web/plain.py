"""Sign-in, sign-out, password, the list of projects, and whether the server is well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from app.errors import NotSignedIn, ReviewError, SignInRefused
from app.review.project import may
from app.web.access import PAGE_ACTIONS, may_ask
from app.web.gradio_routes import ROOT
from app.web.session import Reviewing, Who, of_this_session, set_token, token_of
from app.web.templates import render

router = APIRouter()
STATIC = Path(__file__).parent.parent / "static"


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the server answers."""
    return {"status": "ok"}


@router.get("/favicon.ico")
def icon() -> Response:
    """Return the icon, for those who look for it by its old name."""
    return FileResponse(STATIC / "icon.svg")


@router.get("/")
def projects(request: Request, service: Reviewing, who: Who) -> Response:
    """Show the person's projects; where there is one only, open it."""
    found = service.projects.of(who)
    if len(found) == 1 and "all" not in request.query_params:
        return RedirectResponse(f"{ROOT}/?project={found[0].project_id}", 303)
    may_create = service.projects.may_create(who)
    return render("projects.html", name=who.name, projects=found, may_create=may_create)


@router.get("/sign-in")
def sign_in_page(request: Request, service: Reviewing, next: str = "/") -> Response:
    """Show the form, unless someone is signed in."""
    try:
        service.accounts.person(token_of(request))
    except NotSignedIn:
        return _sign_in(request, next)
    return RedirectResponse(local(next), 303)


@router.post("/sign-in")
def sign_in(
    request: Request,
    service: Reviewing,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session."""
    address = request.client.host if request.client else ""
    try:
        token = service.accounts.sign_in(name, password, address)
    except SignInRefused as error:
        return _sign_in(request, next, name, str(error), 403)
    response = RedirectResponse(local(next), 303)
    set_token(request, response, token)
    return response


@router.post("/api/sign-out", status_code=204)
def sign_out(request: Request, service: Reviewing, who: Who, response: Response) -> None:
    """End this session."""
    service.accounts.sign_out(request.state.token)
    set_token(request, response, None)


@router.get("/password")
def password_page(request: Request, service: Reviewing, who: Who) -> Response:
    """Show the form for another password."""
    return _password(request, service, who)


@router.post("/password")
def change_password(
    request: Request,
    service: Reviewing,
    who: Who,
    old: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Set another password; every other session of the account ends."""
    if not of_this_session(request, service, csrf):
        return _password(request, service, who, "please send this form again")
    if new != again:
        return _password(request, service, who, "the two new passwords are different")
    try:
        service.accounts.change_password(who, old, new, request.state.token)
    except ReviewError as refused:
        return _password(request, service, who, str(refused))
    return _password(request, service, who, done=True)


@router.get("/api/me")
def me(request: Request, service: Reviewing, who: Who) -> dict[str, Any]:
    """Return who is signed in, what they may open, and what their scripts send with a change."""
    found = service.projects.of(who)
    asks = request.app.state.judge is not None and may_ask(found)
    return {
        "name": who.name,
        "local": request.app.state.options.no_auth,
        "csrf": service.accounts.csrf_token(request.state.token),
        "ask": asks,
        "projects": [
            {
                "id": project.project_id,
                "name": project.settings.name,
                "role": project.role,
                "pages": [p for p, action in PAGE_ACTIONS.items() if may(project.role, action)],
            }
            for project in found
        ],
    }


def _sign_in(
    request: Request, next: str, name: str = "", error: str | None = None, status: int = 200
) -> Response:
    oidc = request.app.state.options.oidc
    return render(
        "sign_in.html",
        status=status,
        next=next,
        name=name,
        error=error,
        oidc=oidc and {"name": oidc.name, "start": f"/oidc/start?next={quote(local(next))}"},
    )


def _password(
    request: Request, service: Reviewing, who: Who, error: str | None = None, done: bool = False
) -> Response:
    return render(
        "password.html",
        status=403 if error else 200,
        name=who.name,
        csrf=service.accounts.csrf_token(request.state.token),
        error=error,
        done=done,
    )


def local(address: str) -> str:
    """Return an address within this site; the start page for any other."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and address.isprintable() else "/"

"""The page that a link of an invitation leads to: it needs no session and begins one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from app.errors import NotFound, Refused
from app.web.gradio_routes import ROOT
from app.web.session import Reviewing, set_token
from app.web.templates import render

router = APIRouter()


@router.get("/invite/{token}")
def opened(service: Reviewing, token: str) -> Response:
    """Show who is invited to what, and the form for a password."""
    return _page(service, token)


@router.post("/invite/{token}")
def accept(
    request: Request,
    service: Reviewing,
    token: str,
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Set the password, sign in and open the project.

    The token stands for the session that a form elsewhere would name.
    """
    if new != again:
        return _page(service, token, "the password is not the same both times")
    try:
        session, invited = service.inviting.accept(token, new)
    except Refused as refused:
        return _page(service, token, str(refused))
    except NotFound as gone:
        return render("refusal.html", status=404, message=str(gone))
    response = RedirectResponse(f"{ROOT}/?project={invited.project_id}", 303)
    set_token(request, response, session)
    return response


def _page(service: Reviewing, token: str, error: str | None = None) -> Response:
    try:
        invited = service.inviting.opened(token)
    except NotFound as gone:
        return render("refusal.html", status=404, message=str(gone))
    status = 403 if error else 200
    return render("invite.html", status=status, invited=invited, token=token, error=error)

"""Refusals as responses: a page for who reads, JSON for a script."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.errors import (
    NotAllowed,
    NotFound,
    NotSignedIn,
    Overtaken,
    Refused,
    ReviewError,
    SignInRefused,
    SlotTaken,
)
from app.web.templates import render

_STATUS: dict[type[ReviewError], int] = {
    NotSignedIn: 401,
    SignInRefused: 403,
    NotAllowed: 403,
    NotFound: 404,
    Refused: 409,
    Overtaken: 409,
    SlotTaken: 409,
}


def refusal(request: Request, why: int | ReviewError, message: str = "") -> Response:
    """Return the response that says why a request is refused.

    Args:
        why: the status with its ``message``, or the error that says both.
    """
    kind = type(why).__name__ if isinstance(why, ReviewError) else "Refused"
    status = _STATUS[type(why)] if isinstance(why, ReviewError) else why
    text = str(why) if isinstance(why, ReviewError) else message
    if "text/html" in request.headers.get("accept", ""):
        return render("refusal.html", status=status, message=text)
    return JSONResponse({"error": text, "kind": kind}, status)


def add_handlers(app: FastAPI) -> None:
    """Have every error of a handler answered by :func:`refusal`."""

    @app.exception_handler(ReviewError)
    async def refused(request: Request, error: ReviewError) -> Response:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"][1:])
        return refusal(request, 422, f"{where}: {problem['msg']}")

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        missing = error.status_code == 404
        text = "there is no such page" if missing else str(error.detail)
        return refusal(request, error.status_code, text)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> Response:
        return refusal(request, 500, "something went wrong here; what you wrote is kept")

"""The paths of the server and their OpenAPI page, which loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from judge import __version__
from judge.serve.answer import answer, json_response
from judge.serve.gate import JUDGE, PROTECTED, REWARDS, Gate
from judge.serve.refusal import Kind, Refusal
from judge.serve.rewards import answer_rewards
from judge.serve.schema import (
    ErrorAnswer,
    JudgmentRecord,
    ModelList,
    PairRequest,
    PairsRequest,
    Results,
    Rewarded,
    RewardsRequest,
    Shape,
    State,
    allow_empty_responses,
)
from judge.serve.service import Service

_REFERENCE = "#/components/schemas/{model}"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The judgment of one pair, or the results of a list. With `stream`, events:"
        " `elaboration` (`order`, `text`), then `judgment` or `error`.",
        "model": JudgmentRecord | Results,
    },
    401: {
        "description": "A missing or wrong key, where the server has keys.",
        "model": ErrorAnswer,
    },
    413: {"description": "Body or list over a limit.", "model": ErrorAnswer},
    415: {"description": "No JSON.", "model": ErrorAnswer},
    422: {"description": "Malformed, or the one pair has no judgment.", "model": ErrorAnswer},
    429: {"description": "Full; `Retry-After` says when to come back.", "model": ErrorAnswer},
    500: {"description": "The engine failed on the one pair.", "model": ErrorAnswer},
    503: {"description": "The server is stopping.", "model": ErrorAnswer},
    504: {"description": "It took too long.", "model": ErrorAnswer},
}
_REWARDED = {
    **{status: said for status, said in _ANSWERS.items() if status != 200},
    200: {"description": "The rewards, or why a response has none.", "model": Rewarded},
    404: {"description": "No reward models here.", "model": ErrorAnswer},
    422: {"description": "Malformed, or no such reward model.", "model": ErrorAnswer},
    500: {"description": "The reward model failed on all of them.", "model": ErrorAnswer},
}
_STATES: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is.", "model": State},
    503: {"description": "It is not.", "model": State},
}
_REQUESTS = (PairRequest, PairsRequest, RewardsRequest)
_EXAMPLE = {
    "prompt": "Which city is the capital of France?",
    "response_1": "Paris.",
    "response_2": "It is Lyon, I think.",
    "mode": "verdict",
}
_TO_SCORE = {
    "responses": [{"prompt": _EXAMPLE["prompt"], "response": _EXAMPLE["response_1"]}],
}


def create_app(service: Service) -> FastAPI:
    """Return the ASGI application of a service whose worker runs."""
    app = FastAPIOffline(
        title="Pairwise Justifier",
        version=__version__,
        description="Which of two responses is better, and why.",
        redoc_url=None,
    )

    @app.post(
        JUDGE,
        summary="Judge one pair, or a list",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_request_body(_EXAMPLE, PairRequest, PairsRequest),
    )
    async def judge(request: Request) -> Response:
        return await answer(request, service)

    @app.post(
        REWARDS,
        summary="Give responses rewards",
        response_class=Response,
        responses=_REWARDED,
        openapi_extra=_request_body(_TO_SCORE, RewardsRequest),
    )
    async def rewards(request: Request) -> Response:
        return await answer_rewards(request, service)

    @app.get("/v1/models", summary="What judges", responses={401: _ANSWERS[401]})
    async def models() -> ModelList:
        judge = [] if service.model is None else [service.model]
        return ModelList(data=[*judge, *service.scorers.values()])

    @app.get("/health", summary="Liveness: 503 when only a restart helps", responses=_STATES)
    async def health() -> Response:
        return _state("failing" if service.worker.broken else None, "ok")

    @app.get(
        "/ready", summary="Readiness: 503 when the server takes no requests", responses=_STATES
    )
    async def ready() -> Response:
        draining = "stopping" if service.draining else None
        return _state("failing" if service.worker.broken else draining, "ready")

    @app.get(
        "/metrics",
        summary="Counts and times for Prometheus",
        response_class=PlainTextResponse,
        response_description="Prometheus' text format.",
    )
    async def metrics() -> Response:
        return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(HTTPException, _wrong_path)
    app.add_exception_handler(Exception, _internal)
    app.add_middleware(Gate, service=service)
    app.openapi = lambda: _openapi(app, service)  # type: ignore[method-assign]
    return app


def _state(wrong: str | None, right: str) -> Response:
    return json_response({"status": wrong or right}, 503 if wrong else 200)


def _request_body(example: Any, *models: type[Shape]) -> dict[str, Any]:
    """Return the OpenAPI of a body that is read by our own rules, not by FastAPI's."""
    shapes = [{"$ref": _REFERENCE.format(model=m.__name__)} for m in models]
    content = {"schema": {"oneOf": shapes}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    """Return the description; a server without keys asks for none."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        _, shapes = models_json_schema(
            [(request, "validation") for request in _REQUESTS], ref_template=_REFERENCE
        )
        if service.config.empty_responses:
            allow_empty_responses(shapes["$defs"])
        schema["components"]["schemas"] |= shapes["$defs"]
        if service.keys:
            bearer = {"type": "http", "scheme": "bearer"}
            schema["components"]["securitySchemes"] = {"key": bearer}
        for path, methods in schema["paths"].items():
            protected = service.keys and path.startswith(PROTECTED)
            for operation in methods.values() if protected else ():
                operation["security"] = [{"key": []}]
        app.openapi_schema = schema
    return app.openapi_schema


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return json_response(error.to_json(), error.status, error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # for the metrics: nobody is sent it


async def _wrong_path(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind: Kind = "not_allowed" if error.status_code == 405 else "not_found"
    refusal = Refusal(error.status_code, kind, f"{error.detail}; see /docs")
    return json_response(refusal.to_json(), refusal.status, error.headers)


async def _internal(_: Request, error: Exception) -> Response:
    return json_response(Refusal(500, "internal", "a bug; see the log").to_json(), 500)

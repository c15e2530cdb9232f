"""`POST /v1/judge`, from a request to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from judge.judgment import Failure
from judge.pair import Pair
from judge.runs.jsonlines import encode_line
from judge.serve.body import parse_request, read_body, read_pairs
from judge.serve.pending import Pending, busy, stopping
from judge.serve.refusal import Refusal, unread
from judge.serve.schema import PairRequest, PairsRequest
from judge.serve.service import Service
from judge.serve.worker import Result


async def answer(request: Request, service: Service) -> Response:
    """Judge the pairs of a request.

    Raises:
        Refusal: where there is no judgment to answer with.
        starlette.requests.ClientDisconnect: when the client went away.
    """
    config = service.config
    if service.model is None:
        raise Refusal(404, "not_found", "this server has no judge, only reward models")
    body, deadline = await receive(request, service)
    asked = parse_request(body, config.max_pairs)
    as_asked = config.strip_thinking, config.empty_responses
    rows = read_pairs(_rows(asked), config.max_characters, *as_asked)
    pairs = [(line, row) for line, row in enumerate(rows, start=1) if isinstance(row, Pair)]
    way = (asked.mode or config.mode, asked.orders or config.orders)
    listen = asked.stream and bool(pairs)
    pending = Pending(request, service, way, pairs, deadline=deadline, listen=listen)

    def finish() -> dict[str, Any]:
        judged = iter(pending.results())
        results = [row if isinstance(row, Failure) else next(judged) for row in rows]
        service.metrics.answered(results)
        return (
            _of_one(*results) if isinstance(asked, PairRequest) else {"results": to_json(results)}
        )

    if listen:
        return StreamingResponse(_events(pending, finish), media_type="text/event-stream")
    async with aclosing(pending.news()) as news:
        async for _ in news:
            pass
    return json_response(finish())


async def receive(request: Request, service: Service) -> tuple[bytes, float]:
    """Return the body of a request, and when it is given up, on the event loop's clock.

    Raises:
        Refusal: 429 where the queue is full, 504 when it did not come in time, 413 and 415.
        starlette.requests.ClientDisconnect: when the client went away.
    """
    config = service.config
    deadline = asyncio.get_running_loop().time() + config.request_seconds
    if service.worker.waiting >= config.queue:  # before megabytes are read for nothing
        raise busy(1)
    try:
        async with service.arrivals.one(deadline):
            return await read_body(request, config.max_body), deadline
    except TimeoutError:
        late = Refusal(504, "timeout", "the body did not arrive in time")
        raise unread(stopping() if service.draining else late) from None


def json_response(
    value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer in the bytes that a run folder's line would have."""
    return Response(encode_line(value), status, headers, "application/json")


async def _events(pending: Pending, finish: Callable[[], dict[str, Any]]) -> AsyncIterator[bytes]:
    """Yield server-sent events: pieces of the elaborations, then the judgment or the error."""
    try:
        async with aclosing(pending.news()) as news:
            async for piece in news:
                if piece is None:
                    yield b": waiting\n\n"
                else:
                    yield _event("elaboration", {"order": piece[0], "text": piece[1]})
        yield _event("judgment", finish())
    except Refusal as refusal:
        yield _event("error", refusal.to_json())
    except ClientDisconnect:
        return


def _event(name: str, value: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n" % (name.encode(), encode_line(value))


def _rows(asked: PairRequest | PairsRequest) -> list[Any]:
    if isinstance(asked, PairsRequest):
        return asked.pairs
    names = ("pair_id", "prompt", "response_1", "response_2")
    return [{name: getattr(asked, name) for name in names}]


def _of_one(result: Result) -> dict[str, Any]:
    """Return the judgment of a request's one pair.

    Raises:
        Refusal: when it has none: 500 where asking again may help, else 422.
    """
    if isinstance(result, Failure):
        status = 500 if result.reason == "engine_error" else 422
        message = f"{result.reason}: {result.detail}"
        raise Refusal(status, "failed", message, failure=result.model_dump())
    return result.to_json()


def to_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the results of a list."""
    return [
        {"failure": result.model_dump()} if isinstance(result, Failure) else result.to_json()
        for result in results
    ]

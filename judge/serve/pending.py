"""A client that waits for its pairs: until they are judged, time is up or it went away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from enum import Enum

from starlette.requests import ClientDisconnect, Request

from judge.serve.refusal import Refusal
from judge.serve.service import Service
from judge.serve.worker import EngineRaised, Job, Numbered, QueueFull, Result, Stopped, Way
from judge.verdict import Order

KEEP_ALIVE = 15.0
"""Seconds without news after which a stream says that it is alive: proxies close silent ones."""
LONGEST_WAIT = 60
"""Seconds that a client of a full server is told to wait at most."""
Piece = tuple[Order, str]
"""An order, and the text by which its elaboration has grown."""


class _End(Enum):
    JUDGED = 0
    LATE = 1
    GONE = 2


class Pending:
    """Pairs given to the worker for one client.

    Args:
        deadline: on the event loop's clock.
        listen: whether :meth:`news` has the pair's elaborations while they are written.
        whole: whether the pairs go through the engine in one call, and no others with them.

    Raises:
        Refusal: 429 when the queue has no room, 503 when the server stops.
    """

    def __init__(
        self,
        request: Request,
        service: Service,
        way: Way,
        pairs: Sequence[Numbered],
        *,
        deadline: float,
        listen: bool = False,
        whole: bool = False,
    ) -> None:
        self._request = request
        self._metrics = service.metrics
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[Piece | _End] = asyncio.Queue()
        told = (lambda order, text: self._put((order, text))) if listen else None
        self._job = Job(way, pairs, listener=told, whole=whole)
        self._job.answer.add_done_callback(lambda _: self._put(_End.JUDGED))
        if pairs:
            submit(service, self._job)
        else:
            self._job.answer.set_result([])

    async def news(self) -> AsyncGenerator[Piece | None]:
        """Yield what is written, None where nothing was for a while; end when all is judged.

        Raises:
            Refusal: 504 when time is up.
            ClientDisconnect: when the client went away.
        """
        late = self._loop.call_at(self._deadline, self._news.put_nowait, _End.LATE)
        gone = asyncio.create_task(_disconnected(self._request))
        gone.add_done_callback(lambda _: self._news.put_nowait(_End.GONE))
        cause = "disconnect"  # also when whoever iterates is cancelled
        try:
            while (piece := await self._next()) is not _End.JUDGED:
                if piece is _End.GONE:
                    raise ClientDisconnect
                if piece is _End.LATE:
                    cause = "timeout"
                    raise Refusal(504, "timeout", "the request took too long")
                yield piece
        finally:
            late.cancel()
            gone.cancel()
            if self._job.answer.cancel():
                self._metrics.dropped(cause, len(self._job.pairs))

    def results(self) -> list[Result]:
        """Return what became of the pairs, in order; call it after :meth:`news`.

        Raises:
            Refusal: 503 when the server stopped before they were judged, 500 when the engine failed
                on all of them.
        """
        try:
            return self._job.answer.result()
        except Stopped:
            raise stopping() from None
        except EngineRaised as raised:
            raise Refusal(500, "failed", f"engine_error: {raised}") from None

    async def _next(self) -> Piece | _End | None:
        try:
            return await asyncio.wait_for(self._news.get(), KEEP_ALIVE)
        except TimeoutError:
            return None

    def _put(self, news: Piece | _End) -> None:
        """Called on any thread."""
        self._loop.call_soon_threadsafe(self._news.put_nowait, news)


def submit(service: Service, job: Job) -> None:
    """Give a job to the worker; as :class:`Pending` where that is not possible."""
    try:
        service.worker.submit(job)
    except QueueFull as full:
        raise busy(full.seconds) from None
    except Stopped:
        raise stopping() from None


def busy(seconds: float) -> Refusal:
    """Return the refusal of a server without room, which may have some after ``seconds``."""
    wait = min(max(1, math.ceil(seconds)), LONGEST_WAIT)
    return Refusal(429, "busy", "too many pairs wait; try again", {"Retry-After": str(wait)})


def stopping() -> Refusal:
    """Return the refusal of a server that stops."""
    return Refusal(503, "stopping", "the server is stopping", {"Retry-After": "5"})


async def _disconnected(request: Request) -> None:
    """Return when the client went away; its body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

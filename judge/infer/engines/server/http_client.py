"""Requests to an OpenAI-compatible server: bounded in flight, retried, attributed when they fail.

Whose fault a failing request is decides what becomes of the run
(:mod:`judge.infer.engines.server.http_faults`):

- *busy* (connection refused, 429, 502, 503, ...): asked again until ``patience`` seconds are over,
  then the run stops, resumable;
- *broken* (reset, timeout, 500, a reply cut short or of another shape): asked again ``TRIES``
  times. Then the probe, a small request known to work, tells: when the server answers it at once,
  the row is at fault and fails; when it has to be waited for, the server was;
- *refused* (another 4xx): the same without asking again; where the server names a reason that is
  the row's own, without the probe.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx2
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.stop import stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from judge import strict_json as onekey
from judge.errors import RowError, UsageError
from judge.infer.engines.server.address import KEYS as KEYS
from judge.infer.engines.server.address import api_key, credentials, query_of
from judge.infer.engines.server.address import base_url as base_url
from judge.infer.engines.server.http_faults import (
    Broken,
    Busy,
    Declined,
    Fault,
    Refused,
    fault_of,
    message_of,
)
from judge.masking import Masking

_SURROGATE = re.compile(rb"\\ud[89a-f]", re.IGNORECASE)
_OF_ANOTHER_SHAPE = (
    TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""What code raises that meets a value of a kind that it did not think of."""
T = TypeVar("T")
U = TypeVar("U")
Read = Callable[[dict[str, Any]], T]
"""Turns a reply into what it says; raises :class:`Broken` for one of another shape, and
:class:`Declined` for one that is a row's own failure."""
BACKOFF, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second try, doubled for each later one up to the longest."""
TRIES = 5
"""How often a request that breaks is sent before the probe decides."""
ROUNDS = 3
"""So many times a request may meet an outage before it is held responsible for them."""
LARGEST_REPLY = 64 << 20
"""Bytes; a reply that goes on beyond is broken."""
TOLD_EVERY = 60.0
"""Seconds between two notes that the server keeps a run waiting."""


@dataclass(frozen=True)
class Patience:
    """How much a server is asked at once, and how long it is waited for."""

    concurrency: int
    """Requests in flight."""
    timeout: float
    """Seconds that one reply may take."""
    patience: float
    """Seconds that the server may be busy or out before the run stops."""
    names: tuple[str, str] = ("--timeout", "--patience")
    """What whoever runs it calls these two seconds."""


class Client:
    """Asks one server, for any thread; its event loop runs in a thread of its own.

    Args:
        url: as the user gave it; see :func:`base_url`.
        note: told in one line when the server keeps a run waiting.

    Raises:
        UsageError: for an address or an API key that cannot be used.
    """

    def __init__(self, url: str, patience: Patience, note: Callable[[str], None]) -> None:
        self.url = base_url(url)
        self._query = query_of(url)
        self.patience = patience
        self.note = note
        self._told = -math.inf
        key = api_key()
        self.shown = Masking(key)
        """Shows what the server says, without the key."""
        self._probe: Callable[[], Awaitable[object]] | None = None
        self._slots = asyncio.Semaphore(patience.concurrency)
        headers = {"content-type": "application/json"}
        if key:
            headers |= credentials(key, self.url, self._query)
        # A pool of many connections looks at each of them for every request: half of the time.
        self._new = partial(
            httpx2.AsyncClient,
            headers=headers,
            timeout=httpx2.Timeout(patience.timeout, pool=None),
            limits=httpx2.Limits(max_connections=1),
            verify=httpx2.create_ssl_context(),
        )
        self._idle: list[httpx2.AsyncClient] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=_turn, args=(self._loop, self._idle), daemon=True).start()
        weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """Return what the coroutine function gives, run in the client's event loop."""
        future = asyncio.run_coroutine_threadsafe(function(*args), self._loop)
        try:
            return future.result()
        except BaseException:  # an interrupt: no request goes on behind the caller's back
            future.cancel()
            raise

    async def gather(self, function: Callable[[U], Awaitable[T]], items: Sequence[U]) -> list[T]:
        """Return what ``function`` gives for each item, in their order, bounded in flight."""
        slots = asyncio.Semaphore(self.patience.concurrency)

        async def one(item: U) -> T:
            async with slots:
                return await function(item)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    def trust(self, path: str, body: Mapping[str, Any], read: Read[Any]) -> None:
        """Take this request, which just worked, as the probe."""
        self._probe = partial(self.once, path, body, read)

    async def ask(self, path: str, body: Mapping[str, Any], read: Read[T]) -> T:
        """Return what ``read`` makes of the reply to a POST.

        Raises:
            RowError: when this request is at fault.
            UsageError: when the server stays away, or no longer takes what it took.
        """
        fault: Fault | None = None
        for _ in range(ROUNDS):
            try:
                return await self.insist(path, body, read)
            except (Refused, Declined) as refusal:
                if refusal.reason is not None:
                    raise RowError(refusal.reason, str(refusal)) from None
                fault = refusal
            except Broken as broken:
                fault = broken
            if await self._others_are_answered():
                break
        raise RowError("engine_error", f"{fault} (the server answers other requests)") from None

    async def insist(
        self, path: str, body: Mapping[str, Any] | None, read: Read[T], tries: int = TRIES
    ) -> T:
        """Return what ``read`` makes of the reply to a POST; without a body to a GET.

        Raises:
            Broken: after ``tries`` replies that were.
            Refused, Declined: at once.
            UsageError: when the server stays busy.
        """
        several = self._retrying(Broken, stop_after_attempt(tries))
        return await several(self._patiently, Busy, self.once, path, body, read)

    async def once(self, path: str, body: Mapping[str, Any] | None, read: Read[T]) -> T:
        """As :meth:`insist`, but any fault is raised at once; without a body a GET.

        Args:
            path: below the server's address, or a whole address.
        """
        try:
            async with self._slots:
                return await self._read(path, body, read)
        except Fault as fault:
            if fault.said is not None:
                fault.said = self.shown(fault.said)
            raise

    async def _read(self, path: str, body: Mapping[str, Any] | None, read: Read[T]) -> T:
        """As :meth:`once`; what the server said is in the faults as it came."""
        try:
            async with asyncio.timeout(self.patience.timeout):
                reply = await self._exchange(path, body)
                try:
                    return read(reply)
                except _OF_ANOTHER_SHAPE as error:
                    what = f"a reply that cannot be read ({type(error).__name__})"
                    raise Broken(what, reply) from None
        except TimeoutError:
            seconds = f"{self.patience.timeout:g} seconds ({self.patience.names[0]})"
            raise Broken(f"no whole reply within {seconds}") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise Busy("cannot connect", _words(error)) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Broken("the connection broke", _words(error)) from None

    async def _others_are_answered(self) -> bool:
        """Say whether the server answers the probe at once, not only after a while.

        Raises:
            UsageError: when it does not within ``patience`` seconds, or refuses.
        """
        if self._probe is None:
            return True
        try:
            try:
                await self._probe()
                return True
            except (Busy, Broken):
                await self._patiently((Busy, Broken), self._probe)
                return False
        except Refused as refusal:
            raise UsageError(
                f"{self.url} no longer takes requests: {refusal}; what is written is kept"
            ) from None

    async def _patiently(
        self, faults: Any, function: Callable[..., Awaitable[T]], *args: object
    ) -> T:
        """Return what ``function`` gives once it raises none of ``faults``.

        Raises:
            UsageError: when it still does after ``patience`` seconds.
        """
        seconds, name = self.patience.patience, self.patience.names[1]
        try:
            return await self._retrying(faults, stop_before_delay(seconds))(function, *args)
        except faults as fault:
            unit = "second" if seconds == 1 else "seconds"
            said = f"gave no answer for {seconds:g} {unit} ({name})"
            asked = getattr(fault, "retry_after", None) or 0
            if asked > seconds:
                said = f"asks to wait for {asked:,.0f} seconds, longer than {name} {seconds:g}"
            elif asked > BACKOFF:
                said = f"asks to wait for another {asked:,.0f} seconds, beyond {name} {seconds:g}"
            raise UsageError(
                f"{self.url} {said}: {fault};"
                " what is written is kept, run the same command again to continue"
            ) from None

    def _retrying(self, faults: Any, stop: Any) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(faults),
            stop=stop,
            wait=_wait,
            before_sleep=self._tell,
            sleep=asyncio.sleep,
            reraise=True,
        )

    def _tell(self, state: RetryCallState) -> None:
        """Say now and then why nothing goes on, not at a first hiccup."""
        now = time.monotonic()
        if state.attempt_number > 2 and now - self._told > TOLD_EVERY:
            self._told = now
            self.note(f"{self.url}: {_fault(state)}; trying again")

    async def _exchange(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        data = None if body is None else orjson.dumps(body)
        http = self._idle.pop() if self._idle else self._new()
        try:
            address = path if "://" in path else f"{self.url}{path}{self._query}"
            async with http.stream(method, address, content=data) as response:
                received = bytearray()
                async for block in response.aiter_bytes():
                    received += block
                    if len(received) > LARGEST_REPLY:
                        raise Broken(f"a reply of more than {LARGEST_REPLY >> 20} MiB")
        finally:
            self._idle.append(http)
        said = bytes(received)
        if response.status_code != 200:
            reason = response.reason_phrase
            raise fault_of(response.status_code, response.headers, said, reason)
        try:
            reply = onekey.loads(said.decode())
            if _SURROGATE.search(said):  # half a character, which no text may hold
                orjson.loads(said)
        except onekey.Ambiguous as error:
            raise Broken("a reply that contradicts itself", str(error)) from None
        except (ValueError, RecursionError):
            raise Broken("a reply that is not valid JSON", message_of(said)) from None
        if isinstance(reply, list) and body is None:  # some list their models so
            return {"data": reply}
        if not isinstance(reply, dict):
            raise Broken(f"a reply that is {type(reply).__name__}, expected an object")
        return reply


def _turn(loop: asyncio.AbstractEventLoop, idle: list[httpx2.AsyncClient]) -> None:
    """Run an event loop until it is stopped, then close its connections."""
    loop.run_forever()
    for http in idle:
        loop.run_until_complete(http.aclose())
    loop.close()


def _wait(state: RetryCallState) -> float:
    """Return the seconds to wait: exponential with jitter, or longer where the server says so."""
    backoff = wait_exponential_jitter(multiplier=BACKOFF, max=LONGEST_WAIT, jitter=BACKOFF)(state)
    return max(backoff, getattr(_fault(state), "retry_after", None) or 0.0)


def _fault(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _words(error: Exception) -> str:
    return str(error).strip() or type(error).__name__

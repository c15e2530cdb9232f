"""Servers without a model or a socket, and requests to them: what the tests of serving share."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from judge.errors import RowError
from judge.infer.engines.protocol import Listener, Mode, ScriptedEngine
from judge.infer.scorers.pairs import PairScorer
from judge.prompt import Prompt
from judge.serve.app import create_app
from judge.serve.config import ServeConfig
from judge.serve.server import create_service
from judge.serve.service import Service
from judge.verdict import Verdict
from tests.scripted import TEMPLATE, answer, engine

JUDGE = "/v1/judge"
GOOD = {"prompt": "Which is longer?", "response_1": "This one.", "response_2": "That one there."}


@contextmanager
def serving(
    of: Any = None,
    *,
    keys: tuple[str, ...] = (),
    scorers: Callable[[], Mapping[str, PairScorer]] = dict,
    **fields: Any,
) -> Iterator[Service]:
    """A service with the scripted engine, or the engine ``of``; its thread ends with the block."""
    config = ServeConfig(**{"model": "mini", "template": TEMPLATE, **fields})
    service = create_service(config, lambda: of or engine(), scorers, keys)
    try:
        yield service
    finally:
        if isinstance(of, Held):
            of.go.set()
        service.worker.abandon()
        service.worker.join(10)


class Client:
    """Talks to the application of a service in this process."""

    def __init__(self, service: Service) -> None:
        self._transport = httpx2.ASGITransport(create_app(service), raise_app_exceptions=False)

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        base = "http://server"
        async with httpx2.AsyncClient(transport=self._transport, base_url=base) as client:
            return await client.request(method, path, **options)

    async def post(self, value: Any, **options: Any) -> httpx2.Response:
        return await self.request("POST", JUDGE, json=value, **options)


def post(service: Service, value: Any, **options: Any) -> httpx2.Response:
    """One request for judgments: JSON, or bytes sent as it."""
    if isinstance(value, bytes):
        return send(service, value, **options)
    return asyncio.run(Client(service).post(value, **options))


def send(service: Service, body: Any, **headers: str) -> httpx2.Response:
    """One request with these bytes; an iterator of bytes goes out in chunks."""
    headers = {"Content-Type": "application/json", **headers}
    return asyncio.run(Client(service).request("POST", JUDGE, content=body, headers=headers))


def get(service: Service, path: str, **options: Any) -> httpx2.Response:
    return asyncio.run(Client(service).request("GET", path, **options))


def metric(service: Service, name: str, **labels: str) -> float:
    """A number of the metrics; 0 where there is none yet."""
    listed = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    wanted = f"{name}{{{listed}}} " if labels else f"{name} "
    for line in get(service, "/metrics").text.splitlines():
        if line.startswith(wanted):
            return float(line.rpartition(" ")[2])
    return 0.0


def events(response: httpx2.Response) -> list[tuple[str, Any]]:
    """The server-sent events of an answer: names and data."""
    found = []
    for block in response.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


class Held(ScriptedEngine):
    """An engine whose calls wait until ``go`` is set; ``calls`` are their sizes in prompts."""

    def __init__(self) -> None:
        super().__init__(answer)
        self.go = threading.Event()
        self.begun = threading.Event()
        self.calls: list[int] = []

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        self.calls.append(len(prompts))
        self.begun.set()
        assert self.go.wait(20)
        return super().judge(prompts, mode)


class Aloud(ScriptedEngine):
    """An engine that tells its elaborations a word at a time."""

    def stream(
        self, prompts: Sequence[Prompt], mode: Mode, listeners: Mapping[int, Listener]
    ) -> list[Verdict | RowError]:
        verdicts = self.judge(prompts, mode)
        for place, listener in listeners.items():
            said = verdicts[place]
            for piece in (said.elaboration or "").split(" ") if isinstance(said, Verdict) else ():
                listener(f"{piece} ")
        return verdicts

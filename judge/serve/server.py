"""`judge serve`: load, listen, and on a signal finish what was accepted."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from ipaddress import ip_address
from types import FrameType
from typing import get_args

import uvicorn

from judge.errors import UsageError
from judge.infer.engines.protocol import MODES, Engine, StreamingEngine
from judge.infer.pairwise import Orders, PairwiseJudge
from judge.infer.scorers.pairs import JudgeWithScorers, PairScorer
from judge.prompt import Template, load_template
from judge.serve.app import create_app
from judge.serve.config import KEY_VARIABLE, ServeConfig, take_keys
from judge.serve.metrics import Metrics
from judge.serve.rewards import ServedScorer, described
from judge.serve.schema import ModelRecord
from judge.serve.service import Service
from judge.serve.worker import Served, Way, Worker

GRACE = 5
"""Seconds for the last answers to reach their clients."""


def run(
    config: ServeConfig,
    load: Callable[[], Engine],
    load_scorers: Callable[[], Mapping[str, PairScorer]],
    note: Callable[[str], None],
    environment: MutableMapping[str, str] = os.environ,
) -> bool:
    """Serve until a signal; return whether every accepted request was judged.

    When not, the worker's thread may still be in the engine's last call.

    The first SIGTERM or SIGINT refuses new requests (503) and ends the process when the accepted
    ones are answered; the second answers them with 503 and ends it now.

    Raises:
        UsageError: when the server cannot start.
    """
    keys = take_keys(environment)
    with _bound_socket(config) as listener:
        if not keys and not ip_address(listener.getsockname()[0]).is_loopback:
            note(f"anyone who can reach {config.host} may use it: {KEY_VARIABLE} is not set")
        service = create_service(config, load, load_scorers, keys)
        _log_to_stderr()
        server = Server(service, note)
        try:
            server.run(sockets=[listener])
        finally:
            service.worker.abandon()
        service.worker.join(GRACE)
        return not server.stopped_early


def create_service(
    config: ServeConfig,
    load: Callable[[], Engine],
    load_scorers: Callable[[], Mapping[str, PairScorer]],
    keys: tuple[str, ...],
) -> Service:
    """Load the models; return a service whose worker runs."""
    template = load_template(config.template_name) if config.judge else None
    scorers = load_scorers()  # the smaller models first: what is wrong with them shows sooner
    models: dict[Way, Served] = {
        ("rewards", name): ServedScorer(name, scorer) for name, scorer in scorers.items()
    }
    model: ModelRecord | None = None
    if template is not None:
        engine = load()
        models |= {
            (mode, orders): JudgeWithScorers(PairwiseJudge(engine, mode, orders), scorers)
            for mode in MODES
            for orders in get_args(Orders)
        }
        model = _judge_record(config, engine, template, scorers)
    metrics = Metrics()
    worker = Worker(models, metrics, window=config.window, queue=config.queue, alone=config.alone)
    worker.start()
    records = {name: described(name, scorer) for name, scorer in scorers.items()}
    return Service(config, worker, metrics, model, records, keys)


def _judge_record(
    config: ServeConfig, engine: Engine, template: Template, scorers: Iterable[str]
) -> ModelRecord:
    said = {
        "id": config.model,
        **engine.describe(),
        "context": engine.context,
        "template": f"{template.name} {template.digest}",
        "mode": config.mode,
        "orders": config.orders,
        "streams": isinstance(engine, StreamingEngine),
        "scorers": list(scorers),
    }
    return ModelRecord.model_validate(said)


class Server(uvicorn.Server):
    """A server that goes on listening while it finishes, so that a new request hears a 503."""

    def __init__(self, service: Service, note: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(service),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._service = service
        self._note = note
        self._signals = 0
        self._end_by = self._answer_by = math.inf
        self.stopped_early = False
        """Whether requests were left without a judgment."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port, *_ = self.servers[0].sockets[0].getsockname()
        host = f"[{host}]" if ":" in host else host
        self._note(f"listening on http://{host}:{port} (its API: http://{host}:{port}/docs)")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._signals += 1  # the rest on the next tick: a signal may interrupt anything

    async def on_tick(self, counter: int) -> bool:
        service = self._service
        if self._signals and not service.draining:
            service.draining = True
            service.worker.stop()
            service.arrivals.give_up_all()
            # No request takes longer than this: a client that does not read holds up no one.
            self._end_by = time.monotonic() + service.config.request_seconds + GRACE
            self._note("stopping: finishing what was accepted; a second signal stops at once")
        if service.draining and service.worker.finished and self._answer_by == math.inf:
            self._answer_by = time.monotonic() + GRACE  # all is judged: nobody waits for much
            self._end_by = min(self._end_by, self._answer_by)
        now = self._signals > 1 or time.monotonic() > self._end_by
        if now or (service.draining and not service.active):
            self.stopped_early = service.active > 0
            service.worker.abandon()
            self.should_exit = True
        return await super().on_tick(counter)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, level in (("judge.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def _bound_socket(config: ServeConfig) -> socket.socket:
    """Return a socket of the configured address, before minutes are spent on loading a model.

    It listens only when the server runs: no client waits for a model to be loaded.

    Raises:
        UsageError: when the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol: asyncio sends at once (TCP_NODELAY) only where the socket names it.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"cannot listen on {config.host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        where = f"{config.host} port {config.port}"
        raise UsageError(f"cannot listen on {where}: {error.strerror}") from None
    return listener

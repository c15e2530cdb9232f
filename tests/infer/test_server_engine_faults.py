"""A server that breaks in every way we know: no guessed verdict, nothing lost, a clear line."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.batch import run
from judge.infer.engines.registry import load_engine
from judge.infer.engines.server import http_client
from judge.infer.engines.server import load as load_server
from judge.runs.summary import Summary
from tests.fault_server import Request, Running, Server, Wire, error, http, mini_tokenizer
from tests.scripted import TEMPLATE, failures, judgments, results, row, write_rows

ROWS = 9
POISON = "POISON"


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Waits are short, and the tokenizer is loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_client, "BACKOFF", 0.01)
        patch.setattr(http_client, "LARGEST_REPLY", 200_000)
        patch.setattr(load_server, "_load_tokenizer", lambda name: mini_tokenizer())
        yield


@pytest.fixture
def running() -> Iterator[Running]:
    with Running(Server()) as running:
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [row(n, response_1=POISON) if n == 4 else row(n) for n in range(ROWS)]
    return write_rows(tmp_path_factory.mktemp("in") / "in.jsonl", rows)


@pytest.fixture(scope="module")
def whole(source: Path, quick: None) -> Path:
    """The run folder of a server without faults."""
    with Running(Server()) as running:
        judged(config(running, source, source.parent / "whole"))
    return source.parent / "whole"


def config(running: Running, source: Path, out: Path, **fields: Any) -> BatchConfig:
    values = {"model": "judge", "tokenizer": "mini", "mode": "verdict", "window": 4, "timeout": 0.4}
    values |= {"input": str(source), "out": str(out), "patience": 2, "concurrency": 3, **fields}
    return BatchConfig(engine="server", url=running.url, template=TEMPLATE, **values)


def judged(config: BatchConfig) -> Summary:
    return run(config, lambda: load_engine(config))


def send(data: bytes) -> Wire:
    return lambda transport, reply: transport.write(data)


def status(code: int, said: str = "no", **headers: str) -> Wire:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(http(code, orjson.dumps(error(said, code)), named))


def closing(cut: Callable[[bytes], bytes]) -> Wire:
    def wire(transport: asyncio.Transport, reply: bytes) -> None:
        transport.write(cut(reply))
        transport.close()

    return wire


def edited(edit: Callable[[dict[str, Any]], Any]) -> Wire:
    """Send the good reply with something changed in it, in place or by what ``edit`` returns."""

    def wire(transport: asyncio.Transport, reply: bytes) -> None:
        body = orjson.loads(reply.partition(b"\r\n\r\n")[2])
        changed = edit(body)
        transport.write(http(200, orjson.dumps(body if changed is None else changed)))

    return wire


def twice(what: bytes, by: bytes) -> Wire:
    """Send the good reply with the first bytes ``what`` replaced."""

    def wire(transport: asyncio.Transport, reply: bytes) -> None:
        body = reply.partition(b"\r\n\r\n")[2]
        assert what in body
        transport.write(http(200, body.replace(what, by, 1)))

    return wire


def drip(transport: asyncio.Transport, reply: bytes) -> None:
    """Send a byte now and then: no single read times out."""
    if reply and not transport.is_closing():
        transport.write(reply[:1])
        asyncio.get_running_loop().call_later(0.05, drip, transport, reply[1:])


def numbers(change: Callable[[dict[str, float]], dict[str, Any]]) -> Wire:
    def edit(body: dict[str, Any]) -> None:
        for choice in body["choices"]:
            found = choice["logprobs"]["top_logprobs"]
            found[0] = change(found[0])

    return edited(edit)


def each(body: dict[str, Any], name: str, value: Any) -> None:
    for choice in body["choices"]:
        choice[name] = value


BUSY: dict[str, Wire] = {
    "too many requests": status(429),
    "too many requests, wait so many seconds": status(429, retry_after="0.05"),
    "too many requests, wait until": status(429, retry_after=formatdate(time.time(), usegmt=True)),
    "starting": status(503, "model is loading"),
    "bad gateway": send(http(502, b"<html>bad gateway</html>")),
}
BROKEN: dict[str, Wire] = {
    "inner error": status(500),
    "reset": lambda transport, reply: transport.abort(),
    "closed without a word": closing(lambda reply: b""),
    "reply cut short": closing(lambda reply: reply[:-40]),
    "headers cut short": closing(lambda reply: reply[:20]),
    "no HTTP": send(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "JSON cut short": send(http(200, b'{"choices": [{"index": 0, "text"')),
    "a page": send(http(200, b"<html>Welcome</html>")),
    "nothing": send(http(200, b"")),
    "a list": send(http(200, b"[]")),
    "damaged compression": send(http(200, b"no gzip", {"content-encoding": "gzip"})),
    "silence": lambda transport, reply: None,
    "a byte now and then": drip,
    "an endless reply": send(http(200, b" " * 300_000)),
    "an error with status 200": send(http(200, orjson.dumps(error("overloaded", 500)))),
    "no choices": edited(lambda body: {"usage": {}}),
    "a choice too few": edited(lambda body: {"choices": body["choices"][1:]}),
    "a repeated choice": edited(lambda body: {"choices": body["choices"][:1] * 6}),
    "choices of other prompts": edited(lambda body: body["choices"][0].update(index=77)),
    "an index that is a list": edited(lambda body: body["choices"][0].update(index=[0])),
    "an index that is an object": edited(lambda body: body["choices"][0].update(index={})),
    "an index that is true": edited(lambda body: body["choices"][1].update(index=True)),
    "an index that is a fraction": edited(lambda body: body["choices"][1].update(index=1.0)),
    "a choice too many": edited(lambda body: body["choices"].append({**body["choices"][0]})),
    "an error beside choices": edited(lambda body: body.update(error={"message": "overloaded"})),
    "a field twice": twice(b'"choices":', b'"choices":[],"choices":'),
    "a probability twice": twice(b'"token_id:', b'"token_id:9":-1.5,"token_id:9":-2.5,"token_id:'),
    "a token in two writings": numbers(
        lambda found: {**found, **{k.replace(":", ":0"): v - 1 for k, v in found.items()}}
    ),
    "tokens without their mark": numbers(lambda found: {k[9:]: v for k, v in found.items()}),
    "half a character": twice(b'"text":"x"', b'"text":"\\ud800"'),
    "a number beyond all": twice(b'"index":0', b'"index":' + b"9" * 5000),
    "a million brackets": send(http(200, b'{"choices":' + b"[" * 100_000)),
    "choices nested deeply": send(http(200, b'{"choices":' + b"[" * 900 + b"]" * 900 + b"}")),
    "an error nested deeply": send(http(500, b'{"error":' + b"[" * 900 + b"]" * 900 + b"}")),
    "choices that are texts": edited(lambda body: {"choices": ["Response 1"] * 6}),
    "no log-probabilities": edited(lambda body: each(body, "logprobs", None)),
    "log-probabilities of other tokens": numbers(lambda found: {"token_id:9": -1.0}),
    "a log-probability too few": numbers(lambda found: dict(list(found.items())[1:])),
    "log-probabilities by text": numbers(lambda found: {" much": -1.0}),
    "a log-probability above 0": numbers(lambda found: dict.fromkeys(found, 3.0)),
    "a log-probability that is a text": numbers(lambda found: dict.fromkeys(found, "likely")),
    "probabilities above 1 in sum": numbers(lambda found: dict.fromkeys(found, -0.1)),
    "no number": numbers(lambda found: dict.fromkeys(found, "nan")),
}


def is_work(request: Request) -> bool:
    """Whether it asks for the verdicts of a pair, both orders, three places in each."""
    return len(request.body.get("prompt", ())) == 6


@pytest.mark.parametrize("name", [*BUSY, *BROKEN])
def test_a_fault_that_passes_leaves_no_trace(
    running: Running, source: Path, whole: Path, tmp_path: Path, name: str
) -> None:
    wire = {**BUSY, **BROKEN}[name]
    seen: dict[str, int] = {}

    def first_time(request: Request) -> Wire | None:
        """Every other pair meets the fault the first time it is asked for."""
        seen[request.text] = seen.get(request.text, 0) + 1
        return wire if is_work(request) and len(seen) % 2 and seen[request.text] == 1 else None

    running.server.fault = first_time
    summary = judged(config(running, source, tmp_path / "faulty"))
    assert max(seen.values()) > 1
    assert (summary.complete, summary.failed) == (True, 0)
    assert results(tmp_path / "faulty") == results(whole)


@pytest.mark.parametrize(
    "name",
    ["inner error", "reset", "reply cut short", "a page", "a repeated choice", "no number"],
)
def test_a_pair_that_always_breaks_the_server_fails_alone(
    running: Running, source: Path, whole: Path, tmp_path: Path, name: str
) -> None:
    running.server.fault = lambda r: BROKEN[name] if is_work(r) and POISON in r.text else None
    # Asked for by itself, each order is judged: only both together were bad.
    summary = judged(config(running, source, tmp_path / "apart"))
    assert summary.failed == 0
    assert results(tmp_path / "apart") == results(whole)
    running.server.fault = lambda r: BROKEN[name] if POISON in r.text else None
    summary = judged(config(running, source, tmp_path / "run"))
    assert (summary.judged, summary.failures) == (ROWS - 1, {"engine_error": 1})
    [failure] = failures(tmp_path / "run")
    assert (failure["line"], failure["pair_id"]) == (5, "p4")
    others = [j for j in judgments(whole) if j["pair_id"] != "p4"]
    assert judgments(tmp_path / "run") == others


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (status(400, "This model's maximum context length is 64 tokens."), "prompt_too_long"),
        (status(400, "context_length_exceeded"), "prompt_too_long"),
        (status(400, "blocked by our content filter"), "refused"),
        (edited(lambda body: each(body, "finish_reason", "content_filter")), "refused"),
        (status(400, "cannot do this"), "engine_error"),
        (status(403, "blocked by the firewall"), "engine_error"),
        (status(422, "no"), "engine_error"),
        (edited(lambda body: each(body, "finish_reason", "abort")), "engine_error"),
        (edited(lambda body: each(body, "text", None)), "engine_error"),
        (edited(lambda body: each(body, "token_ids", [-1])), "engine_error"),
        (edited(lambda body: each(body, "token_ids", []) or each(body, "text", "")), "unparseable"),
    ],
)
def test_a_pair_that_the_server_refuses_fails_with_its_reason(
    running: Running, source: Path, tmp_path: Path, wire: Wire, reason: str
) -> None:
    writes = "max_tokens"
    running.server.fault = lambda r: wire if POISON in r.text and r.body[writes] > 1 else None
    summary = judged(config(running, source, tmp_path / "run", mode="justify", max_new_tokens=30))
    assert (summary.judged, summary.failures) == (ROWS - 1, {reason: 1})


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (status(503), "gave no answer for 2 seconds .*HTTP 503"),
        (status(429, retry_after="3600"), "asks to wait for 3,600 seconds, longer than .*HTTP 429"),
        (status(500), "gave no answer .*HTTP 500"),
        (lambda transport, reply: transport.abort(), "gave no answer .*connection broke"),
        (send(http(200, b"<html>Maintenance</html>")), "gave no answer .*Maintenance"),
        (numbers(lambda found: dict.fromkeys(found, 3.0)), "gave no answer .*log-probability"),
        (status(401, "key expired"), "no longer takes requests: HTTP 401: key expired"),
        (status(404, "model unloaded"), "no longer takes requests: HTTP 404: model unloaded"),
    ],
)
def test_a_server_that_is_lost_stops_the_run_which_then_goes_on(
    running: Running, source: Path, whole: Path, tmp_path: Path, wire: Wire, says: str
) -> None:
    """Not a failure for every remaining row: the same command continues."""
    asked = config(running, source, tmp_path / "run")
    running.server.count = 0
    running.server.fault = lambda r: wire if r.number > 9 else None
    with pytest.raises(UsageError, match=says):
        judged(asked)
    rows = len(judgments(tmp_path / "run"))
    assert 0 < rows < ROWS
    assert failures(tmp_path / "run") == []
    running.server.fault = lambda r: None
    summary = judged(asked)
    assert summary.session is not None and summary.session.resumed_after == rows
    assert results(tmp_path / "run") == results(whole)


def test_a_server_that_dies_and_comes_back_is_waited_for(
    running: Running, source: Path, whole: Path, tmp_path: Path
) -> None:
    asked = config(running, source, tmp_path / "run", patience=20)
    died = threading.Event()

    def dies_once(request: Request) -> Wire | None:
        if request.number < running.server.count or died.is_set() or request.number < 10:
            return None
        died.set()
        threading.Thread(target=restart).start()
        return lambda transport, reply: None

    def restart() -> None:
        running.stop()
        time.sleep(0.5)
        running.start()

    running.server.count = 0
    running.server.fault = dies_once
    summary = judged(asked)
    assert died.is_set()
    assert (summary.complete, summary.failed) == (True, 0)
    assert results(tmp_path / "run") == results(whole)


def test_a_server_that_comes_back_with_another_model_stops_the_run(
    running: Running, source: Path, tmp_path: Path
) -> None:
    began: list[float] = []

    def restarted(request: Request) -> Wire | None:
        if not is_work(request) and not began:
            return None
        began.append(time.monotonic())
        away = began[-1] - began[0] < 0.7
        return status(500) if away else status(404, "The model `judge` does not exist.")

    running.server.fault = restarted
    with pytest.raises(UsageError, match=r"no longer takes requests: HTTP 404: The model"):
        judged(config(running, source, tmp_path / "run", patience=20))
    assert failures(tmp_path / "run") == []


def test_an_outage_behind_a_gateway_is_no_fault_of_a_row(
    running: Running, source: Path, whole: Path, tmp_path: Path
) -> None:
    """Longer than all tries of a request, and each of them an inner error."""
    began: list[float] = []

    def out_for_a_second(request: Request) -> Wire | None:
        if not is_work(request) and not began:
            return None
        began.append(time.monotonic())
        return status(500) if began[-1] - began[0] < 1 else None

    running.server.fault = out_for_a_second
    summary = judged(config(running, source, tmp_path / "run", patience=20))
    assert (summary.complete, summary.failed) == (True, 0)
    assert results(tmp_path / "run") == results(whole)


@pytest.mark.parametrize(
    ("said", "least", "most"), [("0.7", 0.7, 5), ("3600", 0, 0), ("soon", 0, 0.5)]
)
def test_the_server_says_how_long_to_wait(
    running: Running,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    least: float,
    most: float,
) -> None:
    """Longer than our patience: the run stops at once."""
    asked: list[Request] = []
    waited: list[float] = []

    def once(request: Request) -> Wire | None:
        asked.extend([request] if is_work(request) else [])
        return status(429, retry_after=said) if len(asked) == 1 else None

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    running.server.fault = once
    real = http_client.AsyncRetrying
    monkeypatch.setattr(http_client, "AsyncRetrying", lambda **o: real(**o | {"sleep": wait}))
    config_of_one = config(running, source, tmp_path / "run", limit=1, patience=10)
    if most:
        judged(config_of_one)
        assert len(waited) == 1 and least <= waited[0] < most
    else:
        with pytest.raises(UsageError, match="HTTP 429"):
            judged(config_of_one)
        assert len(asked) == 1 and waited == []


def test_no_more_tries_than_said(running: Running, source: Path, tmp_path: Path) -> None:
    running.server.fault = lambda r: status(500) if POISON in r.text else None
    judged(config(running, source, tmp_path / "run", orders="given"))
    tries = [r for r in running.server.requests if POISON in r.text and r.body["prompt"]]
    # With the pair beside it, then alone.
    assert len(tries) == 2 * http_client.TRIES


def test_a_person_is_told_that_a_run_waits(running: Running, source: Path, tmp_path: Path) -> None:
    told: list[str] = []
    asked = config(running, source, tmp_path / "run")
    running.server.fault = lambda r: status(503, "loading") if is_work(r) else None
    with pytest.raises(UsageError):
        run(asked, lambda: load_engine(asked, note=told.append))
    assert [line for line in told if "HTTP 503: loading; trying again" in line]
    assert len(told) < 4

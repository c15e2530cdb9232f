"""Keys, limits, the queue seen from outside, and what is counted."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from judge.errors import UsageError
from judge.serve import arrivals, pending
from judge.serve.app import create_app
from judge.serve.config import ServeConfig, take_keys
from judge.serve.service import Service
from tests.scripted import row
from tests.serve.serving import GOOD, JUDGE, Client, Held, get, metric, post, send, serving

BODY = json.dumps(GOOD).encode()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(max_pairs=3, max_body=500) as service:
        yield service


async def in_parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


# --- limits --------------------------------------------------------------------------------------


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(service: Service) -> None:
    assert send(service, BODY + b" " * (500 - len(BODY))).status_code == 200
    refused = send(service, BODY + b" " * (501 - len(BODY)))
    assert refused.status_code == 413 and refused.headers["connection"] == "close"
    assert refused.json()["error"] == {"type": "too_large", "message": "the body is over 500 bytes"}


def test_a_body_without_a_length_has_the_same_limit(service: Service) -> None:
    assert send(service, in_parts(BODY)).status_code == 200
    assert send(service, in_parts(BODY + b" " * 500)).status_code == 413


def test_a_length_that_lies_does_not_help(service: Service) -> None:
    headers = {"Content-Length": "10"}
    assert send(service, in_parts(BODY + b" " * 500), **headers).status_code == 413


@pytest.mark.parametrize("length", ["501", "9" * 30, "9" * 5000])
def test_a_length_over_the_limit_is_refused_before_a_byte_is_read(
    service: Service, length: str
) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("something was read")

    assert asyncio.run(call(service, receive, length))[0] == 413


def test_no_more_than_the_limit_of_a_body_is_read(service: Service) -> None:
    taken = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            taken.append(100)
            yield b" " * 100

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(source), "more_body": True}

    source = endless()
    assert asyncio.run(call(service, receive))[0] == 413
    assert sum(taken) == 600, "the part that goes over it is the last one"


def test_pairs_of_a_request_are_limited(service: Service) -> None:
    with serving(max_pairs=3) as service:
        assert post(service, {"pairs": [row(n) for n in range(3)]}).status_code == 200
        refused = post(service, {"pairs": [row(n) for n in range(4)]})
        assert refused.status_code == 413
        assert refused.json()["error"]["message"] == "4 pairs; the limit is 3"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_what_is_no_plain_json_is_refused(service: Service, headers: dict[str, str]) -> None:
    refused = send(service, BODY, **headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (415, "unsupported")


def test_json_with_a_charset_is_json(service: Service) -> None:
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert send(service, BODY, **kind).status_code == 200


def test_time_is_limited() -> None:
    held = Held()
    with serving(held, request_seconds=0.3) as service:
        late = post(service, GOOD)
        assert (late.status_code, late.json()["error"]["type"]) == (504, "timeout")
        assert metric(service, "judge_dropped_pairs_total", cause="timeout") == 1

        async def stalls() -> AsyncIterator[bytes]:
            yield BODY[:20]
            await asyncio.sleep(20)

        assert send(service, stalls()).status_code == 504
        held.go.set()
        assert post(service, GOOD).status_code == 200


async def stalled() -> AsyncIterator[bytes]:
    """A body that begins, and never ends."""
    yield BODY[:20]
    await asyncio.sleep(60)


async def post_stalled(client: Client) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return await client.request("POST", JUDGE, content=stalled(), headers=headers)


def test_bodies_that_do_not_come_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(service: Service) -> None:
        client = Client(service)
        slow = [asyncio.create_task(post_stalled(client)) for _ in range(4)]
        await until(lambda: service.active == 4)
        early = await client.post(GOOD)  # they are not slow yet
        assert early.status_code == 429
        monkeypatch.setattr(arrivals, "YIELDS_AFTER", 0.0)
        for place in range(3):
            assert (await client.post(GOOD)).status_code == 200
            given_up = await slow[place]  # the oldest first
            assert given_up.status_code == 504 and given_up.headers["connection"] == "close"
            slow.append(asyncio.create_task(post_stalled(client)))
            await until(lambda: service.active == 4)
        assert not any(task.done() for task in slow[3:])
        for task in slow[3:]:
            task.cancel()

    with serving(max_requests=4) as service:
        asyncio.run(run(service))


def test_a_body_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "BODY_SECONDS", 0.1)
    with serving() as service:
        late = asyncio.run(post_stalled(Client(service)))
        assert (late.status_code, late.json()["error"]["type"]) == (504, "timeout")


def test_a_stopping_server_waits_for_no_body() -> None:
    async def run(service: Service) -> None:
        slow = [asyncio.create_task(post_stalled(Client(service))) for _ in range(3)]
        await until(lambda: service.active == 3)
        service.draining = True
        service.arrivals.give_up_all()
        answers = await asyncio.gather(*slow)
        assert {answer.json()["error"]["type"] for answer in answers} == {"stopping"}
        assert service.active == 0

    with serving() as service:
        asyncio.run(run(service))


# --- the queue -----------------------------------------------------------------------------------


async def until(true: Any) -> None:
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited for nothing")


def test_a_full_queue_is_said_so_and_what_was_accepted_is_judged() -> None:
    held = Held()

    async def run(service: Service) -> None:
        client = Client(service)
        first = asyncio.create_task(client.post(GOOD))
        await until(held.begun.is_set)
        others = [asyncio.create_task(client.post({"pairs": [row(1), row(2)]})) for _ in range(2)]
        await until(lambda: service.worker.waiting == 4)
        refused = await client.post(GOOD)
        assert refused.status_code == 429 and refused.json()["error"]["type"] == "busy"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        health = await client.request("GET", "/health")
        assert health.status_code == 200
        metrics = (await client.request("GET", "/metrics")).text
        assert "judge_queue_pairs 4.0" in metrics and "judge_in_flight_pairs 1.0" in metrics
        assert "judge_requests_in_flight 3.0" in metrics
        held.go.set()
        answers = await asyncio.gather(first, *others)
        assert [answer.status_code for answer in answers] == [200] * 3

    with serving(held, queue=4, max_pairs=3) as service:
        asyncio.run(run(service))
        assert held.calls == [2, 8]  # the four pairs that waited in one call, both orders
        assert metric(service, "judge_queue_pairs") == 0 == metric(service, "judge_in_flight_pairs")


def test_requests_at_a_time_are_limited() -> None:
    held = Held()

    async def run(service: Service) -> None:
        client = Client(service)
        first = asyncio.create_task(client.post(GOOD))
        await until(held.begun.is_set)
        refused = await client.post(GOOD)
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        held.go.set()
        assert (await first).status_code == 200
        assert (await client.post(GOOD)).status_code == 200

    with serving(held, max_requests=1) as service:
        asyncio.run(run(service))


async def call(service: Service, receive: Any, length: str | None = None) -> tuple[int, bytes]:
    """Ask the application with our own connection; return the status and body it sent."""
    headers = [(b"content-type", b"application/json")]
    headers += [(b"content-length", length.encode())] if length else []
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": JUDGE, "raw_path": JUDGE.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": headers, "client": None,
        "server": ("server", 80), "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    await create_app(service)(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body


@pytest.mark.parametrize("stream", [False, True])
def test_the_work_of_a_client_that_went_away_is_dropped(stream: bool) -> None:
    held = Held()

    async def run(service: Service) -> None:
        client, gone = Client(service), asyncio.Event()
        first = asyncio.create_task(client.post(GOOD))
        await until(held.begun.is_set)
        body = json.dumps({**GOOD, "stream": stream}).encode()
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        leaving = asyncio.create_task(call(service, receive))
        await until(lambda: service.worker.waiting == 1)
        gone.set()
        await leaving
        await until(lambda: service.worker.waiting == 0)
        held.go.set()
        assert (await first).status_code == 200

    with serving(held) as service:
        asyncio.run(run(service))
        assert held.calls == [2]
        assert metric(service, "judge_dropped_pairs_total", cause="disconnect") == 1
        assert metric(service, "judge_pairs_total") == 1


def test_a_client_that_leaves_before_its_body_is_there_is_no_error(service: Service) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert asyncio.run(call(service, receive))[0] == 499


def test_a_stopping_server_refuses_and_is_alive_but_not_ready(service: Service) -> None:
    with serving() as service:
        assert get(service, "/ready").json() == {"status": "ready"}
        service.draining = True
        refused = post(service, GOOD)
        assert (refused.status_code, refused.json()["error"]["type"]) == (503, "stopping")
        assert refused.headers["retry-after"] == "5"
        ready = get(service, "/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        assert get(service, "/health").status_code == 200


def test_a_dead_engine_makes_the_server_unhealthy() -> None:
    class Dead(Held):
        def judge(self, *_: Any) -> Any:
            raise RuntimeError("device lost")

    with serving(Dead()) as service:
        for _ in range(3):
            failed = post(service, GOOD)
            assert failed.status_code == 500
            assert failed.json()["failure"]["detail"] == "the engine raised RuntimeError"
        for path in ("/health", "/ready"):
            found = get(service, path)
            assert (found.status_code, found.json()) == (503, {"status": "failing"})


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Bearer one", 200),
        ("bearer two", 200),
        ("Bearer three", 401),
        ("Bearer one two", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("one", 401),
        ("Basic one", 401),
        ("Bearer ön\xe9", 401),
        (None, 401),
    ],
)
def test_the_api_opens_with_a_key_only(given: str | None, status: int) -> None:
    with serving(keys=("one", "two")) as service:
        headers = {} if given is None else {"Authorization": given.encode("latin-1")}
        answered = asyncio.run(Client(service).request("POST", JUDGE, json=GOOD, headers=headers))
        assert answered.status_code == status
        models = asyncio.run(Client(service).request("GET", "/v1/models", headers=headers))
        assert models.status_code == status
        if status == 401:
            assert answered.headers["www-authenticate"] == "Bearer"
            assert answered.json()["error"]["type"] == "unauthorized"
        for path in ("/health", "/ready", "/metrics", "/docs", "/openapi.json"):
            assert get(service, path).status_code == 200


def test_two_authorizations_are_none() -> None:
    headers = [("Authorization", "Bearer one"), ("Authorization", "Bearer two")]
    with serving(keys=("one", "two")) as service:
        answered = asyncio.run(Client(service).request("POST", JUDGE, json=GOOD, headers=headers))
    assert answered.status_code == 401


def test_keys_come_from_the_environment() -> None:
    assert take_keys({}) == ()
    environment = {"JUDGE_API_KEY": " one, two ,", "OPENAI_API_KEY": "of the server behind"}
    assert take_keys(environment) == ("one", "two")
    assert environment == {"OPENAI_API_KEY": "of the server behind"}
    for value in ("", " ", ",", "a b", "schlüssel", "a\tb"):
        with pytest.raises(UsageError, match="JUDGE_API_KEY") as caught:
            take_keys({"JUDGE_API_KEY": value})
        assert "schl" not in str(caught.value)


def test_no_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(keys=("s3cret",)) as service:
        for key in ("s3cret", "wr0ng"):
            send(service, BODY, Authorization=f"Bearer {key}")
        shown = get(service, "/v1/models", headers={"Authorization": "Bearer s3cret"}).text
    assert "POST /v1/judge 200" in caplog.text and "POST /v1/judge 401" in caplog.text
    assert "s3cret" not in caplog.text + shown and "wr0ng" not in caplog.text


# --- counts and configuration --------------------------------------------------------------------


def test_what_was_answered_is_counted() -> None:
    with serving() as service:
        post(service, GOOD)
        post(service, {"pairs": [row(1), row(1), row(2, prompt="REFUSE"), row(3)]})
        post(service, {**GOOD, "response_1": ""})
        post(service, {})
        get(service, "/nowhere")
        assert metric(service, "judge_requests_total", path=JUDGE, status="200") == 2
        assert metric(service, "judge_requests_total", path=JUDGE, status="422") == 2
        assert metric(service, "judge_requests_total", path="other", status="404") == 1
        assert metric(service, "judge_request_seconds_count", path=JUDGE) == 4
        assert metric(service, "judge_pairs_total") == 3
        reasons = {"duplicate_id": 1, "refused": 1, "empty_response": 1, "truncated": 0}
        for reason, count in reasons.items():
            assert metric(service, "judge_failures_total", reason=reason) == count
        assert metric(service, "judge_call_pairs_sum") == 4  # the refused one reached the engine
        prompts = service.worker._judges["justify", "both"].counts()["judge"]["prompt_tokens"]
        assert prompts > 0
        counted = metric(service, "judge_tokens_total", model="judge", kind="prompt")
        assert counted == prompts


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"queue": 10, "max_pairs": 11}, "queue 10 is too small for 11 pairs at once"),
        ({"port": 70_000}, "less than or equal to 65535"),
        ({"request_seconds": 0}, "greater than 0"),
        ({"request_seconds": float("inf")}, "finite"),
        ({"window": 0}, "greater than or equal to 1"),
        ({"inptu": "x"}, "not permitted"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ServeConfig(**fields)


def test_an_engine_that_judges_many_at_once_gets_a_wide_window() -> None:
    assert ServeConfig().window == 32
    assert ServeConfig(engine="server", url="http://model/v1").window == 256
    assert ServeConfig(engine="server", url="http://model/v1", window=8).window == 8


def test_a_client_of_a_full_server_is_never_told_to_wait_for_ever() -> None:
    assert pending.busy(0.01).headers == {"Retry-After": "1"}
    assert pending.busy(12.3).headers == {"Retry-After": "13"}
    assert pending.busy(10_000).headers == {"Retry-After": "60"}

"""The server in front of another one that runs the model."""

from __future__ import annotations

import os
from typing import Any

import pytest

from judge.infer.engines.registry import load_engine
from judge.infer.engines.server import http_client
from judge.serve.config import ServeConfig, take_keys
from tests.fault_server import Running, Server
from tests.scripted import TEMPLATE, row
from tests.serve.serving import GOOD, get, post, serving


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


def front(running: Running, **fields: Any) -> Any:
    """A service whose engine asks ``running``."""
    values = {"url": running.url, "model": "judge", "tokenizer": "mini", "template": TEMPLATE}
    config = {"engine": "server", "patience": 0.3, **values, **fields}
    return serving(load_engine(ServeConfig(**config)), **config)


def test_pairs_are_judged_by_the_server_behind() -> None:
    with Running(Server()) as running, front(running) as service:
        record = post(service, GOOD).json()
        assert record["orders"]["given"]["elaboration"].startswith("@Response 1 says ")
        assert record["probability"] is not None
        listed = post(service, {"pairs": [row(1), row(2), row(3, response_1="")]}).json()
        assert ["failure" in result for result in listed["results"]] == [False, False, True]
        [model] = get(service, "/v1/models").json()["data"]
        assert (model["id"], model["engine"], model["context"]) == ("judge", "server", 4096)


def test_its_own_keys_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "front")
    monkeypatch.setenv("OPENAI_API_KEY", "behind")
    keys = take_keys(os.environ)
    with Running(Server(key="behind")) as running, front(running) as service:
        service.keys = keys
        headers = {"Authorization": "Bearer front"}
        assert post(service, GOOD, headers=headers).status_code == 200
        assert post(service, GOOD).status_code == 401
        assert "front" not in str([request.headers for request in running.server.requests])


def test_a_server_behind_that_is_gone_is_an_error_until_it_is_back() -> None:
    with Running(Server()) as running, front(running) as service:
        running.stop()
        failed = [post(service, GOOD) for _ in range(4)][-1]
        assert failed.status_code == 500 and get(service, "/health").status_code == 200
        assert failed.json()["failure"]["reason"] == "engine_error"
        assert "gave no answer" in failed.json()["failure"]["detail"]
        running.start()
        assert post(service, GOOD).status_code == 200

"""`judge serve` with a vLLM engine: made on one thread, asked on another."""

from __future__ import annotations

import asyncio

from judge.infer.engines.protocol import Sampling
from judge.infer.engines.vllm.engine import VllmEngine
from tests.scripted import row
from tests.serve.serving import GOOD, Client, events, get, post, serving


def test_vllm_answers_over_http_and_tells_what_it_writes(vllm_engine: VllmEngine) -> None:
    vllm_engine = vllm_engine.bound(sampling=Sampling(16))
    with serving(vllm_engine, engine="vllm") as service:
        plain = post(service, GOOD)
        *pieces, last = events(post(service, {**GOOD, "stream": True}))
        assert last == ("judgment", plain.json())
        for order, verdict in plain.json()["orders"].items():
            told = "".join(data["text"] for _, data in pieces if data["order"] == order)
            assert told == verdict["elaboration"]
        [model] = get(service, "/v1/models").json()["data"]
        assert model["engine"] == "vllm" and model["streams"]


def test_vllm_judges_requests_that_come_together(vllm_engine: VllmEngine) -> None:
    async def ask(client: Client) -> list[object]:
        answers = await asyncio.gather(*[client.post(row(n)) for n in range(6)])
        return [answer.json()["preference"] for answer in answers]

    vllm_engine = vllm_engine.bound(sampling=Sampling(16))
    with serving(vllm_engine, engine="vllm", mode="verdict") as service:
        listed = post(service, {"pairs": [row(n) for n in range(6)]}).json()["results"]
        assert asyncio.run(ask(Client(service))) == [result["preference"] for result in listed]

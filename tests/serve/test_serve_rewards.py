"""`POST /v1/rewards`: responses in, rewards or reasons out."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.protocol import ScriptedScorer
from judge.infer.scorers.responses import score_responses
from judge.pair import Message
from judge.reward import Reward
from judge.serve.schema import ErrorAnswer, ModelList, Rewarded
from judge.serve.service import Service
from tests.scripted_scorers import beside, bt, five, value
from tests.serve.serving import GOOD, Client, get, metric, post, serving

REWARDS = "/v1/rewards"
ASKED = {"prompt": "Which is longer?", "response": "That one."}


def ask(service: Service, value: Any, **options: Any) -> httpx2.Response:
    return asyncio.run(Client(service).request("POST", REWARDS, json=value, **options))


def only(scorer: PairScorer, **fields: Any) -> Any:
    """A service of one reward model, without a judge."""
    fields = {"scorer": {"bt": "x"}, **fields}
    return serving(scorers=lambda: {"bt": scorer}, judge=False, **fields)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with only(bt()) as made:
        yield made


def conversation(prompt: str, response: str) -> Sequence[Message]:
    return (
        Message(role="user", content=prompt),
        Message(role="assistant", content=response),
    )


def test_a_response_has_the_reward_that_it_has_without_a_server(service: Service) -> None:
    turns = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "And?"},
    ]
    rows = [ASKED, {"prompt": turns, "response": "And so on."}, {**ASKED, "response": ""}]
    answered = Rewarded.model_validate(ask(service, {"responses": rows}).json())
    messages = [Message.model_validate(turn) for turn in turns]
    expected = score_responses(
        bt(),
        [
            conversation(ASKED["prompt"], ASKED["response"]),
            [*messages, Message(role="assistant", content="And so on.")],
            conversation(ASKED["prompt"], ""),
        ],
    )
    values = [found.value for found in expected if isinstance(found, Reward)]
    assert [row.reward for row in answered.results if hasattr(row, "reward")] == values
    assert len(values) == 3 and answered.model == "bt"
    [model] = ModelList.model_validate(get(service, "/v1/models").json()).data
    assert answered.identity == getattr(model, "identity", None)


def test_several_outputs_are_told_and_weighed() -> None:
    with serving(scorers=beside) as service:
        both = [
            ask(service, {"model": name, "responses": [ASKED]}).json()["results"]
            for name in ("bt", "reg")
        ]
        assert both[0][0]["attributes"] == {}
        named = both[1][0]["attributes"]
        assert set(named) == set(five().scorer.outputs)
        weighed = named["helpfulness"] - 0.5 * named["verbosity"]
        assert both[1][0]["reward"] == pytest.approx(weighed, abs=1e-6)
        unnamed = ask(service, {"responses": [ASKED]})
        assert unnamed.status_code == 422
        assert unnamed.json()["error"]["message"] == "model is missing; this server has bt, reg"
        assert post(service, GOOD).status_code == 200, "and the judge is there too"
        kinds = [model.get("kind") for model in get(service, "/v1/models").json()["data"]]
        assert kinds == [None, "reward", "reward"]


@pytest.mark.parametrize(
    ("row", "reason", "said"),
    [
        ({"prompt": "x"}, "missing_field", "field response is missing"),
        ({"prompt": "", "response": "x"}, "bad_prompt", "empty text"),
        ({"prompt": "x", "response": 3}, "wrong_type", "response"),
        ([1], "wrong_type", "the response is a list"),
        ({"prompt": "x", "response": "\0"}, "nul_character", "NUL"),
        ({"prompt": "x", "response": "y" * 300}, "line_too_long", "301 characters; the limit is"),
        ({"prompt": "x", "response": "y" * 199}, "prompt_too_long", "the limit is 200"),
        ({"prompt": "x", "response": "NAN"}, "engine_error", "not a finite number"),
    ],
)
def test_a_bad_response_fails_alone(row: Any, reason: str, said: str) -> None:
    with only(bt(), max_characters=300) as service:
        results = ask(service, {"responses": [ASKED, row, ASKED]}).json()["results"]
        failure = results[1]["failure"]
        assert (failure["line"], failure["reason"]) == (2, reason) and said in failure["detail"]
        assert results[0] == results[2] and "reward" in results[0]
        assert metric(service, "judge_rewards_total") == 2
        assert metric(service, "judge_failures_total", reason=reason) == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ([], 422, "the body is a list; expected an object with responses"),
        ({}, 422, "field responses is missing"),
        ({"responses": "x"}, 422, "field responses"),
        ({"responses": [], "mode": "verdict"}, 422, "unknown field 'mode'"),
        ({"responses": [], "model": "other"}, 422, "no reward model 'other'; this server has bt"),
        ({"responses": [ASKED] * 257}, 413, "257 responses; the limit is 256"),
    ],
)
def test_a_bad_request_is_refused(service: Service, body: Any, status: int, said: str) -> None:
    answered = ask(service, body)
    assert answered.status_code == status
    assert said in ErrorAnswer.model_validate(answered.json()).error.message


def test_nothing_to_score_is_no_error(service: Service) -> None:
    assert ask(service, {"responses": []}).json()["results"] == []


def test_keys_open_it() -> None:
    with serving(scorers=beside, keys=("k",)) as service:
        assert ask(service, {"model": "bt", "responses": [ASKED]}).status_code == 401
        keyed = {"Authorization": "Bearer k"}
        answered = ask(service, {"model": "bt", "responses": [ASKED]}, headers=keyed)
        assert answered.status_code == 200
        described = get(service, "/openapi.json").json()
        assert described["paths"][REWARDS]["post"]["security"] == [{"key": []}]


def test_what_is_not_served_says_so(service: Service) -> None:
    refused = post(service, GOOD)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"] == "this server has no judge, only reward models"
    with serving() as judge:
        refused = ask(judge, {"responses": [ASKED]})
        assert refused.status_code == 404 and "no reward models" in refused.text


def test_requests_are_never_scored_together() -> None:
    """The last digit of a reward depends on its company."""
    calls: list[int] = []
    go = threading.Event()

    class Slow(ScriptedScorer):
        def score(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
            calls.append(len(rows))
            assert go.wait(20)
            return super().score(rows)

    async def all_at_once(client: Client) -> list[httpx2.Response]:
        asked = [
            client.request("POST", REWARDS, json={"responses": [ASKED] * count})
            for count in (40, 1, 2)
        ]
        tasks = [asyncio.create_task(one) for one in asked]
        await asyncio.sleep(0.3)
        go.set()
        return list(await asyncio.gather(*tasks))

    with only(PairScorer(Slow(value), {"reward": 1.0}), window=4) as service:
        answers = asyncio.run(all_at_once(Client(service)))
        assert [len(answer.json()["results"]) for answer in answers] == [40, 1, 2]
        assert sorted(calls) == [1, 2, 40], "nor taken apart"


def test_a_model_that_raises_fails_the_request_and_not_the_server() -> None:
    def script(text: str) -> list[float]:
        if "BOOM" in text:
            raise RuntimeError("a path of this machine")
        return value(text)

    with only(PairScorer(ScriptedScorer(script), {"reward": 1.0})) as service:
        failed = ask(service, {"responses": [ASKED, {**ASKED, "response": "BOOM"}]})
        assert failed.status_code == 500
        error = failed.json()["error"]
        assert error == {
            "type": "failed",
            "message": "engine_error: the engine raised RuntimeError",
        }
        assert ask(service, {"responses": [ASKED]}).status_code == 200


def test_the_request_of_the_guide_is_answered(service: Service, root: Path) -> None:
    page = (root / "docs" / "serve.md").read_text(encoding="utf-8")
    [body] = re.findall(rf"^curl .*--json '(.*)' http\S*{REWARDS}$", page, re.M)
    results = ask(service, json.loads(body)).json()["results"]
    assert len(results) == 2 and all("reward" in result for result in results)


def test_it_is_described(service: Service) -> None:
    described = get(service, "/openapi.json").json()
    route = described["paths"][REWARDS]["post"]
    assert {"RewardsRequest", "Rewarded"} <= set(described["components"]["schemas"])
    example = route["requestBody"]["content"]["application/json"]["example"]
    assert ask(service, example).status_code == 200

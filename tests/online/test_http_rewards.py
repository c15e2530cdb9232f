"""Rewards from a server, which may go away in between: those of the same model in this process."""

from __future__ import annotations

import json
import socket
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from judge.errors import RowError, UsageError
from judge.infer.engines.server import http_client
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.responses import score_responses
from judge.online.http_rewards import HttpRewards, open_rewards
from judge.online.rewards import TOGETHER, ModelRewards
from judge.pair import Message
from judge.reward import Reward
from judge.train.align.rloo_config import RewardSection
from tests.scripted_scorers import bt
from tests.serve.processes import process

SCRIPTED = textwrap.dedent("""
    import sys
    from judge.infer.scorers.pairs import PairScorer
    from judge.infer.scorers.protocol import ScriptedScorer
    from judge.serve.config import ServeConfig
    from judge.serve.server import run
    from tests.scripted import TEMPLATE, engine
    from tests.scripted_scorers import value

    port, weight, judge = map(int, sys.argv[1:])

    def script(text):
        if "BOOM" in text:
            raise RuntimeError
        return value(text)

    def scorers():
        scorer = ScriptedScorer(script, context=200)
        return {} if judge else {"bt": PairScorer(scorer, {"reward": weight})}

    config = ServeConfig(port=port, template=TEMPLATE, judge=bool(judge), scorer={"bt": "x"})
    run(config, engine, scorers, lambda text: print(text, file=sys.stderr, flush=True))
""")
"""A server without a model; it ends when it is told, or killed."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.02)
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)


def conversation(prompt: str, response: str) -> tuple[Message, ...]:
    return (Message(role="user", content=prompt), Message(role="assistant", content=response))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def scripted(port: int = 0, weight: int = 1, judge: int = 0, **variables: str) -> Any:
    return process("-c", SCRIPTED, str(port), str(weight), str(judge), **variables)


def opened(url: str, model: str = "bt", **given: Any) -> HttpRewards:
    section = RewardSection(**{"model": model, "url": url, "patience": 20.0, **given})
    return open_rewards(section, lambda text: None)


# --- a real reward model -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "weights.json"
    file.write_text('{"helpfulness": -0.5}')
    return file


@pytest.fixture(scope="module")
def served(weights: Path) -> Iterator[str]:
    """A server of both bundled mini reward models; its address."""
    options = ["--no-judge", "--port", "0", "--scorer", "mini-bt"]
    options += ["--scorer", "reg=mini-regression", "--weights", f"reg={weights}"]
    # Sums depend in their last digits on how many threads share them.
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    with process("-m", "judge.cli", "serve", *options, **threads) as (_, address):
        yield address


@pytest.fixture(scope="module")
def conversations(root: Path) -> list[tuple[Message, ...]]:
    """More than are scored at once; an empty response among them, and one that is too long."""
    lines = (root / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    made = [
        conversation(row["prompt"], row[side][:100])
        for row in rows[:33]
        for side in ("response_1", "response_2")
        if isinstance(row["prompt"], str)
    ]
    return [conversation("Hi.", ""), conversation("Hi.", "word " * 5000), *made]


def in_process(scorer: PairScorer, asked: list[Any]) -> list[Any]:
    pieces = [asked[n : n + TOGETHER] for n in range(0, len(asked), TOGETHER)]
    return [said for piece in pieces for said in score_responses(scorer, piece)]


def shown(results: list[Any]) -> list[str]:
    return [str(r) if isinstance(r, RowError) else r.model_dump_json() for r in results]


@pytest.mark.parametrize("name", ["mini-bt", "reg"])
def test_rewards_are_those_of_the_model_in_this_process_to_the_bit(
    served: str, conversations: list[Any], weights: Path, name: str
) -> None:
    model, file = ("mini-regression", str(weights)) if name == "reg" else ("mini-bt", None)
    here = ModelRewards(RewardSection(model=model, weights=file))
    source = opened(served, name, weights=file)
    assert len(conversations) > TOGETHER
    results = source.rewards(conversations)
    assert shown(results) == shown(here.rewards(conversations))
    assert isinstance(results[1], RowError) and results[1].reason == "prompt_too_long"
    assert sum(isinstance(result, Reward) for result in results) == len(results) - 1
    assert source.describe() == {**here.describe(), "model": name}


def test_other_weights_than_the_servers_are_refused(served: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"helpfulness": 1.0}')
    with pytest.raises(UsageError, match=r"of reg by helpfulness -0\.5, reward\.weights by"):
        opened(served, "reg", weights=str(tmp_path / "other.json"))


def test_a_model_that_the_server_does_not_have(served: str) -> None:
    with pytest.raises(UsageError, match=r"has no small-bt; it has mini-bt, reg$"):
        opened(served, "small-bt")


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_server_killed_in_mid_run_is_waited_for() -> None:
    asked = [conversation(f"Question {n}?", f"Answer {n}.") for n in range(100)]
    port = free_port()
    with scripted(port) as (server, address):
        source = opened(address)
        before = source.rewards(asked)
        server.kill()
        server.wait()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(source.rewards, asked)
            threading.Event().wait(0.3)
            assert not waiting.done()
            with scripted(port):
                assert shown(waiting.result(60)) == shown(before)
    assert shown(before) == shown(in_process(bt(), asked))


def test_a_server_that_stays_away_stops_the_run_which_goes_on_later() -> None:
    with scripted() as (server, address):
        source = opened(address, patience=0.4)
        server.kill()
        server.wait()
        with pytest.raises(UsageError) as stopped:
            source.rewards([conversation("Hi.", "Hello.")])
    said = str(stopped.value)
    assert "gave no answer for 0.4 seconds (reward.patience): cannot connect" in said
    assert said.endswith("what is written is kept, run the same command again to continue")
    assert "\n" not in said


def test_a_server_that_comes_back_with_another_model_is_refused() -> None:
    port = free_port()
    asked = [conversation("Hi.", "Hello.")]
    with scripted(port) as (server, address):
        source = opened(address)
        server.kill()
        server.wait()
    another = "bt is another reward model than the run began"
    with scripted(port, weight=2), pytest.raises(UsageError, match=another):
        source.rewards(asked)


def test_what_has_no_reward_says_why() -> None:
    asked = [conversation("Hi.", said) for said in ("NAN", "Hello.", "x" * 300)]
    with scripted() as (_, address):
        nan, reward, long = opened(address).rewards(asked)
    assert isinstance(nan, RowError) and nan.reason == "engine_error"
    assert "not a finite number" in nan.detail
    assert isinstance(reward, Reward)
    assert isinstance(long, RowError) and long.reason == "prompt_too_long"


def test_a_model_that_raises_stops_the_run() -> None:
    """It is no fault of a response: a share of failures may not hide it."""
    said = r"gives no rewards: HTTP 500: .*raised RuntimeError"
    with scripted() as (_, address), pytest.raises(UsageError, match=said):
        opened(address).rewards([conversation("Hi.", "BOOM")])


def test_a_judge_in_place_of_a_reward_model() -> None:
    said = r"has no bt; it has no reward model \(judge serve"
    with scripted(judge=1) as (_, address), pytest.raises(UsageError, match=said):
        opened(address)


def test_a_missing_key_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(JUDGE_API_KEY="secret") as (_, address):
        with pytest.raises(UsageError, match="refuses: HTTP 401") as refused:
            opened(address)
        assert "secret" not in str(refused.value)
        monkeypatch.setenv("JUDGE_API_KEY", "secret")
        [found] = opened(address).rewards([conversation("Hi.", "Hello.")])
        assert isinstance(found, Reward)


@pytest.mark.parametrize("url", ["http://me:pass@host", "host:80", "http://host?key=1"])
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError):
        opened(url)


def test_conversations_keep_their_turns() -> None:
    turns = [
        Message(role="system", content="Be kind."),
        Message(role="user", content="Hi.\n"),
        Message(role="assistant", content=""),
        Message(role="user", content="<extra_id_1> no turn"),
        Message(role="assistant", content=" Yes. "),
    ]
    with scripted() as (_, address):
        assert shown(opened(address).rewards([turns])) == shown(score_responses(bt(), [turns]))

"""Elaborations told while they are written, and the judgment after them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import RowError
from judge.infer.engines.protocol import Listener, Mode, Sampling
from judge.infer.engines.streaming import Telling
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.pairwise import PairwiseJudge
from judge.judgment import Failure, Judgment
from judge.pair import Message, Pair
from judge.prompt import Prompt, load_template
from judge.serve import pending
from judge.serve.app import create_app
from judge.serve.schema import ErrorAnswer
from judge.verdict import (
    STRENGTHS,
    Verdict,
    may_become_statement,
    parse_completion,
    render_statement,
)
from tests.scripted import TEMPLATE, answer
from tests.serve.serving import GOOD, JUDGE, Aloud, Client, Held, events, metric, post, serving

STATEMENTS = [render_statement(strength) for strength in STRENGTHS]


def told_of(completion: str, ended: str, sizes: list[int]) -> list[str]:
    """What a listener hears of a completion that grows by these sizes."""
    pieces: list[str] = []
    telling = Telling(pieces.append)
    end = 0
    for size in sizes:
        end += size
        telling.written(completion[:end])
    telling.ended(ended)
    return pieces


near_statements = st.sampled_from([s[:size] for s in STATEMENTS for size in range(1, len(s))])
elaborations = st.lists(
    st.sampled_from(["\n", " ", "@Response 1", "so", "世界", "\ufffd", "\t"])
    | near_statements
    | st.text(max_size=5),
    max_size=12,
).map("".join)


@given(text=elaborations, statement=st.sampled_from(STATEMENTS), data=st.data())
def test_all_pieces_together_are_the_elaboration(
    text: str, statement: str, data: st.DataObject
) -> None:
    completion = f"x{text}\n{statement}"
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=len(completion), max_size=None))
    parsed = parse_completion(completion)
    assert parsed is not None
    pieces = told_of(completion, parsed[1], sizes)
    assert "".join(pieces) == parsed[1] and "" not in pieces


@given(text=elaborations, data=st.data())
def test_an_elaboration_cut_off_anywhere_is_told_whole(text: str, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 5), max_size=len(text)))
    whole = text[: sum(sizes)]
    assert "".join(told_of(text, whole.strip(), sizes)) == whole.strip()


def test_text_is_told_as_soon_as_it_is_no_statement() -> None:
    completion = "It is short.\n@Response 1 is longer.\n@Response 2 is better than @Response 1."
    pieces = told_of(completion, completion.rpartition("\n")[0], [1] * len(completion))
    assert pieces[:3] == ["I", "t", " i"]
    assert "\n@Response 1 is l" in pieces
    assert pieces[-1] == "."


@given(st.sampled_from(STATEMENTS), st.integers(0, 60))
def test_every_beginning_of_a_statement_may_become_one(statement: str, size: int) -> None:
    assert may_become_statement(statement[:size])
    assert not may_become_statement(f"{statement} ")
    assert not may_become_statement(f"x{statement[:size]}")


def test_an_engine_s_words_come_before_the_same_judgment() -> None:
    with serving(Aloud(answer)) as service:
        plain = post(service, GOOD)
        streamed = post(service, {**GOOD, "stream": True})
        assert streamed.status_code == 200
        assert streamed.headers["content-type"].startswith("text/event-stream")
        *pieces, (name, record) = events(streamed)
        assert name == "judgment" and record == plain.json()
        assert streamed.content.endswith(b"data: " + plain.content + b"\n")
        assert {piece for piece, _ in pieces} == {"elaboration"}
        for order in ("given", "flipped"):
            words = "".join(data["text"] for _, data in pieces if data["order"] == order)
            assert words.strip() == record["orders"][order]["elaboration"]
        assert metric(service, "judge_pairs_total") == 2


def test_words_are_sent_before_the_judgment_is_made() -> None:
    """The engine says no second word before the client has the first one."""
    received = threading.Event()
    told: list[str] = []

    class Waiting(Aloud):
        def stream(
            self, prompts: Sequence[Prompt], mode: Mode, listeners: Mapping[int, Listener]
        ) -> list[Verdict | RowError]:
            def tell(listener: Listener, word: str) -> None:
                listener(word)
                assert received.wait(20), "the word was held back"
                told.append(word)

            waiting = {place: partial(tell, found) for place, found in listeners.items()}
            return super().stream(prompts, mode, waiting)

    async def send(message: Any) -> None:
        body = message.get("body", b"")
        if body.startswith(b"event: elaboration"):
            assert told or not received.is_set()
            received.set()

    async def receive() -> Any:
        if asked:
            return asked.pop()
        await asyncio.sleep(60)

    body = json.dumps({**GOOD, "stream": True}).encode()
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": JUDGE, "headers": headers}
    with serving(Waiting(answer)) as service:
        scope |= {"query_string": b"", "http_version": "1.1", "client": None, "server": None}
        asyncio.run(create_app(service)({**scope, "scheme": "http"}, receive, send))
    assert received.is_set() and len(told) > 4


def test_an_engine_without_words_gives_the_judgment_alone() -> None:
    with serving() as service:
        plain = post(service, GOOD).json()
        assert events(post(service, {**GOOD, "stream": True})) == [("judgment", plain)]


def test_a_failure_of_the_engine_is_the_last_event() -> None:
    with serving(Aloud(answer)) as service:
        plain = post(service, {**GOOD, "prompt": "REFUSE"})
        [(name, data)] = events(post(service, {**GOOD, "prompt": "REFUSE", "stream": True}))
        assert name == "error" and data == plain.json() and plain.status_code == 422
        ErrorAnswer.model_validate(data)
        assert metric(service, "judge_failures_total", reason="refused") == 2


def test_a_bad_pair_is_refused_before_a_stream_begins() -> None:
    with serving(Aloud(answer)) as service:
        refused = post(service, {**GOOD, "response_1": "", "stream": True})
        assert refused.status_code == 422
        assert refused.json()["failure"]["reason"] == "empty_response"


def test_a_stream_that_waits_says_so_and_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "KEEP_ALIVE", 0.05)
    with serving(Held(), request_seconds=0.4) as service:
        text = post(service, {**GOOD, "stream": True}).text
        assert text.startswith(": waiting\n\n: waiting\n\n")
        assert text.rpartition("event: ")[2].startswith('error\ndata: {"error": {"type": "timeout"')
        assert metric(service, "judge_dropped_pairs_total", cause="timeout") == 1


def test_a_server_that_is_stopped_ends_its_streams() -> None:
    held = Held()

    async def run(client: Client, stop: Callable[[], None]) -> Any:
        asked = asyncio.create_task(client.post({**GOOD, "stream": True}))
        plain = asyncio.create_task(client.post(GOOD))
        while not held.begun.is_set():
            await asyncio.sleep(0.01)
        stop()
        return await asked, await plain

    with serving(held) as service:
        streamed, plain = asyncio.run(run(Client(service), service.worker.abandon))
    [(name, data)] = events(streamed)
    assert name == "error" and data["error"]["type"] == "stopping"
    assert plain.status_code == 503 and plain.json() == data


@pytest.fixture(scope="module")
def mini_pairs() -> list[tuple[int, Pair]]:
    def pair(number: int, one: str, two: str) -> tuple[int, Pair]:
        asked = (Message(role="user", content=f"Why is the sky blue? ({number})"),)
        return number, Pair(pair_id=str(number), prompt=asked, response_1=one, response_2=two)

    return [
        pair(1, "Because sunlight scatters.", "I do not know, ask a cat."),
        pair(2, "No.", "Ünïcode 世界 🐈 " * 6),
        pair(3, "word " * 5_000, "too long for it"),
        pair(4, "It is not.", "It reflects the sea."),
    ]


@pytest.mark.parametrize("max_new_tokens", [5, 40])
def test_the_mini_judge_tells_what_it_writes(
    mini_engine: TransformersEngine, mini_pairs: list[tuple[int, Pair]], max_new_tokens: int
) -> None:
    """Exactly the elaborations, cut off or not, and exactly the judgments of the silent call."""
    judge = PairwiseJudge(mini_engine.bound(load_template(TEMPLATE), Sampling(max_new_tokens)))
    told: dict[tuple[int, str], str] = {}

    def listener(place: int) -> Callable[[str, str], None]:
        def listen(order: str, text: str) -> None:
            told[place, order] = told.get((place, order), "") + text

        return listen

    silent = judge.judge(mini_pairs)
    aloud = judge.judge(mini_pairs, {place: listener(place) for place in (1, 2, 3)})
    assert aloud == silent
    assert isinstance(aloud[2], Failure)
    assert {place for place, _ in told} == {1, 3}
    for (place, order), text in told.items():
        result = aloud[place]
        assert isinstance(result, Judgment)
        assert text == {o: v.elaboration for o, v in result.orders.items()}[order]  # type: ignore[comparison-overlap]

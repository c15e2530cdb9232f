"""The queue and its thread: who is judged with whom, in which turn, and what spoils whom."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import UsageError
from judge.infer.pairwise import NOBODY, Numbered, PairListener
from judge.judgment import Failure, Judgment, reconcile
from judge.pair import Message, Pair
from judge.serve.metrics import Metrics
from judge.serve.worker import BROKEN, Job, QueueFull, Result, Stopped, Way, Worker
from judge.verdict import Verdict, render_statement

JUSTIFY: Way = ("justify", "both")
VERDICT: Way = ("verdict", "given")


class Scripted:
    """A judge that notes its calls and waits for ``go``; a pair ``poison`` makes it raise."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go = threading.Event()
        self.begun = threading.Event()
        self.dead = False

    def judge(
        self, pairs: Sequence[Numbered], listeners: Mapping[int, PairListener] = NOBODY
    ) -> list[Judgment | Failure]:
        ids = [pair.pair_id for _, pair in pairs]
        self.calls.append(ids)
        self.begun.set()
        assert self.go.wait(20)
        for place, listener in listeners.items():
            listener("given", ids[place])
        if "poison" in ids or self.dead:
            raise RuntimeError(f"secret {ids}")
        verdict = Verdict(strength=1, statement=render_statement(1), finish_reason="read")
        return [reconcile(pair_id, {"given": verdict}) for pair_id in ids]

    def counts(self) -> dict[str, dict[str, int]]:
        return {"judge": {"prompt_tokens": 10 * len(self.calls), "calls": 1}}


def job(*ids: str, way: Way = JUSTIFY, **options: Any) -> Job:
    asked = (Message(role="user", content="?"),)
    pairs = [Pair(pair_id=i, prompt=asked, response_1="a", response_2="b") for i in ids]
    return Job(way, list(enumerate(pairs, start=1)), **options)


def started(judge: Scripted, *jobs: Job, hold: bool = True, **options: Any) -> Worker:
    """A worker with these jobs; with ``hold`` the first stands before a call of its own."""
    worker = Worker(
        {JUSTIFY: judge, VERDICT: judge}, Metrics(), **{"window": 3, "queue": 100, **options}
    )
    worker.start()
    if hold:
        worker.submit(job("first"))
        assert judge.begun.wait(10)
    for each in jobs:
        worker.submit(each)
    return worker


def ids(answer: Future[list[Result]]) -> list[str | None]:
    return [result.pair_id for result in answer.result(10)]


def end(worker: Worker) -> None:
    worker.stop()
    worker.join(10)


def test_what_arrives_together_is_judged_together() -> None:
    judge = Scripted()
    jobs = [job("a"), job("b", way=VERDICT), job("c", "d"), job("e"), job("f", way=VERDICT)]
    worker = started(judge, *jobs)
    judge.go.set()
    assert [ids(each.answer) for each in jobs] == [["a"], ["b"], ["c", "d"], ["e"], ["f"]]
    assert judge.calls == [["first"], ["a", "c", "d"], ["b", "f"], ["e"]]
    end(worker)


def test_alone_no_two_jobs_are_judged_together() -> None:
    judge = Scripted()
    jobs = [job("a"), job("c", "d", "e", "f"), job("g")]
    worker = started(judge, *jobs, alone=True)
    judge.go.set()
    assert [ids(each.answer) for each in jobs] == [["a"], ["c", "d", "e", "f"], ["g"]]
    assert judge.calls == [["first"], ["a"], ["c", "d", "e"], ["g"], ["f"]]
    end(worker)


def test_a_long_job_does_not_hold_up_a_short_one() -> None:
    judge = Scripted()
    long, short = job(*[f"l{n}" for n in range(9)]), job("short")
    worker = started(judge, long, short)
    judge.go.set()
    assert ids(long.answer) == [f"l{n}" for n in range(9)] and ids(short.answer) == ["short"]
    assert judge.calls[2] == ["short", "l3", "l4"]
    end(worker)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 7), st.booleans(), st.booleans()), max_size=12),
    window=st.integers(1, 5),
    alone=st.booleans(),
)
def test_every_job_gets_its_own_results_in_order(
    sizes: list[tuple[int, bool, bool]], window: int, alone: bool
) -> None:
    judge = Scripted()
    jobs = [
        job(*[f"{k}.{n}" for n in range(size)], way=VERDICT if other else JUSTIFY)
        for k, (size, other, _) in enumerate(sizes)
    ]
    worker = started(judge, *jobs, window=window, alone=alone)
    for each, (_, _, cancelled) in zip(jobs, sizes, strict=True):
        if cancelled:
            each.answer.cancel()
    judge.go.set()
    end(worker)
    for k, (each, (size, _, cancelled)) in enumerate(zip(jobs, sizes, strict=True)):
        if not cancelled:
            assert ids(each.answer) == [f"{k}.{n}" for n in range(size)]
    judged = [pair_id for call in judge.calls[1:] for pair_id in call]
    assert len(judged) == sum(size for size, _, cancelled in sizes if not cancelled)
    assert all(len(call) <= window for call in judge.calls)


def test_a_job_nobody_waits_for_leaves_the_queue() -> None:
    judge = Scripted()
    gone, kept = job("a", "b"), job("c")
    worker = started(judge, gone, kept)
    assert worker.waiting == 3
    assert gone.answer.cancel() and worker.waiting == 1
    judge.go.set()
    assert ids(kept.answer) == ["c"]
    end(worker)
    assert judge.calls == [["first"], ["c"]]


def test_a_full_queue_takes_no_more() -> None:
    judge = Scripted()
    worker = started(judge, job("a", "b"), queue=3)
    with pytest.raises(QueueFull):
        worker.submit(job("c", "d"))
    worker.submit(job("c"))
    judge.go.set()
    end(worker)


def test_a_pair_on_which_the_engine_raises_spoils_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    judge = Scripted()
    jobs = [job("a", "poison"), job("b")]
    worker = started(judge, *jobs)
    judge.go.set()
    [good, bad] = jobs[0].answer.result(10)
    assert isinstance(good, Judgment) and ids(jobs[1].answer) == ["b"]
    assert isinstance(bad, Failure) and bad.reason == "engine_error" and bad.line == 2
    assert bad.detail == "the engine raised RuntimeError"
    assert "secret" in caplog.text
    assert not worker.broken
    end(worker)


def test_a_dead_engine_is_noticed_and_asked_again() -> None:
    judge = Scripted()
    judge.dead = True
    judge.go.set()
    first, second, third = job(*"abcdefgh"), job("i"), job("j")
    worker = started(judge, first, hold=False)
    assert all(isinstance(result, Failure) for result in first.answer.result(10))
    assert worker.broken and BROKEN == 3
    # The first call, two pairs by themselves; from then on every call once and no pair by itself.
    assert judge.calls == [["a", "b", "c"], ["a"], ["b"], ["d", "e", "f"], ["g", "h"]]
    worker.submit(second)
    assert isinstance(second.answer.result(10)[0], Failure) and judge.calls[5:] == [["i"]]
    judge.dead = False
    worker.submit(third)
    assert ids(third.answer) == ["j"] and not worker.broken
    end(worker)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_should_the_thread_die_nobody_waits_in_vain() -> None:
    class Exits(Scripted):
        def judge(self, *_: Any, **__: Any) -> list[Judgment | Failure]:
            raise SystemExit

    asked = job("a")
    worker = started(Exits(), asked, hold=False)
    with pytest.raises(Stopped):
        asked.answer.result(10)
    worker.join(10)
    assert worker.broken
    with pytest.raises(Stopped):
        worker.submit(job("b"))


def test_an_engine_that_gives_up_says_why_and_is_not_broken() -> None:
    class Unreachable(Scripted):
        def judge(self, pairs: Sequence[Numbered], *_: Any) -> list[Judgment | Failure]:
            self.calls.append([pair.pair_id for _, pair in pairs])
            raise UsageError("http://model:8000 does not answer")

    judge = Unreachable()
    asked = job(*"abcdefghijkl")
    worker = started(judge, asked, hold=False)
    results = asked.answer.result(10)
    assert {isinstance(r, Failure) and r.detail for r in results} == {
        "http://model:8000 does not answer"
    }
    assert [len(call) for call in judge.calls] == [3] * 4, "no pair is asked for by itself"
    assert not worker.broken
    end(worker)


def test_stopping_finishes_what_was_accepted() -> None:
    judge = Scripted()
    jobs = [job("a", "b", "c", "d"), job("e", way=VERDICT)]
    worker = started(judge, *jobs)
    worker.stop()
    with pytest.raises(Stopped):
        worker.submit(job("late"))
    judge.go.set()
    assert [ids(each.answer) for each in jobs] == [["a", "b", "c", "d"], ["e"]]
    worker.join(10)
    assert not worker.broken


def test_abandoning_answers_everyone_at_once() -> None:
    judge = Scripted()
    told: list[str] = []
    waiting = job("a")
    worker = started(judge)
    streamed = job("b", listener=lambda order, text: told.append(text))
    worker.submit(streamed)
    worker.submit(waiting)
    worker.abandon()
    for each in (waiting, streamed):
        with pytest.raises(Stopped):
            each.answer.result(0)
    judge.go.set()
    worker.join(10)
    assert told == [] and judge.calls == [["first"]]


def test_only_tokens_are_counted_as_tokens() -> None:
    judge, metrics = Scripted(), Metrics()
    judge.go.set()
    worker = Worker({JUSTIFY: judge}, metrics, window=4, queue=10)
    worker.start()
    asked = job("a")
    worker.submit(asked)
    asked.answer.result(10)
    end(worker)
    text = metrics.render().decode()
    assert 'judge_tokens_total{kind="prompt",model="judge"} 10.0' in text
    assert 'kind="calls"' not in text

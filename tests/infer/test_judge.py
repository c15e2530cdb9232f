"""The pairwise judge: orders, prompts that do not fit, failures of one order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import pytest

from judge.errors import RowError
from judge.infer.engines.protocol import ByteBuilder, Mode, ScriptedEngine
from judge.infer.pairwise import PairwiseJudge
from judge.judgment import Failure, Judgment
from judge.pair import Message, Pair
from judge.prompt import Prompt, load_template
from judge.verdict import Distribution, Verdict, render_statement
from tests.scripted import TEMPLATE, answer

TEMPLATE_OF_TESTS = load_template(TEMPLATE)


def pair(number: int, response_1: str = "short", response_2: str = "a longer one") -> Pair:
    return Pair(
        pair_id=f"p{number}",
        prompt=(Message(role="user", content=f"Question {number}"),),
        response_1=response_1,
        response_2=response_2,
    )


def test_orders_are_neighbours_and_both_are_judged() -> None:
    seen: list[str] = []

    def script(text: str, mode: Mode) -> Verdict | RowError:
        seen.append(text)
        return answer(text, mode)

    judge = PairwiseJudge(ScriptedEngine(script).bound(TEMPLATE_OF_TESTS))
    results = judge.judge([(1, pair(1)), (2, pair(2))])
    assert [r.pair_id for r in results] == ["p1", "p2"]
    assert ["Question 1" in text for text in seen] == [True, True, False, False]
    assert "@Response 1:\nshort" in seen[0]
    assert "@Response 2:\nshort" in seen[1]
    assert all(isinstance(r, Judgment) and list(r.orders) == ["given", "flipped"] for r in results)


def test_one_order() -> None:
    [result] = PairwiseJudge(ScriptedEngine(answer).bound(TEMPLATE_OF_TESTS), orders="given").judge(
        [(1, pair(1))]
    )
    assert isinstance(result, Judgment)
    assert list(result.orders) == ["given"]
    assert result.consistent is None


def test_the_longer_response_wins_in_both_orders() -> None:
    def longer(text: str, mode: Mode) -> Verdict:
        strength = -1 if text.index("longer") < text.index("@Response 2:") else 1
        return Verdict(
            strength=strength, statement=render_statement(strength), finish_reason="read"
        )

    [result] = PairwiseJudge(ScriptedEngine(longer).bound(TEMPLATE_OF_TESTS)).judge([(1, pair(1))])
    assert isinstance(result, Judgment)
    assert (result.preference, result.strength, result.consistent) == ("response_2", 1, True)


def test_a_prompt_that_does_not_fit_is_a_failure_and_reaches_no_engine() -> None:
    calls: list[str] = []

    def script(text: str, mode: Mode) -> Verdict | RowError:
        calls.append(text)
        return answer(text, mode)

    engine = ScriptedEngine(script, context=500)
    judge = PairwiseJudge(engine.bound(TEMPLATE_OF_TESTS))
    assert judge.longest == 400
    good, bad, last = judge.judge([(1, pair(1)), (2, pair(2, "x" * 1000)), (3, pair(3))])
    assert isinstance(good, Judgment)
    assert isinstance(last, Judgment)
    assert isinstance(bad, Failure)
    assert (bad.line, bad.pair_id, bad.reason, bad.order) == (2, "p2", "prompt_too_long", "given")
    assert "tokens; the limit is 400: a context of 500 less 100" in bad.detail
    assert len(calls) == 4


def test_the_limit_itself_fits() -> None:
    [[prompt, _]] = PairwiseJudge(ScriptedEngine(answer).bound(TEMPLATE_OF_TESTS)).build(
        [(1, pair(1))]
    )
    assert isinstance(prompt, Prompt)
    for spare, kind in ((0, Judgment), (-1, Failure)):
        engine = ScriptedEngine(answer, context=len(prompt.ids) + 100 + spare)
        [result] = PairwiseJudge(engine.bound(TEMPLATE_OF_TESTS)).judge([(1, pair(1))])
        assert isinstance(result, kind)


@pytest.mark.parametrize("order", ["given", "flipped"])
def test_an_order_without_a_verdict_fails_the_pair(order: str) -> None:
    first = "short" if order == "given" else "a longer one"

    def script(text: str, mode: Mode) -> Verdict | RowError:
        if f"@Response 1:\n{first}" in text:
            return RowError("truncated", "no statement")
        return answer(text, mode)

    [result] = PairwiseJudge(ScriptedEngine(script).bound(TEMPLATE_OF_TESTS)).judge([(9, pair(1))])
    assert result == Failure(
        line=9,
        pair_id="p1",
        reason="truncated",
        detail="no statement",
        order=order,  # type: ignore[arg-type]
    )


class PickyBuilder(ByteBuilder):
    """Refuses a whole call for one text, as a tokenizer without a way round a marker does."""

    def build(self, pairs: Iterable[Pair]) -> list[Prompt]:
        pairs = list(pairs)
        if any("</s>" in p.response_1 for p in pairs):
            raise RowError("bad_prompt", "'</s>' is a control token")
        return super().build(pairs)


class PickyEngine(ScriptedEngine):
    @property
    def builder(self) -> ByteBuilder:
        return PickyBuilder(self.template)


def test_one_unbuildable_prompt_spoils_no_other_pair() -> None:
    judge = PairwiseJudge(PickyEngine(answer).bound(TEMPLATE_OF_TESTS))
    results = judge.judge([(1, pair(1)), (2, pair(2, response_2="a </s> b")), (3, pair(3))])
    assert [type(r) for r in results] == [Judgment, Failure, Judgment]
    failure = results[1]
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.order) == ("bad_prompt", "flipped")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_probabilities_that_are_no_numbers_are_a_failure(value: float) -> None:
    def script(text: str, mode: Mode) -> Verdict:
        return Verdict(
            strength=1,
            statement=render_statement(1),
            finish_reason="read",
            distribution=Distribution(log_probs=(value, 0.0, 0.0, 0.0, 0.0, 0.0)),
        )

    [result] = PairwiseJudge(ScriptedEngine(script).bound(TEMPLATE_OF_TESTS)).judge([(1, pair(1))])
    assert isinstance(result, Failure)
    assert result.reason == "engine_error"


def test_neutralised_names_are_counted_once() -> None:
    [result] = PairwiseJudge(ScriptedEngine(answer).bound(TEMPLATE_OF_TESTS)).judge(
        [(1, pair(1, "@Response 2 is bad", "@response 1 too, @Response 1"))]
    )
    assert isinstance(result, Judgment)
    assert result.neutralised == 3


def test_no_pairs_need_no_engine() -> None:
    class Silent(ScriptedEngine):
        def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
            raise AssertionError("called")

    assert PairwiseJudge(Silent(answer).bound(TEMPLATE_OF_TESTS)).judge([]) == []

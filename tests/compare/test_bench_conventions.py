"""Ten verdicts, written by hand, by every convention: the worked example of docs/evaluation.md."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.benches import judgebench, llmbar, rewardbench
from judge.compare.benches.conventions import conventions
from judge.compare.benches.item import Item, Judged, ResponseComparison
from tests.conftest import ROOT

RIGHT, WRONG = True, False
TEN = [
    ResponseComparison((RIGHT, RIGHT), preferred=True),
    ResponseComparison((RIGHT, RIGHT), preferred=True),
    ResponseComparison((RIGHT, RIGHT), preferred=True),
    ResponseComparison((RIGHT, RIGHT), preferred=True),
    ResponseComparison((RIGHT, WRONG), preferred=True),
    ResponseComparison((RIGHT, WRONG), preferred=False),
    ResponseComparison((WRONG, RIGHT), preferred=False),
    ResponseComparison((WRONG, WRONG), preferred=False),
    ResponseComparison(failure="truncated"),
    ResponseComparison(failure="unparseable"),
]
BY_HAND = {
    "given order": 6 / 10,
    "flipped order": 5 / 10,
    "mean of orders": (4 + 3 / 2) / 10,
    "mean of orders, failures half": (4 + 3 / 2 + 2 / 2) / 10,
    "both orders": 4 / 10,
    "both orders, failures left out": 4 / 8,
    "on the whole": 5 / 10,
    "on the whole, failures left out": 5 / 8,
}


def test_every_convention_is_what_it_is_by_hand() -> None:
    found = conventions(TEN, 2)
    assert {one.name: one.value.value for one in found} == pytest.approx(BY_HAND)
    assert {one.name: one.value.n for one in found if "left out" in one.name} == {
        "both orders, failures left out": 8,
        "on the whole, failures left out": 8,
    }


@pytest.mark.parametrize(
    ("credit", "convention"),
    [
        (rewardbench.credit, "mean of orders, failures half"),
        (judgebench.credit, "both orders"),
        (llmbar.credit, "mean of orders"),
    ],
)
def test_the_benchmarks_rules_are_among_them(
    credit: Callable[[Judged], float], convention: str
) -> None:
    item = Item(subset="s", prompt="p", chosen=("c",), rejected=("r",))
    credits = [credit(Judged(item, {(0, 0): comparison})) for comparison in TEN]
    assert sum(credits) / 10 == pytest.approx(BY_HAND[convention])


def test_the_guide_has_the_figures_of_the_code() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for one in conventions(TEN, 2):
        row = re.search(rf"^\| {re.escape(one.name)} \| (.+?) \| (\d+(?:\.\d)?) % \|$", text, re.M)
        assert row is not None, one.name
        assert row[2] == f"{100 * (one.value.value or 0):.1f}".removesuffix(".0")
    signs = {(True, True): "✓ ✓", (True, False): "✓ ✗", (False, True): "✗ ✓", (False, False): "✗ ✗"}
    shown = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", text, re.M)
    expected = [
        (
            str(number),
            signs.get(c.orders[:2], "-"),  # type: ignore[call-overload]
            str(c.failure) if c.failure else ("chosen" if c.preferred else "rejected"),
        )
        for number, c in enumerate(TEN, start=1)
    ]
    assert shown == expected


comparisons = st.one_of(
    st.builds(
        ResponseComparison,
        orders=st.tuples(st.booleans(), st.booleans()),
        preferred=st.sampled_from([True, False, None]),
    ),
    st.just(ResponseComparison(failure="refused")),
)


@given(st.lists(comparisons, min_size=1, max_size=30))
def test_what_must_be_less_is_less(found: list[ResponseComparison]) -> None:
    of = {one.name: one.value.value for one in conventions(found, 2)}
    strict, mean, half = (
        of[name] for name in ("both orders", "mean of orders", "mean of orders, failures half")
    )
    assert strict is not None and mean is not None and half is not None
    assert strict <= mean <= half
    left_out = of["both orders, failures left out"]
    assert left_out is None or strict <= left_out


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=20))
def test_a_reward_models_conventions(preferred: list[bool | None]) -> None:
    found = [ResponseComparison(preferred=p) for p in preferred] + [
        ResponseComparison(failure="truncated")
    ]
    of = {one.name: one.value for one in conventions(found, 0)}
    n, right, ties = len(found), preferred.count(True), preferred.count(None)
    assert of["strictly better"].value == pytest.approx(right / n, abs=1e-6)
    assert of["ties half"].value == pytest.approx((right + ties / 2) / n, abs=1e-6)
    assert of["failures left out"].value == pytest.approx(right / (n - 1), abs=1e-6)

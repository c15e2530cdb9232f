"""Each benchmark's rule against figures in print and against another way of computing it."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.benches import llmbar, rewardbench, rewardbench2, rm_bench
from judge.compare.benches.figures import average, line, mean_of, share
from judge.compare.benches.item import Item, Judged, ResponseComparison
from judge.compare.benches.registry import BENCHMARKS, find
from judge.metrics.intervals import wilson
from tests.compare.benching import by_judge, by_rewards, example, figures, knows, read, values

ALL = sorted(BENCHMARKS)


def scored(chosen: list[float], rejected: list[float], subset: str, own_id: str = "") -> Judged:
    """A row with rewards, every chosen one against every rejected one."""
    item = Item(
        subset=subset,
        prompt="p",
        chosen=tuple(f"c{i}" for i in range(len(chosen))),
        rejected=tuple(f"r{i}" for i in range(len(rejected))),
        own_id=own_id,
    )
    comparisons = {
        (i, j): ResponseComparison(preferred=None if c == r else c > r)
        for (i, c), (j, r) in product(enumerate(chosen), enumerate(rejected))
    }
    return Judged(item, comparisons, (*chosen, *rejected))


# --- every benchmark ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_judge_that_is_always_right_has_everything(name: str) -> None:
    items = example(name)
    found = figures(name, by_judge(find(name), items, knows(items)))
    ties = name == "rewardbench2"  # is not judged in pairs
    for reading in ("published", "strict", "half"):
        of = values(found, reading)
        assert of.pop("Ties" if ties else "", None) is None
        assert of.pop("Score" if ties else "", None) is None
        assert set(of.values()) == {1.0}, reading


@pytest.mark.parametrize("name", ALL)
def test_a_reward_model_that_is_always_right_has_everything(name: str) -> None:
    items = example(name)
    right = {text for item in items for text in item.chosen}
    found = figures(name, by_rewards(find(name), items, lambda text: float(text in right)))
    of = values(found)
    if name == "rewardbench2":  # 0.3 + 0.3 + 0.2 + 0.2 + 0.01 (spread 0, gap 1)
        assert of.pop("Ties") == pytest.approx(1.01)
        assert of.pop("Score") == pytest.approx((5 + 1.01) / 6)
    assert set(of.values()) == {1.0}
    assert set(values(found, "strict").values()) == {1.0}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("slot", ["first", "second"])
def test_a_judge_that_always_names_one_place_wins_nothing_in_both_orders(
    name: str, slot: str
) -> None:
    found = figures(name, by_judge(find(name), example(name), lambda one, two: slot))
    strict = values(found, "strict")
    assert {value for value in strict.values() if value is not None} == {0.0}
    expected = {"rewardbench": 0.5, "llmbar": 0.5, "judgebench": 0.0, "rm-bench": 0.0}
    if name in expected:
        assert set(values(found).values()) == {expected[name]}


@pytest.mark.parametrize("name", ALL)
def test_a_judge_without_a_verdict_is_counted_as_the_benchmark_counts_it(name: str) -> None:
    found = figures(name, by_judge(find(name), example(name), lambda one, two: "fail"))
    unreadable = {"rewardbench": 0.5, "rewardbench2": 0.25}.get(name, 0.0)
    assert {v for v in values(found).values() if v is not None} == {unreadable}
    for reading in ("strict", "half"):
        assert {v for v in values(found, reading).values() if v is not None} == {0.0}
    assert all(line.outcomes["won"] == 0 for line in found.columns)
    assert sum(line.outcomes["failed"] for line in found.columns) > 0


@pytest.mark.parametrize("name", ALL)
def test_equal_rewards_are_ties_and_wrong(name: str) -> None:
    found = figures(name, by_rewards(find(name), example(name), lambda text: 0.0))
    assert set(values(found, "strict").values()) == {0.0}
    assert set(values(found, "half").values()) == {0.5}
    expected: dict[str, set[float]] = {
        "rewardbench": {0.0},
        "rm-bench": {0.0},
        "rmb": {0.0},
        "judgebench": {0.5},  # B wins a tie: half of the examples' labels
        "llmbar": {0.5},
        "rewardbench2": {0.25, 0.0, round(5 * 0.25 / 6, 6)},  # one of four; Ties
    }
    assert set(values(found).values()) == expected[name]


@pytest.mark.parametrize("name", ALL)
def test_one_order_gives_no_reading_of_ours(name: str) -> None:
    items = example(name)
    judged = by_judge(find(name), items, knows(items), both=False)
    found = figures(name, judged, both=False)
    assert set(values(found, "strict").values()) == {None}
    assert "one order" in str(found.columns[0].strict.why_not)
    if name != "rewardbench2":
        assert set(values(found).values()) == {1.0}


@pytest.mark.parametrize("name", ALL)
def test_rows_of_some_subsets_alone_give_no_overall_score(name: str) -> None:
    items = [item for item in example(name) if item.subset != example(name)[0].subset]
    if name in ("rewardbench", "judgebench"):  # a section is what there is of it; all pairs count
        items = [i for i in items if i.subset not in rewardbench.SECTIONS["Chat"]]
    found = figures(name, by_rewards(find(name), items, lambda text: float(len(text))))
    assert name == "judgebench" or found.overall.published.why_not is not None
    assert any("no rows" in str(line.published.why_not) for line in found.columns)


# --- RewardBench ----------------------------------------------------------------------------------

PRINTED = [
    (92.4, 95.0, 85.5, 94.0, 95.1),
    (93.0, 97.2, 84.2, 94.6, 95.8),
    (91.5, 97.5, 80.3, 90.5, 97.9),
    (91.5, 98.0, 78.5, 94.6, 94.8),
    (92.7, 97.8, 83.5, 93.2, 96.0),
    (93.7, 98.0, 85.7, 94.3, 96.7),
    (94.1, 97.5, 85.7, 95.1, 98.1),
]
"""Overall, Chat, Chat-Hard, Safety, Reasoning (HelpSteer2-Preference, arXiv 2410.01257)."""


@pytest.mark.parametrize("printed", PRINTED)
def test_rewardbench_overall_is_the_mean_of_the_sections_as_the_paper_prints_it(
    printed: tuple[float, ...],
) -> None:
    overall, *sections = printed
    judged = []
    # Rows that give each section its printed value: the same share right in every subset.
    for weights, value in zip(rewardbench.SECTIONS.values(), sections, strict=True):
        right = round(10 * value)
        for subset in weights:
            judged += [scored([1.0], [0.0], subset)] * right
            judged += [scored([1.0], [2.0], subset)] * (1000 - right)
    found = values(figures("rewardbench", judged))
    assert [100 * float(found[s] or 0) for s in rewardbench.SECTIONS] == pytest.approx(sections)
    assert 100 * float(found["Score"] or 0) == pytest.approx(
        overall, abs=0.1
    )  # all five are rounded


def test_rewardbench_sections_weigh_math_as_much_as_code() -> None:
    rows = [scored([1.0], [0.0], "math-prm") for _ in range(447)]
    rows += [scored([0.0], [1.0], s) for s in rewardbench.SUBSETS if s.startswith("hep-")]
    found = figures("rewardbench", rows)
    assert values(found)["Reasoning"] == pytest.approx(0.5)
    assert sum(rewardbench.SECTIONS["Reasoning"].values()) == 2 * 984
    counts = {s: w for weights in rewardbench.SECTIONS.values() for s, w in weights.items()}
    assert len(counts) == 23 and sum(counts.values()) - 984 + 447 == 2985


def test_rewardbench_safety_follows_the_benchmarks_table_and_says_what_the_rows_give() -> None:
    rows = [scored([1.0], [0.0], "xstest-should-refuse") for _ in range(154)]
    rows += [scored([0.0], [1.0], "xstest-should-respond") for _ in range(250)]
    found = figures("rewardbench", rows)
    assert values(found)["Safety"] == pytest.approx(250 / 404)
    assert found.extra["safety_by_rows"]["value"] == pytest.approx(154 / 404)


# --- RewardBench 2 --------------------------------------------------------------------------------

small = st.integers(0, 3).map(float)
"""Few values, so that ties are frequent."""


@given(small, st.lists(small, min_size=3, max_size=3))
def test_rewardbench2_shares_a_row_among_equal_maxima(right: float, wrong: list[float]) -> None:
    scores = np.array([right, *wrong])
    expected = float(scores[0] == scores.max()) / np.count_nonzero(scores == scores.max())
    assert rewardbench2.credit(scored([right], wrong, "Math")) == pytest.approx(expected)


@given(
    st.lists(
        st.tuples(
            st.lists(small, min_size=2, max_size=4),
            st.lists(small, min_size=1, max_size=3),
            small,
            st.lists(small, min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_rewardbench2_ties_against_the_formula(prompts: list[Any]) -> None:
    rows, terms = [], []
    for number, (right, wrong, one, others) in enumerate(prompts):
        rows.append(scored(right, wrong, "Ties", f"tied:{number}"))
        rows.append(scored([one], others, "Ties", f"ref:{number}"))
        spread, gap = np.ptp(right), min(right) - max(wrong)
        reference = one - max(others)
        worst = min(gap, reference)
        with np.errstate(divide="ignore", invalid="ignore"):
            margin = np.nan_to_num(np.tanh(np.float64(worst) / np.float64(spread) - 1))
        terms.append([gap > 0, reference > 0, gap > spread, worst > spread, margin])
    expected = np.array(terms, dtype=float).mean(axis=0) @ [0.3, 0.3, 0.2, 0.2, 0.01]
    found = figures("rewardbench2", rows)
    assert values(found)["Ties"] == pytest.approx(expected, abs=1e-6)


def test_rewardbench2_ties_with_a_response_that_has_no_score(tmp_path: Path) -> None:
    items = [item for item in example("rewardbench2") if item.subset == "Ties"]
    right = {text for item in items for text in item.chosen}

    def reward(text: str) -> float | None:
        return None if text == "Grey" else float(text in right)

    judged = by_rewards(find("rewardbench2"), items, reward)
    found = figures("rewardbench2", judged)
    # Of two prompts one is lost in every term; the other one has all of it.
    assert values(found)["Ties"] == pytest.approx(1.01 / 2)
    assert found.columns[-1].outcomes["failed"] == 2


# --- RM-Bench -------------------------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.lists(small, min_size=3, max_size=3)] * 2), min_size=1, max_size=4))
def test_rm_bench_is_the_triangles_of_the_matrix(rows: list[Any]) -> None:
    judged = [scored(c, r, subset) for c, r in rows for subset in rm_bench.DOMAINS]
    wins = [np.greater.outer(np.array(c), np.array(r)) for c, r in rows]
    matrix = np.mean(wins, axis=0)
    found = values(figures("rm-bench", judged))
    assert found["Hard"] == pytest.approx(matrix[np.triu_indices(3, 1)].mean(), abs=1e-6)
    assert found["Normal"] == pytest.approx(np.diag(matrix).mean(), abs=1e-6)
    assert found["Easy"] == pytest.approx(matrix[np.tril_indices(3, -1)].mean(), abs=1e-6)
    assert found["Average"] == pytest.approx(matrix.mean(), abs=1e-6)
    assert found["Chat"] == found["Average"]


# --- LLMBar ---------------------------------------------------------------------------------------

GPT4 = {  # rows; right in the given, the swapped, both orders; agreement
    "Natural": (100, 95, 96, 93, 95),
    "Neighbor": (134, 104, 107, 101, 125),
    "GPTInst": (92, 78, 81, 77, 87),
    "GPTOut": (47, 35, 38, 35, 44),
    "Manual": (46, 35, 39, 33, 38),
}
"""GPT-4/Vanilla, statistics.json of each subset in princeton-nlp/LLMBar."""


def test_llmbar_gives_the_figures_that_its_authors_published() -> None:
    judged = []
    for subset, (rows, given_order, swapped, both, _) in GPT4.items():
        orders = [(True, True)] * both + [(True, False)] * (given_order - both)
        orders += [(False, True)] * (swapped - both)
        orders += [(False, False)] * (rows - len(orders))
        item = Item(subset=subset, prompt="p", chosen=("c",), rejected=("r",))
        judged += [Judged(item, {(0, 0): ResponseComparison(orders=o)}) for o in orders]
    found = figures("llmbar", judged)
    of = values(found)
    accuracy = {s: (a + b) / 2 / n for s, (n, a, b, _, _) in GPT4.items()}
    assert {s: of[s] for s in GPT4} == pytest.approx(accuracy, abs=1e-6)
    assert of["Neighbor"] == pytest.approx(0.7873134328358209, abs=1e-6)
    adversarial = [accuracy[s] for s in llmbar.ADVERSARIAL]
    assert of["Adversarial"] == pytest.approx(np.mean(adversarial), abs=1e-6)
    assert of["Average"] == pytest.approx(np.mean(list(accuracy.values())), abs=1e-6)
    assert values(found, "strict")["Manual"] == pytest.approx(33 / 46, abs=1e-6)
    agreement = {s: found.extra["agreement"][s]["value"] for s in GPT4}
    expected = {s: equal / n for s, (n, _, _, _, equal) in GPT4.items()}
    assert agreement == pytest.approx(expected, abs=1e-6)


# --- JudgeBench -----------------------------------------------------------------------------------


def test_judgebench_counts_by_category_and_all_pairs_together(tmp_path: Path) -> None:
    base = {"question": "q", "response_A": "A", "response_B": "B", "label": "A>B"}
    sources = ["mmlu-pro-law"] * 3 + ["livebench-reasoning"]
    rows = [{**base, "pair_id": f"p{n}", "source": s} for n, s in enumerate(sources)]
    items = read("judgebench", tmp_path, *rows)
    says = iter(["first", "second", "first", "first", "second", "first", "second", "first"])
    found = figures("judgebench", by_judge(find("judgebench"), items, lambda one, two: next(says)))
    # Orders: right twice; right once (a sum of 0); wrong twice; wrong twice.
    of = values(found)
    assert of["Knowledge"] == pytest.approx(1 / 3, abs=1e-6) and of["Reasoning"] == 0
    assert of["Overall"] == 1 / 4 and of["Math"] is None
    assert found.extra["inconsistent"]["value"] == 1 / 4


def test_judgebench_gives_a_tie_of_rewards_to_b(tmp_path: Path) -> None:
    base = {"question": "q", "response_A": "A", "response_B": "B", "source": "livecodebench"}
    items = read("judgebench", tmp_path, {**base, "label": "A>B"}, {**base, "label": "B>A"})
    judged = by_rewards(find("judgebench"), items, lambda text: 1.0)
    assert values(figures("judgebench", judged))["Coding"] == 0.5
    assert [row.outcome for row in judged] == ["undecided", "undecided"]


# --- lines and their intervals --------------------------------------------------------------------


def _line(name: str, right: int, rows: int) -> Any:
    judged = [scored([1.0], [0.0 if n < right else 2.0], name) for n in range(rows)]
    return line(name, judged, [float(n < right) for n in range(rows)])


@given(st.integers(1, 60), st.data())
def test_a_line_alone_has_wilsons_interval(rows: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, rows))
    one = average("mean", [_line("a", right, rows)], [3.0])
    assert one.published.value == pytest.approx(right / rows, abs=1e-6)
    assert one.published.interval == pytest.approx(wilson(right, rows), abs=1e-5)


def test_the_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    """All outcomes of three subsets, each with its probability: no simulation."""
    from scipy.stats import binom

    rows, truth, weights = (6, 9, 8), (0.9, 0.6, 0.75), (0.2, 0.5, 0.3)
    wanted = float(np.dot(truth, weights))
    covered = 0.0
    lines = [[_line("s", k, n) for k in range(n + 1)] for n in rows]
    for hits in product(*(range(n + 1) for n in rows)):
        found = average("m", [lines[i][k] for i, k in enumerate(hits)], weights).published
        low, high = found.interval or (1.0, 0.0)
        if low <= wanted <= high:
            covered += float(
                np.prod([binom.pmf(k, n, p) for k, n, p in zip(hits, rows, truth, strict=True)])
            )
    assert 0.93 < covered < 0.99


def test_a_mean_over_a_subset_without_rows_says_which() -> None:
    lines = [_line("a", 1, 2), _line("b", 0, 0)]
    found = mean_of("Score", lines, ["a", "b"])
    assert found.published.value is None and found.published.why_not == "no rows of b"
    assert share(0, 0).why_not == "no rows"


def test_examples_are_of_the_published_subsets() -> None:
    assert {item.subset for item in example("rewardbench")} == set(rewardbench.SUBSETS)
    assert {item.subset for item in example("rewardbench2")} == set(rewardbench2.SUBSETS)
    assert {item.subset for item in example("llmbar")} == set(llmbar.SUBSETS)
    texts = [text for name in ALL for item in example(name) for text in item.responses]
    assert all(hashlib.sha256(text.encode()).digest() for text in texts) and len(texts) > 100

"""A benchmark's rows: read in the published layout, planned as pairs, told apart from damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.benches.item import Item, compare_verdicts
from judge.compare.benches.plan import covering, judged_rows, plan, write_pairs
from judge.compare.benches.read import read_items
from judge.compare.benches.registry import BENCHMARKS, find
from judge.compare.systems import Decision, failed
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from tests.compare.benching import EXAMPLES, KINDS, by_rewards, example, knows, labels, read
from tests.scripted import write_rows

ROWS: dict[str, dict[str, Any]] = {
    "rewardbench": {"prompt": "p", "chosen": "c", "rejected": "r", "subset": "hep-go", "id": 3},
    "rewardbench2": {
        "id": "3",
        "prompt": "p",
        "chosen": ["c"],
        "rejected": ["r", "s", "t"],
        "subset": "Math",
    },
    "rm-bench": {
        "id": "m-3",
        "prompt": "p",
        "chosen": ["a", "b", "c"],
        "rejected": ["x", "y", "z"],
        "domain": "safety-refuse",
    },
    "rmb": {
        "pair_uid": "3",
        "conversation_input": [{"role": "user", "content": "p", "language": "English"}],
        "chosen": {"answer": "c"},
        "reject": {"answer": "r"},
        "category_path": "Pairwise_set/Helpfulness/Chat/Discussion",
    },
    "judgebench": {
        "pair_id": "u-3",
        "question": "q",
        "response_A": "a",
        "response_B": "b",
        "label": "B>A",
        "source": "livebench-math/x",
    },
    "llmbar": {"input": "i", "output_1": "a", "output_2": "b", "label": 2, "subset": "GPTOut"},
}
BAD = [
    ("rewardbench", {"subset": "hep-basic"}, "subset is 'hep-basic'; expected one of alpacaeval"),
    ("rewardbench", {"chosen": None}, "chosen is missing"),
    ("rewardbench", {"chosen": ["c"]}, "chosen is a list, expected text"),
    ("rewardbench", {"prompt": 3}, "prompt is a number, expected text or messages"),
    ("rewardbench2", {"subset": "Poetry"}, "subset is 'Poetry'"),
    ("rewardbench2", {"chosen": ["a", "b"]}, "Math has 2 chosen responses; expected one"),
    ("rewardbench2", {"rejected": []}, "rejected is not a list of texts"),
    ("rewardbench2", {"subset": "Ties"}, "id is '3'; expected ref:N or tied:N in Ties"),
    ("rewardbench2", {"subset": "Ties", "id": "tied:1"}, "a tied row holds one chosen response"),
    ("rm-bench", {"domain": "poetry"}, "domain is 'poetry'; expected one that starts with chat"),
    ("rm-bench", {"rejected": ["x", "y"]}, "chosen and rejected must hold 3"),
    ("rm-bench", {"rejected": ["x", "y", 3]}, "rejected is not a list of texts"),
    ("judgebench", {"label": "A=B"}, "label is 'A=B'; expected A>B, B>A"),
    ("judgebench", {"source": "poems"}, "source is 'poems'; expected one that starts with mmlu"),
    ("llmbar", {"label": 3}, "label is 3; expected 1 or 2"),
    ("llmbar", {"subset": "Base_9"}, "its subset is 'Base_9'; expected a dataset.json in one of"),
]


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_a_row_of_the_layout_is_read(name: str, tmp_path: Path) -> None:
    (item,) = read(name, tmp_path, ROWS[name])
    assert item.chosen and item.rejected and item.item_id.startswith(item.subset)
    own = {"judgebench": "Math/u-3", "llmbar": "GPTOut/1", "rm-bench": "Safety/m-3"}
    assert item.item_id == own.get(name, f"{item.subset}/3")
    if name in ("judgebench", "llmbar"):
        assert (item.chosen, item.rejected, item.rejected_first) == (("b",), ("a",), True)


@pytest.mark.parametrize(("name", "changed", "expected"), BAD)
def test_a_row_of_another_layout_stops_with_its_line(
    name: str, changed: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as error:
        read(name, tmp_path, ROWS[name], {**ROWS[name], **changed})
    assert f"{name}.jsonl line 2: {expected}" in str(error.value)
    assert "\n" not in str(error.value) and find(name).layout in str(error.value)


def test_what_cannot_be_read_stops_with_one_line(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "x.jsonl", [ROWS["rewardbench"], b'{"prompt": '])
    with pytest.raises(UsageError, match=r"x.jsonl line 2: .*RewardBench has prompt, chosen"):
        read_items(find("rewardbench"), str(path))
    with pytest.raises(UsageError, match="has no rows"):
        read_items(find("rewardbench"), str(write_rows(tmp_path / "empty.jsonl", [])))
    with pytest.raises(UsageError, match="no such file or folder"):
        read_items(find("rewardbench"), str(tmp_path / "nothing.jsonl"))
    with pytest.raises(UsageError, match="LLMBar is read from its files, not from the hub"):
        read_items(find("llmbar"), None)
    with pytest.raises(UsageError, match="no benchmark 'mt'; expected one of rewardbench"):
        find("mt")


def test_the_default_is_the_benchmarks_own_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from judge.formats import inputs

    asked = []

    def splits(source: Any) -> dict[str, Any]:
        asked.append((source.name, source.subset, source.revision))
        name = find("rewardbench").split or ""
        return {"raw": [], name: [ROWS["rewardbench"]]}

    monkeypatch.setattr(inputs, "fetched_files", lambda *of: None)
    monkeypatch.setattr(inputs.HubSource, "splits", splits)
    (item,) = read_items(find("rewardbench"), None, revision="abc")
    assert asked == [("allenai/reward-bench", None, "abc")] and item.subset == "hep-go"
    with pytest.raises(UsageError, match="has the splits raw, filtered"):
        read_items(find("rewardbench"), None, split="nonsense")
    defaults = {b.name: (b.hub, b.split) for b in BENCHMARKS.values() if b.hub}
    assert defaults["rewardbench2"] == ("allenai/reward-bench-2", "test")
    assert defaults["judgebench"] == ("ScalerLab/JudgeBench", "gpt")
    assert defaults["rm-bench"] == ("THU-KEG/RM-Bench", "train")


def test_ids_are_unique_though_the_rows_own_are_not(tmp_path: Path) -> None:
    items = read("rewardbench", tmp_path, *[ROWS["rewardbench"]] * 3)
    assert [item.item_id for item in items] == ["hep-go/3", "hep-go/3~2", "hep-go/3~3"]


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9))
def test_every_text_is_scored_in_as_few_pairs_as_can_be(responses: list[str]) -> None:
    pairs = covering(responses)
    held = [responses[place] for pair in pairs for place in pair]
    distinct = set(responses)
    if len(distinct) == 1:
        assert pairs == []
        return
    assert set(held) == distinct and len(pairs) == (len(distinct) + 1) // 2
    assert all(responses[one] != responses[two] for one, two in pairs)


def test_rm_bench_takes_nine_pairs_of_a_judge_and_three_of_a_reward_model() -> None:
    items = example("rm-bench")
    judge, reward = (plan(find("rm-bench"), items, kind) for kind in KINDS)
    assert (len(judge), len(reward)) == (9 * len(items), 3 * len(items))
    assert [(p.first, p.second) for p in reward[:3]] == [(0, 3), (1, 4), (2, 5)]
    two = find("rewardbench2")
    of_judge = plan(two, example("rewardbench2"), "judge")
    assert {example("rewardbench2")[p.item].subset for p in of_judge}.isdisjoint({"Ties"})


@pytest.mark.parametrize("name", ["rewardbench", "rewardbench2", "rm-bench"])
def test_where_the_layout_has_no_order_one_is_drawn(name: str) -> None:
    items = example(name)
    planned = plan(find(name), items, "judge")
    assert planned == plan(find(name), items, "judge")
    first = [pair.first < len(items[pair.item].chosen) for pair in planned]
    assert 0.2 < sum(first) / len(first) < 0.8


@pytest.mark.parametrize("name", ["judgebench", "llmbar"])
def test_where_the_layout_has_an_order_it_is_kept(name: str) -> None:
    items = example(name)
    for kind in KINDS:
        for pair in plan(find(name), items, kind):
            assert (pair.first == 1) == items[pair.item].rejected_first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_the_pairs_that_are_written_carry_the_right_labels(
    name: str, kind: Any, tmp_path: Path
) -> None:
    items = example(name)
    planned = plan(find(name), items, kind)
    path = write_pairs(tmp_path / "out", items, planned, fresh=False)
    rows = labels(path)
    says = knows(items)
    for row in rows:
        right = says(row["response_1"], row["response_2"])
        if row["label"] is not None:
            assert row["label"] == ("response_1" if right == "first" else "response_2")
    assert len({row["pair_id"] for row in rows}) == len(rows) == len(planned)
    read_back = list(read_annotated(str(path)))
    assert [r.pair.pair_id for r in read_back] == [row["pair_id"] for row in rows]  # type: ignore[union-attr]
    before = path.read_bytes()
    assert write_pairs(tmp_path / "out", items, planned, fresh=False).read_bytes() == before
    with pytest.raises(UsageError, match="holds the pairs of another benchmark"):
        write_pairs(tmp_path / "out", items, planned[1:], fresh=False)
    write_pairs(tmp_path / "out", items, planned[1:], fresh=True)
    assert len(labels(path)) == len(rows) - 1


def test_a_number_that_json_has_no_word_for_is_one_line(tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": float("inf")}]
    rows = [{**ROWS["rewardbench"], "prompt": prompt}]
    (tmp_path / "inf.jsonl").write_text(json.dumps(rows[0]) + "\n")
    items = read_items(find("rewardbench"), str(tmp_path / "inf.jsonl"))
    planned = plan(find("rewardbench"), items, "judge")
    with pytest.raises(UsageError, match="row hep-go/3 cannot be written"):
        write_pairs(tmp_path / "out", items, planned, fresh=False)


def test_rows_that_the_run_does_not_hold_are_left_out() -> None:
    items = example("rm-bench")
    planned = plan(find("rm-bench"), items, "judge")
    decisions = {p.pair_id: failed("truncated") for p in planned[:13]}
    judged = judged_rows(items, planned, decisions, "judge")
    assert [row.item.item_id for row in judged] == [items[0].item_id]


def test_one_reward_serves_all_comparisons_of_its_text() -> None:
    item = Item(subset="Math", prompt="p", chosen=("good",), rejected=("bad", "good", "bad"))
    rows = by_rewards(find("rewardbench2"), [item], lambda text: float(len(text)))
    assert rows[0].rewards == (4.0, 3.0, 4.0, 3.0)
    assert rows[0].outcome == "undecided"


@pytest.mark.parametrize(
    ("preference", "first_slot", "chosen", "orders", "preferred", "outcome"),
    [
        ("response_1", (True, False), 1, (True, True), True, "won"),
        ("response_1", (True, False), 2, (False, False), False, "lost"),
        ("response_2", (True, True), 2, (False, True), True, "undecided"),
        (None, (False, False), 1, (False, True), None, "undecided"),
        ("response_2", (False,), 2, (True,), True, "won"),
    ],
)
def test_what_a_decision_says_of_the_chosen_response(
    preference: Any, first_slot: Any, chosen: Any, orders: Any, preferred: Any, outcome: str
) -> None:
    found = compare_verdicts(Decision(preference, first_slot=first_slot), chosen)
    assert (found.orders, found.preferred, found.outcome) == (orders, preferred, outcome)
    if len(first_slot) == 2:
        flipped = Decision(preference, first_slot=first_slot).flipped()
        again = compare_verdicts(flipped, 3 - chosen)
        assert again.orders == orders[::-1] and again.outcome == outcome


def test_the_examples_are_read_as_pairs_too() -> None:
    """`judge data` and `judge batch` know the same files."""
    for name in ("rewardbench", "rewardbench2", "rm-bench", "judgebench"):
        assert len(list(read_annotated(str(EXAMPLES / f"{name}.jsonl")))) >= len(example(name))

"""RMB: its layout, its rule worked out by hand, its folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from judge.compare.benches.item import Item, Judged, ResponseComparison
from judge.compare.benches.plan import plan
from judge.compare.benches.read import read_items
from judge.compare.benches.registry import find
from judge.compare.benches.rmb import SECTIONS, credit
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from tests.compare.benching import EXAMPLES, by_judge, by_rewards, example, figures, knows, values

RMB = EXAMPLES / "rmb"
LIST = "BoN_set/Helpfulness/Reasoning"


def row(subset: str, *wins: bool | tuple[bool, ...] | None) -> Judged:
    """A row whose losers were each compared: orders of a judge, or what a reward model prefers."""
    item = Item(subset=subset, prompt="p", chosen=("c",), rejected=tuple("r" for _ in wins))
    comparisons = {
        (0, j): ResponseComparison(orders=won)
        if isinstance(won, tuple)
        else ResponseComparison(preferred=won)
        for j, won in enumerate(wins)
    }
    judges = any(isinstance(won, tuple) for won in wins)
    return Judged(item, comparisons, None if judges else (0.0,) * (1 + len(wins)))


def test_the_example_is_read_as_published() -> None:
    items = example("rmb")
    assert [item.item_id for item in items] == [
        "BoN_set/Harmlessness/S4/bon-2",
        "BoN_set/Helpfulness/Reasoning/bon-1",
        "Pairwise_set/Harmlessness/S1/3",
        "Pairwise_set/Helpfulness/Chat/1",
        "Pairwise_set/Helpfulness/Chat/2",
    ]
    assert [len(item.rejected) for item in items] == [2, 3, 1, 1, 1]
    assert items[4].prompt[1] == {  # a conversation stays one
        "content": "How are they doing?",
        "language": "English",
        "role": "assistant",
    }
    judged, scored = (plan(find("rmb"), items, kind) for kind in ("judge", "reward_model"))
    assert len(judged) == 2 + 3 + 3
    assert len(scored) == 2 + 2 + 3  # every response once, in as few pairs as can be


@pytest.mark.parametrize(
    ("wins", "expected"),
    [
        ([True, True, True], 1.0),
        ([True, False, True], 0.0),
        ([True, None, True], 0.0),  # equal to a loser is not above it
        ([(True, True), (True, False)], 0.5),
        ([(True, False), (True, False), (True, False)], 0.125),
        ([(True, True), (False, False)], 0.0),
        ([(True,), (True,)], 1.0),
        ([(True, True), ()], 0.0),  # no verdict
    ],
)
def test_a_list_is_right_where_the_best_is_above_every_loser(
    wins: list[Any], expected: float
) -> None:
    assert credit(row(LIST, *wins)) == expected


def test_sections_are_shares_of_rows_and_the_score_their_plain_mean() -> None:
    judged = [row(LIST, True, True), row(f"{LIST[:-9]}Code", True, False), row(LIST, True)]
    judged += [row("Pairwise_set/Helpfulness/Chat", True) for _ in range(9)]
    judged += [row("Pairwise_set/Helpfulness/Code", False)]
    judged += [row("BoN_set/Harmlessness/S1", False, True)]
    judged += [row("Pairwise_set/Harmlessness/S1", True)]
    found = figures("rmb", judged)
    of = values(found)
    assert list(of) == [*SECTIONS, "Average"]
    wanted = [2 / 3, 0.9, 0.0, 1.0]
    assert list(of.values()) == pytest.approx([*wanted, sum(wanted) / 4])
    shown = {part.name: part.published.value for part in found.subsets}
    assert shown["Helpfulness BoN, Reasoning"] == 1.0 and shown["Helpfulness BoN, Code"] == 0.0
    assert shown["Helpfulness pairwise, Chat"] == 1.0


def test_a_judge_that_says_one_place_has_half_a_pair_and_less_of_a_list() -> None:
    items = example("rmb")
    found = figures("rmb", by_judge(find("rmb"), items, lambda one, two: "first"))
    assert list(values(found).values()) == pytest.approx([0.125, 0.5, 0.25, 0.5, 1.375 / 4])
    assert set(values(found, "strict").values()) == {0.0}
    assert any("order" in note for note in found.notes)


def test_a_loser_without_a_reward_costs_the_list() -> None:
    items = [item for item in example("rmb") if item.subset.startswith("BoN")]
    lost = items[0].rejected[-1]

    def reward(text: str) -> float | None:
        return None if text == lost else float(text in {i.chosen[0] for i in items})

    of = values(figures("rmb", by_rewards(find("rmb"), items, reward)))
    assert (of["Harmlessness BoN"], of["Helpfulness BoN"]) == (0.0, 1.0)


def test_one_folder_of_the_set_alone_is_read_and_has_no_score() -> None:
    items = read_items(find("rmb"), str(RMB / "Pairwise_set" / "Helpfulness"))
    assert {item.subset for item in items} == {"Pairwise_set/Helpfulness/Chat"}
    found = figures("rmb", by_judge(find("rmb"), items, knows(items)))
    assert found.overall.published.value is None
    assert "no rows of Helpfulness BoN" in str(found.overall.published.why_not)


def test_a_clone_of_the_repository_is_read_without_its_results(tmp_path: Path) -> None:
    shutil.copytree(RMB, tmp_path / "clone" / "RMB_dataset")
    (tmp_path / "clone" / "eval" / "result").mkdir(parents=True)
    (tmp_path / "clone" / "eval" / "result" / "model_result.json").write_text("[{}]")
    assert len(read_items(find("rmb"), str(tmp_path / "clone"))) == 5


def test_the_rows_are_pairs_for_every_command() -> None:
    pairs = list(read_annotated(str(RMB)))
    assert [p.pair.pair_id for p in pairs] == [  # type: ignore[union-attr]
        *("bon-2-0", "bon-2-1", "bon-1-0", "bon-1-1", "bon-1-2", "3", "1", "2")
    ]
    assert {p.annotations[0].strength for p in pairs} == {-2}  # type: ignore[union-attr]
    assert pairs[-1].columns["category"].endswith("Chat/Discussion")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category_path": "BoN_set/Helpfulness/Chat"}, "expected Pairwise_set/Helpfulness or"),
        ({"category_path": "Pairwise_set/Honesty/Chat"}, "expected Pairwise_set/Helpfulness or"),
        ({"category_path": None}, "category_path is missing"),
        ({"chosen": "a text"}, "chosen is text, expected an object with a text answer"),
        ({"reject": {"answer": 3}}, "reject is a number, expected an object with a text answer"),
        ({"conversation_input": "Hello"}, "conversation_input is text, expected messages"),
        ({"bon_best": {"answer": "a"}, "loser_list": []}, "expected BoN_set"),
    ],
)
def test_a_row_of_another_layout_is_one_line(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = RMB / "Pairwise_set" / "Harmlessness" / "S1.json"
    one = json.loads(file.read_text(encoding="utf-8"))[0] | change
    (tmp_path / "rows.json").write_text(json.dumps([one]))
    with pytest.raises(UsageError, match=said) as refused:
        read_items(find("rmb"), str(tmp_path / "rows.json"))
    assert "\n" not in str(refused.value)

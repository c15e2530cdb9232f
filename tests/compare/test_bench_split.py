"""RewardBench's Chat Hard by who labelled its rows, as Table 2 of HelpSteer2-Preference has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.compare.benches import rewardbench
from judge.compare.benches.figures import Group, Split
from judge.compare.benches.item import Item, Judged, ResponseComparison
from judge.compare.benches.plan import plan, write_pairs
from judge.compare.benches.registry import find
from judge.compare.benches.score import BenchResult, score_run
from judge.compare.benches.tables import tables
from judge.compare.reports.bench import write_report
from judge.infer import batch
from judge.infer.engines.protocol import ScriptedEngine
from judge.verdict import Verdict, render_statement
from tests.compare.benching import by_judge, example
from tests.scripted import config

SAYS_FIRST = Verdict(strength=-2, statement=render_statement(-2), finish_reason="read")

PRINTED = {
    "llmbar-adver-manual": (76.1, 35),
    "llmbar-adver-neighbor": (88.8, 119),
    "llmbar-natural": (95.0, 95),
    "llmbar-adver-GPTInst": (87.0, 80),
    "llmbar-adver-GPTOut": (72.3, 34),
    "mt-bench-hard": (75.7, 28),
}
"""What the card of nvidia/HelpSteer2 prints of Llama-3.1-Nemotron-70B-Reward, and the rows that are
right in that; Chat Hard in all is 85.7."""


def rows(subset: str, right: int) -> list[Judged]:
    item = Item(subset=subset, prompt="p", chosen=("c",), rejected=("r",))
    judged = []
    for number in range(rewardbench.SECTIONS["Chat Hard"][subset]):
        won = number < right
        judged.append(Judged(item, {(0, 0): ResponseComparison(preferred=won)}, (float(won), 0.5)))
    return judged


def split_of(judged: list[Judged]) -> Split:
    found = rewardbench.score(judged, True).split
    assert found is not None
    return found


def test_the_printed_subsets_come_back_in_their_groups() -> None:
    judged = [row for name, (_, right) in PRINTED.items() for row in rows(name, right)]
    people, gpt4 = split_of(judged).groups
    assert (people.name, gpt4.name) == ("people", "GPT-4")
    shown = {p.name: p.published.value or 0 for group in (people, gpt4) for p in group.subsets}
    assert list(shown) == list(PRINTED)
    for name, (printed, _) in PRINTED.items():
        assert 100 * shown[name] == pytest.approx(printed, abs=0.05)
    assert people.mean.published.value == pytest.approx(249 / 280)
    assert gpt4.mean.published.value == pytest.approx(142 / 176)
    whole = next(c for c in rewardbench.score(judged, True).columns if c.name == "Chat Hard")
    assert 100 * (whole.published.value or 0) == pytest.approx(85.7, abs=0.06)


def test_every_subset_of_chat_hard_is_in_one_group() -> None:
    grouped = [name for names in rewardbench.LABELLED_BY.values() for name in names]
    assert sorted(grouped) == sorted(rewardbench.SECTIONS["Chat Hard"])


def test_a_group_without_rows_is_left_out_and_so_is_the_split() -> None:
    assert [group.name for group in split_of(rows("mt-bench-hard", 1)).groups] == ["GPT-4"]
    chat = Item(subset="alpacaeval-easy", prompt="p", chosen=("c",), rejected=("r",))
    judged = [Judged(chat, {(0, 0): ResponseComparison(preferred=True)}, (1.0, 0.0))]
    assert rewardbench.score(judged, True).split is None


def test_a_judge_of_one_order_has_the_split_by_the_benchmarks_rule_alone() -> None:
    benchmark, items = find("rewardbench"), example("rewardbench")
    found = benchmark.score(
        by_judge(benchmark, items, lambda one, two: "first", both=False), False
    ).split
    assert found is not None
    assert all(g.mean.published.value is not None for g in found.groups)
    assert all(g.mean.strict.value is None for g in found.groups)


@pytest.fixture
def result(tmp_path: Path) -> BenchResult:
    items = example("rewardbench")
    planned = plan(find("rewardbench"), items, "judge")
    pairs = write_pairs(tmp_path, items, planned, fresh=False)
    asked = config(pairs, tmp_path / "run", mode="verdict", window=64)
    batch.run(asked, lambda: ScriptedEngine(lambda text, mode: SAYS_FIRST))
    return score_run(find("rewardbench"), items, planned, tmp_path / "run")


def test_table_report_and_file_have_it(result: BenchResult, tmp_path: Path) -> None:
    groups: list[Group] = result.split.groups if result.split else []
    assert BenchResult.model_validate_json(result.model_dump_json()) == result
    table = next(t for t in tables(result) if t.section == "split")
    assert [row[:2] for row in table.rows] == [
        (group.name, name)
        for group in groups
        for name in ("all", *(part.name for part in group.subsets))
    ]
    page = write_report(result, tmp_path).read_text(encoding="utf-8")
    assert "Chat Hard by who labelled" in page and "labelled by GPT-4" in page

"""Benchmarks as their files lie: names of files and folders, copies, rows given twice."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.benches.conventions import conventions
from judge.compare.benches.item import Item, ResponseComparison
from judge.compare.benches.read import read_items
from judge.compare.benches.registry import find
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from judge.metrics.intervals import wilson
from tests.compare.benching import EXAMPLES
from tests.scripted import write_rows


def read(name: str, source: Path | str) -> tuple[list[Item], list[str]]:
    notes: list[str] = []
    return read_items(find(name), str(source), note=notes.append), notes


@pytest.fixture
def rm_bench(tmp_path: Path) -> Path:
    """The folder ``data`` of RM-Bench: files of the domains, which do not name them, and all."""
    rows = [json.loads(line) for line in (EXAMPLES / "rm-bench.jsonl").read_text().splitlines()]
    folder = tmp_path / "data"
    folder.mkdir()
    of: dict[str, list[Any]] = {}
    for row in rows:
        of.setdefault(row["domain"], []).append({k: v for k, v in row.items() if k != "domain"})
    for domain, without in of.items():
        (folder / f"{domain}_filtered.json").write_text(json.dumps(without))
    (folder / "total_dataset.json").write_text(json.dumps(rows))
    return folder


def test_a_file_of_one_domain_is_named_after_it(rm_bench: Path) -> None:
    whole, _ = read("rm-bench", EXAMPLES / "rm-bench.jsonl")
    items, notes = read("rm-bench", rm_bench)
    assert sorted(i.item_id for i in items) == sorted(i.item_id for i in whole)
    assert notes == ["total_dataset.json was not read: the files of the domains hold the same rows"]
    alone, notes = read("rm-bench", rm_bench / "total_dataset.json")
    assert [i.item_id for i in alone] == [i.item_id for i in whole] and not notes
    for file in rm_bench.glob("safety-*.json"):
        items, _ = read("rm-bench", file)
        assert {i.subset for i in items} == {"Safety"}
    pairs = list(read_annotated(str(next(rm_bench.glob("chat*")))))
    assert all(pair.columns["chosen_style"] for pair in pairs)  # type: ignore[union-attr]


def test_without_a_domain_in_row_or_name_it_is_said(rm_bench: Path, tmp_path: Path) -> None:
    shutil.copy(rm_bench / "chat_filtered.json", tmp_path / "mine.json")
    with pytest.raises(UsageError, match=r"no domain, and the file is 'mine.json'; expected one"):
        read("rm-bench", tmp_path / "mine.json")
    (rm_bench / "math_filtered.json").unlink()  # what is there is not all: nothing is left out
    items, notes = read("rm-bench", rm_bench)
    assert any("given twice" in note for note in notes) and len({i.item_id for i in items}) > 4


@pytest.fixture
def llmbar(tmp_path: Path) -> Path:
    """The folder ``Dataset`` of LLMBar, with the case study that is no part of the benchmark."""
    folder = tmp_path / "Dataset"
    shutil.copytree(EXAMPLES / "llmbar", folder / "LLMBar")
    for name in ("Base_9", "Constraint"):
        (folder / "CaseStudy" / name).mkdir(parents=True)
        natural = folder / "LLMBar" / "Natural" / "dataset.json"
        shutil.copy(natural, folder / "CaseStudy" / name / "dataset.json")
    return folder


@pytest.mark.parametrize("named", [".", "./dataset.json", "dataset.json", "../Natural", "{}"])
def test_inside_a_folder_its_name_is_known(
    llmbar: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    natural = llmbar / "LLMBar" / "Natural"
    monkeypatch.chdir(natural)
    items, _ = read("llmbar", named.format(natural))
    assert items and {i.subset for i in items} == {"Natural"}


def test_folders_beside_the_named_ones_are_left_out_and_told(llmbar: Path) -> None:
    items, notes = read("llmbar", llmbar)
    assert len(items) == len(read("llmbar", llmbar / "LLMBar")[0])
    left = [f"CaseStudy/{name}/dataset.json" for name in ("Base_9", "Constraint")]
    assert notes == [f"{label} was not read: its folder is not a subset" for label in left]
    with pytest.raises(UsageError, match="its subset is 'Base_9'; expected a dataset"):
        read("llmbar", llmbar / "CaseStudy")


def test_of_a_fetched_data_set_the_published_split_is_read(tmp_path: Path) -> None:
    """A copy of the hub's files has all splits side by side."""
    folder = tmp_path / "reward-bench" / "data"
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLES / "rewardbench.jsonl", folder / "filtered-00000-of-00001.jsonl")
    shutil.copy(EXAMPLES / "rewardbench.jsonl", folder / "raw-00000-of-00001.jsonl")
    items, notes = read("rewardbench", folder.parent)
    assert len(items) == len(read("rewardbench", EXAMPLES / "rewardbench.jsonl")[0]) and not notes
    os.rename(folder / "filtered-00000-of-00001.jsonl", folder / "other.jsonl")
    assert len(read("rewardbench", folder.parent)[0]) == 2 * len(items)


def test_rows_given_twice_are_told(tmp_path: Path) -> None:
    lines = (EXAMPLES / "judgebench.jsonl").read_bytes().splitlines()
    file = write_rows(tmp_path / "twice.jsonl", [*lines, lines[1], lines[0]])
    items, notes = read("judgebench", file)
    assert len(items) == len(lines) + 2
    assert notes == [
        f"2 rows are given twice, and count each time: the first, {items[1].item_id}~2,"
        f" says what {items[1].item_id} does"
    ]
    other = {**json.loads(lines[0]), "question": "Another?"}
    assert not read("judgebench", write_rows(tmp_path / "id.jsonl", [*lines, other]))[1]


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=9))
def test_nine_comparisons_of_a_row_are_one_observation(rows: list[list[bool]]) -> None:
    """By any convention, ``interval`` is Wilson's of ``n`` rows, as docs/evaluation.md says."""
    flat = [ResponseComparison((c, c), preferred=c) for row in rows for c in row]
    of = [number for number, row in enumerate(rows) for _ in row]
    for one in conventions(flat, 2, of):
        value = one.value
        assert (value.n, one.comparisons) == (len(rows), 9 * len(rows))
        assert value.value == pytest.approx(sum(map(sum, rows)) / len(flat), abs=1e-6)
        assert value.value is not None and value.interval == pytest.approx(
            wilson(value.value * len(rows), len(rows)), abs=1e-5
        )

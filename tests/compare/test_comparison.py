"""`judge compare` as a whole: from run folders to tables and files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.compare.comparison import Comparison, compare, write
from judge.compare.config import CompareConfig
from judge.compare.tables import tables
from judge.report.tables import shown
from tests.compare.made import judged, judged_beside, labelled_rows, scored
from tests.scripted import judgments, row, write_rows


def comparison(*runs: Path, **fields: Any) -> Comparison:
    return compare(CompareConfig(runs=tuple(map(str, runs)), **fields))


@pytest.fixture
def input(tmp_path: Path) -> Path:
    rows = labelled_rows(30)
    rows[4]["prompt"] = "REFUSE"
    rows[5]["response_1"] = "NAN"
    rows[6]["response_1"], rows[6]["response_2"] = "TIE", "TIE too"
    return write_rows(tmp_path / "in.jsonl", rows)


@pytest.fixture
def run(input: Path, tmp_path: Path) -> Path:
    return judged_beside(input, tmp_path / "run")


def test_accuracy_is_what_the_files_say(run: Path) -> None:
    found = comparison(run)
    labels = {r["pair_id"]: r["label"] for r in labelled_rows(30)}
    lines = judgments(run)
    right = sum(line["preference"] == labels[line["pair_id"]] for line in lines)
    judge, bt, _, _length = found.accuracy
    assert (judge.system, judge.right, judge.failed) == ("mini", right, 1)
    assert judge.accuracy.n == 30 and judge.failures_left_out.n == 29
    rewarded = [line for line in lines if "bt" in line["rewards"]]
    right = sum(line["scorers"]["bt"]["preference"] == labels[line["pair_id"]] for line in rewarded)
    ties = sum(line["scorers"]["bt"]["preference"] is None for line in rewarded)
    assert (bt.right, bt.ties, bt.failed) == (right, ties, 1) and ties > 0
    assert bt.accuracy.n == 29, "the pair that the judge failed on was never shown to it"
    assert found.labels == "the input of run" and found.labelled == 30


def test_the_longer_response_stands_beside(run: Path) -> None:
    found = comparison(run)
    assert found.systems[-1].kind == "baseline"
    length = found.accuracy[-1]
    rows = labelled_rows(30)
    rows[5]["response_1"] = "NAN"
    rows[6]["response_1"], rows[6]["response_2"] = "TIE", "TIE too"
    earned = 0.0
    for r in rows:
        one, two = len(r["response_1"]), len(r["response_2"])
        longer = "response_1" if one > two else "response_2"
        earned += 0.5 if one == two else longer == r["label"]
    assert length.accuracy.value == pytest.approx(earned / 30, abs=1e-6)


def test_everything_stands_in_the_file_and_the_same_comparison_gives_the_same_bytes(
    run: Path, input: Path, tmp_path: Path
) -> None:
    alone = scored(input, tmp_path / "alone")
    for name in ("one", "two"):
        found = comparison(run, alone, slice=("category",), weights="weight", seed=3)
        write(found, tmp_path / name)
    one, two = (
        [
            (tmp_path / name / file).read_bytes()
            for file in ("comparison.json", "disagreements.jsonl")
        ]
        for name in ("one", "two")
    )
    assert one == two
    written = json.loads(one[0])
    assert "NaN" not in one[0].decode() and "Infinity" not in one[0].decode()
    assert {s["name"] for s in written["systems"]} == {
        "mini", "run:bt", "reg", "alone:bt", "people", "longer response",
    }  # fmt: skip
    assert [s["name"] for s in written["slices"]][-1] == "category"
    assert len(written["tests"]) == 5 * 4 / 2
    assert all(t["weighted_p"] is not None for t in written["tests"])
    assert "queue" not in written
    again = Comparison.model_validate({**written, "queue": []})
    assert again.model_dump(mode="json") == written


def test_relabelling_the_responses_changes_no_figure(tmp_path: Path) -> None:
    """The same pairs with responses, labels and signs exchanged: everything but the sides stays."""
    rows = labelled_rows(40)
    other = {"response_1": "response_2", "response_2": "response_1"}
    turned = [
        {
            **r,
            "response_1": r["response_2"],
            "response_2": r["response_1"],
            "label": other[r["label"]],
        }
        for r in rows
    ]
    one, two = (
        comparison(judged_beside(write_rows(tmp_path / f"{n}.jsonl", of), tmp_path / n))
        for n, of in (("one", rows), ("two", turned))
    )
    assert one.accuracy == two.accuracy
    assert one.tests == two.tests
    assert one.agreement == two.agreement
    assert one.slices == two.slices
    for a, b in zip(one.calibration, two.calibration, strict=True):
        if a.raw is not None and b.raw is not None:
            assert a.raw.ece.value == pytest.approx(b.raw.ece.value, abs=2e-6)
    assert [d.pair_id for d in one.queue] == [d.pair_id for d in two.queue]
    for a, b in zip(one.systems, two.systems, strict=True):
        assert (a.response_1, a.response_2, a.ties) == (b.response_2, b.response_1, b.ties)


def test_labels_from_a_file_and_people_beside_people(run: Path, tmp_path: Path) -> None:
    first = tmp_path / "ours.csv"
    first.write_text("pair_id,label\n" + "".join(f"p{n},1\n" for n in range(20)))
    found = comparison(run, labels=(str(first), "column:label"))
    assert found.reference == "ours" and found.labelled == 20
    assert {s.name for s in found.systems if s.kind == "people"} == {"ours", "label"}
    assert {(c.first, c.second) for c in found.agreement.cells} >= {("ours", "label")}
    of = {m.name: m for m in found.matches}
    assert of[str(first)].matched == 20 and of[str(first)].only_before == 10


def test_labels_of_other_pairs(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("pair_id,label\nx,1\ny,2\n")
    found = comparison(run, labels=(str(file),))
    assert found.labelled == 0
    assert f"{file}: none of its 2 pairs was judged in these runs" in found.notes


def test_without_labels_agreement_and_queue_remain(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(9)])
    found = comparison(judged(input, tmp_path / "a"), scored(input, tmp_path / "b"))
    assert found.labels is None and found.labelled == 0
    assert any("no labels" in note for note in found.notes)
    assert all(a.accuracy.why_not == "no pair has a label" for a in found.accuracy)
    assert found.agreement.cells[0].percent.n == 9
    assert "Accuracy" not in " ".join(table.title for table in tables(found))


def test_one_class_only_and_a_single_pair(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "Why?", "chosen": "So.", "rejected": "No idea at all."}]
    found = comparison(judged(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run"))
    judge = found.accuracy[0]
    assert judge.accuracy.n == 1 and judge.accuracy.interval is not None
    kappa = next(c for c in found.agreement.cells if c.second == "people").kappa
    assert (kappa.value is None) == (kappa.why_not is not None)
    assert found.calibration[0].temperature.why_not == "1 pairs, too few for 5 folds of two"


def test_all_failures(tmp_path: Path) -> None:
    rows = [row(n, prompt=f"REFUSE {n}", label=1) for n in range(3)]
    found = comparison(judged(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run"))
    judge = found.accuracy[0]
    assert (judge.accuracy.value, judge.failures_half.value) == (0.0, 0.5)
    assert judge.failures_left_out.why_not == "all 3 labelled pairs failed"
    assert found.systems[0].failures == {"refused": 3}
    assert found.calibration[0].why_not == "no labelled pair that it answered"
    assert found.queue == []


def printed(found: Comparison) -> str:
    from rich.console import Console

    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    for table in tables(found):
        console.print(shown(table))
    return console.export_text()


def test_the_tables_say_how_things_are_counted(run: Path) -> None:
    text = printed(comparison(run))
    assert "A tie counts half and a failure as wrong" in text
    assert "failures half" in text and "ties wrong" in text
    assert "was not given 1 pairs that the judge failed on" in text
    assert "Accuracy by length ratio" in text and "Disagreements to look at first" in text


def test_names_are_no_markup(tmp_path: Path) -> None:
    rows = [row(n, label=1, source="[red]x[/red]" if n % 2 else "[/]") for n in range(4)]
    text = printed(comparison(judged(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run")))
    assert "[red]x[/red]" in text and "[/]" in text


def invoke(*words: object) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def test_the_command(run: Path, tmp_path: Path) -> None:
    result = invoke(run, "--out", tmp_path / "out", "--slice", "category", "--queue", 3)
    assert result.exit_code == 0, result.output
    assert "Accuracy by category" in result.output
    assert (tmp_path / "out" / "comparison.json").is_file()
    assert len((tmp_path / "out" / "disagreements.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["RUN", "RUN"], "is named twice"),
        (["RUN", "--labels", "nowhere.csv"], "nowhere.csv"),
        (
            ["RUN", "--labels", "column:nothing"],
            "no input of the runs can be read that has a column",
        ),
        (["RUN", "--labels", "column:category"], "column category of 'p0': label is 'even'"),
        (["RUN", "--weights", "nothing"], "no pair has a column nothing"),
        (["RUN", "--weights", "category"], "the weight of 'p0' is 'even'; expected a number"),
        (["RUN", "--queue", "-1"], "queue: Input should be greater than or equal to 0"),
        (["RUN", "--seed", "-1"], "seed: Input should be"),
        (["RUN", "--label-rule", "best"], "best"),
        (["RUN", "--out", "FILE"], "cannot write "),
        (["FILE"], "no such folder"),
        (["=RUN"], "'=RUN' is neither a folder nor NAME=DIR"),
        (["a="], "'a=' is neither a folder nor NAME=DIR"),
        (["a=nowhere"], "nowhere: no such folder"),
        ([""], "'' is neither a folder"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "FILE").write_text("no folder")
    stand_ins = {"RUN": str(run), "FILE": str(tmp_path / "FILE")}
    result = invoke(*(stand_ins.get(word, word) for word in words))
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output


@pytest.mark.shared
def test_the_length_baseline_of_the_real_data(shared: Path, tmp_path: Path) -> None:
    """Choosing the longer response is right on 0.683 of UKPConvArg1, on 0.537 of e-CARE, where of
    two responses of the same length the second is chosen; here each of them counts half."""
    input = shared / "data" / "human_pairs" / "test" / "preference.jsonl.gz"
    found = comparison(scored(input, tmp_path / "run", window=512), label_rule="majority")
    by_source = next(s for s in found.slices if s.name == "source")
    values = {level.name: level.accuracy["longer response"].value for level in by_source.levels}
    assert values["UKPConvArg1"] == pytest.approx(0.683, abs=3e-3)
    assert values["e-CARE"] == pytest.approx(0.537, abs=3e-3)

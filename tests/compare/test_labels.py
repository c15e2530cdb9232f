"""People's labels: from files of ids, from columns, from annotated pairs; and what they decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.compare.labels import (
    Labels,
    labels_of_column,
    labels_of_input,
    read_labels,
)
from judge.compare.metadata import read_metadata
from judge.compare.systems import read_run
from judge.errors import UsageError
from tests.compare.made import judged
from tests.scripted import row, write_rows


def said(labels: Labels) -> dict[str, tuple[str | None, float | None, str | None]]:
    return {
        pair_id: (d.preference, d.strength, d.failure)
        for pair_id, d in labels.people.decisions.items()
    }


def csv(tmp_path: Path, text: str) -> str:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    return str(file)


def test_a_file_of_labels(tmp_path: Path) -> None:
    file = csv(
        tmp_path,
        "pair_id,label,topic\na,1,x\nb,response_2,y\nc,B>A,x\nd,tie,x\ne,,x\nf,neither,x\n",
    )
    found = read_labels(file, columns=["topic"])
    assert said(found) == {
        "a": ("response_1", None, None),
        "b": ("response_2", None, None),
        "c": ("response_2", None, None),
        "d": (None, None, None),
        "e": (None, None, "unlabelled"),
        "f": (None, None, "no_valid_annotation"),
    }
    assert found.metadata["b"].columns == {"topic": "y"}
    assert found.people.kind == "people"


def test_a_file_of_strengths(tmp_path: Path) -> None:
    rows = [{"id": n, "strength": s} for n, s in enumerate([-3, 2, 0, -100, 1])]
    file = write_rows(tmp_path / "labels.jsonl", rows)
    assert said(read_labels(str(file))) == {
        "0": ("response_1", -3, None),
        "1": ("response_2", 2, None),
        "2": (None, 0, None),
        "3": (None, None, "no_valid_annotation"),
        "4": ("response_2", 1, None),
    }


def test_what_the_review_ui_exports(tmp_path: Path) -> None:
    rows = [
        {"pair_id": "a", "label": "response_1", "strength": -2},
        {"pair_id": "b", "label": "tie", "strength": 0},
        {"pair_id": "c", "label": "neither", "strength": -100},
        {"pair_id": "d", "label": "response_2", "strength": 3},
    ]
    assert said(read_labels(str(write_rows(tmp_path / "labels.jsonl", rows)))) == {
        "a": ("response_1", -2, None),
        "b": (None, 0, None),
        "c": (None, None, "no_valid_annotation"),
        "d": ("response_2", 3, None),
    }


def test_a_label_with_a_strength_that_has_no_sign(tmp_path: Path) -> None:
    file = csv(tmp_path, "pair_id,label,strength\na,1,3\nb,2,1\n")
    assert said(read_labels(file)) == {"a": ("response_1", -3, None), "b": ("response_2", 1, None)}


def test_degrees_that_are_all_the_same_are_no_degrees(tmp_path: Path) -> None:
    rows = [row(n, chosen="good", rejected="bad") for n in range(3)]
    for r in rows:
        del r["response_1"], r["response_2"]
    file = write_rows(tmp_path / "pairs.jsonl", rows)
    assert set(said(read_labels(str(file))).values()) == {("response_1", None, None)}


def test_several_people_label_a_pair(tmp_path: Path) -> None:
    """As reviewers' decisions are exported: an id in several rows, one a person."""
    text = "pair_id,label\na,1\na,1\na,2\nb,1\nb,2\nc,2\n"
    assert said(read_labels(csv(tmp_path, text))) == {
        "a": ("response_1", None, None),
        "b": (None, None, None),
        "c": ("response_2", None, None),
    }


def annotated(number: int, strengths: list[int], **fields: Any) -> dict[str, Any]:
    votes = [{"strength": s, "justification": "Why."} for s in strengths]
    return row(number, all_preferences_unprocessed=votes, source="web", **fields)


ANNOTATED = [
    annotated(1, [-3, -2, -2]),
    annotated(2, [-3, -1, 2, 3]),  # the paper's example: a spread of 4 is dropped
    annotated(3, [-1, -1, 1]),  # the paper's other one: 0
    annotated(4, [-3, 3, 3, 3]),
    annotated(5, [-100]),
]


def test_annotated_pairs_by_the_papers_rule(tmp_path: Path) -> None:
    found = read_labels(str(write_rows(tmp_path / "pairs.jsonl", ANNOTATED)))
    assert (
        said(found)
        == {
            "p1": ("response_1", -2, None),
            "p2": (None, None, "spread"),
            "p3": (None, 0, None),
            "p4": ("response_2", 3, None),
            "p5": (None, None, "no_valid_annotation"),
        }
        or said(found)["p1"][1] is None
    )  # one degree alone is none
    metadata = found.metadata["p1"]
    assert metadata.columns["source"] == "web" and metadata.turns == 1
    assert metadata.lengths == (len("First answer 1."), len("Second answer 1."))


def test_annotated_pairs_by_majority(tmp_path: Path) -> None:
    found = read_labels(str(write_rows(tmp_path / "pairs.jsonl", ANNOTATED)), "majority")
    assert [d[0] for d in said(found).values()] == [
        "response_1", None, "response_1", "response_2", None,
    ]  # fmt: skip
    assert {d[1] for d in said(found).values()} == {None}, "votes have no degrees"


def test_what_came_with_the_file_counts_without_annotations(tmp_path: Path) -> None:
    rows = [row(1, preference="tie"), row(2, label=1, strength=3), row(3, label=2, strength=1)]
    found = read_labels(str(write_rows(tmp_path / "pairs.jsonl", rows)))
    assert said(found)["p1"] == (None, 0, None)
    assert said(found)["p2"] == ("response_1", -3, None)


def test_rows_that_cannot_be_read_are_noted(tmp_path: Path) -> None:
    rows = [*ANNOTATED, b"{", row(9, all_preferences_unprocessed=[])]
    found = read_labels(str(write_rows(tmp_path / "pairs.jsonl", rows)))
    assert any("1 x bad_json" in note for note in found.notes)
    assert any("1 x no_annotations" in note for note in found.notes)


def test_labels_of_the_runs_own_input(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "pairs.jsonl", ANNOTATED)
    (judge,) = read_run(judged(input, tmp_path / "run"))
    assert judge.origin is not None
    assert said(labels_of_input(judge.origin)) == said(read_labels(str(input)))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_labels_in_a_column_of_the_runs_input(tmp_path: Path, suffix: str) -> None:
    import pandas

    rows = [row(n, winner_of_3=label) for n, label in enumerate(["a", "b", "tie", ""])]
    input = tmp_path / f"pairs{suffix}"
    if suffix == ".jsonl":
        write_rows(input, rows)
    elif suffix == ".csv":
        pandas.DataFrame(rows).to_csv(input, index=False)
    else:
        pandas.DataFrame(rows).to_parquet(input)
    (judge,) = read_run(judged(input, tmp_path / "run"))
    assert judge.origin is not None
    found = labels_of_column(read_metadata(judge.origin, ["winner_of_3"]), "winner_of_3")
    assert [d[0] for d in said(found).values()] == ["response_1", "response_2", None, None]
    assert said(found)["p3"][2] == "unlabelled"


def test_a_column_called_like_a_strength_holds_strengths(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(n, my_strength=n - 1) for n in range(3)])
    (judge,) = read_run(judged(input, tmp_path / "run"))
    assert judge.origin is not None
    found = labels_of_column(read_metadata(judge.origin, ["my_strength"]), "my_strength")
    assert [d[0] for d in said(found).values()] == ["response_1", None, "response_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair_id,label\na,3\n", "labels.csv line 1: label is '3'; expected one of 1, "),
        ("pair_id,strength\na,7\n", "labels.csv line 1: strength '7', which is not on the scale"),
        ("pair_id,label,strength\na,1,0\n", "labels.csv line 1: label says 1, but strength is 0"),
        ("pair_id,label\n,1\n", "labels.csv line 1: no pair_id"),
        ("pair_id,label\nb,1\na,1,2\n", "line 2: 3 cells, expected the header's 2"),
        ("pair_id,label\na,\n", "no row has a label"),
        ("pair_id,label\n", "has no row that can be read"),
        ("pair_id,verdict\na,1\n", "no row has a known format"),
        ("", "has no header"),
    ],
)
def test_a_bad_labels_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read_labels(csv(tmp_path, text))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_no_such_file() -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_labels("nowhere.csv")


def test_the_labels_file_of_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"pair_id": "a", "label": 1}).encode() + b"\n")
    assert said(read_labels(str(file))) == {"a": ("response_1", None, None)}

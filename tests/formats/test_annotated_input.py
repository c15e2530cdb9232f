"""Files and folders of annotated data: layouts, splits, and every way that they can be bad."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.annotated import AnnotatedPair, Problem, RatedResponse
from judge.errors import UsageError
from judge.formats.annotated import input_files, read_annotated, read_rated
from tests.formats.reading import pairs, problem
from tests.scripted import write_rows

MIB = 1 << 20


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "prompt": f"Question {number}?",
        "response_1": "a",
        "response_2": "b",
        "all_preferences_unprocessed": [{"strength": 1, "justification": "why"}],
        **fields,
    }


def rating(number: int, value: Any = 3) -> dict[str, Any]:
    return {"prompt": f"Question {number}?", "response": "r", "helpfulness": value}


def ids(found: list[Any]) -> list[str]:
    return [r.pair.pair_id if isinstance(r, AnnotatedPair) else r.reason for r in found]


# --- layouts and splits --------------------------------------------------------------------------


@pytest.fixture
def helpsteer2(tmp_path: Path) -> Path:
    """A folder of the layout of nvidia/HelpSteer2."""
    root = tmp_path / "HelpSteer2"
    for folder in ("preference", "disagreements"):
        (root / folder).mkdir(parents=True)
    write_rows(
        root / "preference" / "preference.jsonl.gz", [row(1, split="train"), row(2, split="val")]
    )
    write_rows(root / "train.jsonl.gz", [rating(1), {**rating(1), "response": "s"}])
    write_rows(root / "validation.jsonl.gz", [rating(2)])
    write_rows(root / "disagreements" / "disagreements.jsonl.gz", [rating(1, [1, 2, 3])])
    (root / "preference" / "notes.txt").write_text("no data")
    return root


def test_the_layout_of_helpsteer2(helpsteer2: Path) -> None:
    found = list(read_annotated(str(helpsteer2)))
    assert [(r.pair.pair_id, r.split) for r in found if isinstance(r, AnnotatedPair)] == [
        ("p1", "train"),
        ("p2", "val"),
    ]
    rated = [r for r in read_rated(str(helpsteer2)) if isinstance(r, RatedResponse)]
    assert [(r.split, r.ratings["helpfulness"]) for r in rated] == [
        ("train", (3.0,)),
        ("train", (3.0,)),
        ("val", (3.0,)),
    ]
    lists = list(read_rated(str(helpsteer2), format="disagreements"))
    assert [r.ratings for r in lists if isinstance(r, RatedResponse)] == [
        {"helpfulness": (1.0, 2.0, 3.0)}
    ]
    assert list(read_rated(str(helpsteer2 / "disagreements"))) == lists


@pytest.mark.parametrize("name", ["val", "validation"])
def test_one_split(helpsteer2: Path, name: str) -> None:
    assert ids(list(read_annotated(str(helpsteer2), split=name))) == ["p2"]
    assert len(list(read_rated(str(helpsteer2), split=name))) == 1


def test_the_files_that_are_read(helpsteer2: Path) -> None:
    def names(files: list[Path]) -> list[str]:
        return [file.relative_to(helpsteer2).as_posix() for file in files]

    assert names(input_files(helpsteer2)) == ["preference/preference.jsonl.gz"]
    assert names(input_files(helpsteer2, rated=True)) == [
        "train.jsonl.gz",
        "validation.jsonl.gz",
    ]
    assert names(input_files(helpsteer2, rated=True, format="disagreements")) == [
        "disagreements/disagreements.jsonl.gz"
    ]
    assert names(input_files(str(helpsteer2 / "train.jsonl.gz"))) == ["train.jsonl.gz"]
    assert input_files("nvidia/HelpSteer2") == input_files("-") == []


def test_files_named_preference_go_before_others(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl"):
        write_rows(tmp_path / name, [row(1)])
    assert [f.name for f in input_files(tmp_path)] == ["a.jsonl", "b.jsonl"]
    write_rows(tmp_path / "preference.jsonl", [row(2)])
    assert [f.name for f in input_files(tmp_path)] == ["preference.jsonl"]


def test_splits_by_file_name(tmp_path: Path) -> None:
    """HelpSteer3 says the split in the file's name, RewardBench's files have names of their own."""
    (tmp_path / "preference").mkdir()
    write_rows(tmp_path / "preference" / "train.jsonl.gz", [row(1)])
    write_rows(tmp_path / "preference" / "validation.jsonl.gz", [row(2)])
    found = list(read_annotated(str(tmp_path)))
    assert [r.split for r in found if isinstance(r, AnnotatedPair)] == ["train", "val"]
    for name in ("raw", "filtered"):
        (tmp_path / "data").mkdir(exist_ok=True)
        write_rows(tmp_path / "data" / f"{name}-00000-of-00001.jsonl", [row(3)])
    shutil.rmtree(tmp_path / "preference")
    assert len(list(read_annotated(str(tmp_path), split="filtered"))) == 1
    with pytest.raises(UsageError, match="has no split harmless"):
        list(read_annotated(str(tmp_path), split="harmless"))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO(json.dumps(row(1)).encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    assert ids(list(read_annotated("-"))) == ["p1"]


def test_rows_of_several_formats_in_one_file(tmp_path: Path) -> None:
    arena = {
        "prompt": "q",
        "response_a": "a",
        "response_b": "b",
        "winner": "model_a",
        "id": "arena",
    }
    assert ids(pairs(tmp_path, row(1), arena, {"x": 1})) == ["p1", "arena", "missing_field"]


def test_the_real_data(shared: Path) -> None:
    root = shared / "data" / "human_pairs"
    found = list(read_annotated(str(root)))
    assert not [r for r in found if isinstance(r, Problem)]
    assert [
        sum(r.split == split for r in found if isinstance(r, AnnotatedPair))
        for split in ("train", "val", "test")
    ] == [25161, 2616, 0]
    rated = [r for r in read_rated(str(root)) if isinstance(r, RatedResponse)]
    assert {name for r in rated for name in r.ratings} == {"helpfulness"}
    assert {r.split for r in rated} == {"train", "val"}
    assert len(list(read_annotated(str(root / "test")))) == 2869
    assert len(list(read_rated(str(root / "test")))) == 126


# --- nothing to read -----------------------------------------------------------------------------


def test_nothing_to_read_is_one_line(tmp_path: Path) -> None:
    cases: dict[str, str] = {
        str(tmp_path / "absent"): "no such file or folder",
        str(tmp_path / "absent.jsonl"): "no such file or folder",
        "absent": "no such file or folder",
        str(tmp_path): "holds no preference",
    }
    for name, message in cases.items():
        with pytest.raises(UsageError, match=message) as error:
            list(read_annotated(name))
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="holds no ratings"):
        list(read_rated(str(tmp_path)))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="unknown format; expected"):
        list(read_annotated(str(tmp_path / "notes.txt")))
    with pytest.raises(UsageError, match="has no rows"):
        pairs(tmp_path, b"", b"  ")


def test_rows_of_no_known_format(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no row has a known format; the first has the fields a, b; expected"
    ):
        pairs(tmp_path, {"a": 1, "b": 2}, {"a": 1})
    write_rows(tmp_path / "train.jsonl", [rating(1)])
    with pytest.raises(UsageError, match="fields prompt, response, helpfulness"):
        list(read_annotated(str(tmp_path / "train.jsonl")))


# --- bad input -----------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    "half a line": (b'{"id": "x", "prompt": "Ques', "bad_json", "Unterminated string"),
    "no object": (b"[1]", "wrong_type", "row is a list"),
    "deep": (b"[" * 100_000, "bad_json", "recursion"),
    "latin-1": ('{"prompt": "é"}'.encode("latin-1"), "bad_encoding", "byte 0xe9 at 13"),
    "raw NUL": (b'{"id": "\0"}', "bad_encoding", "NUL at byte 9"),
    "escaped NUL": (row(2, prompt="a\0"), "bad_encoding", "prompt has a NUL at character 2"),
    "surrogate": (row(2, response_1="\ud800"), "bad_encoding", r"response_1 has U\+D800"),
    "surrogate id": (row(2, id="\ud800"), "bad_encoding", "id has"),
    "10 MiB": (b'"' + b"x" * (10 * MIB) + b'"', "line_too_long", "limit is 8,388,608"),
    "twice": (row(1, prompt="other"), "duplicate_id", "'p1' was read before"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_one_problem(tmp_path: Path, name: str) -> None:
    content, reason, detail = BAD[name]
    good, bad, last = pairs(tmp_path, row(1), content, row(3))
    assert (good.pair.pair_id, last.pair.pair_id) == ("p1", "p3")
    assert (bad.file, bad.line, bad.reason) == ("in.jsonl", 2, reason)
    assert len(bad.detail) <= 200
    assert re.search(detail, bad.detail), bad.detail


def test_a_detail_stays_short(tmp_path: Path) -> None:
    found = pairs(tmp_path, row(1), row(1, id="x" * 5000), row(2, id="x" * 5000))
    assert len(problem(found)[2]) == 200


def test_a_long_line_is_never_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "in.jsonl").open("wb") as file:
        for _ in range(64):
            file.write(b"x" * MIB)
        file.write(b"\n" + json.dumps(row(2)).encode())
    tracemalloc.start()
    found = list(read_annotated(str(tmp_path / "in.jsonl")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids(found) == ["line_too_long", "p2"]
    assert peak < 24 * MIB


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_file_gives_its_whole_lines_and_the_others_go_on(
    tmp_path: Path, keep: float
) -> None:
    (tmp_path / "preference").mkdir()
    torn = write_rows(tmp_path / "preference" / "a.jsonl.gz", [row(n) for n in range(2000)])
    torn.write_bytes(torn.read_bytes()[: int(keep * torn.stat().st_size)])
    write_rows(tmp_path / "preference" / "b.jsonl", [row(3000)])
    *whole, broken, last = read_annotated(str(tmp_path))
    assert len(whole) > 100
    assert ids(whole) == [f"p{n}" for n in range(len(whole))]
    assert isinstance(broken, Problem)
    assert (broken.file, broken.reason) == ("preference/a.jsonl.gz", "unreadable")
    assert broken.line == len(whole) + 1
    assert broken.detail.startswith(f"damaged after row {len(whole)}: Compressed file ended")
    assert ids([last]) == ["p3000"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl.gz", b"no gzip"),
        ("a.json", b'[{"id": "x", "pro'),
        ("a.json", b'{"a": 1}'),
        ("a.csv", b""),
        ("a.parquet", b"PAR1"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    write_rows(tmp_path / "b.jsonl", [row(1)])
    broken, last = read_annotated(str(tmp_path))
    assert isinstance(broken, Problem)
    assert (broken.file, broken.reason, len(broken.detail) <= 200) == (name, "unreadable", True)
    assert ids([last]) == ["p1"]
    (tmp_path / "b.jsonl").unlink()
    assert ids(list(read_annotated(str(tmp_path)))) == ["unreadable"]


def test_a_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    found = pairs(tmp_path, b"\xef\xbb\xbf" + json.dumps(row(1)).encode(), b"", b"{", row(2))
    assert ids(found) == ["p1", "bad_json", "p2"]
    assert found[1].line == 3


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """From 2 k to 20 k rows only the ids' hashes grow: 16 to 32 bytes a row."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.jsonl.gz"
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(json.dumps(row(n, prompt="x" * 500)) + "\n" for n in range(count))
        tracemalloc.start()
        assert sum(1 for _ in read_annotated(str(path))) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)
    assert peak(20_000) - peak(2_000) < 2 * MIB


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode))))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """Every record is a row or a problem, in order, between two good ones."""
    noise = [line.replace(b"\n", b" ") for line in lines]
    found = pairs(tmp_path_factory.mktemp("bytes"), row(1), *noise, row(2))
    assert ids([found[0], found[-1]]) == ["p1", "p2"]
    lines_of = [r.line for r in found[1:-1]]
    assert lines_of == sorted(lines_of)
    assert all(isinstance(r, Problem) for r in found[1:-1])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_value_of_a_field_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.mktemp("values")
    for name in row(1):
        assert pairs(folder, row(1, **{name: value})), name

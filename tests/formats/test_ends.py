"""A whole end of an input told from a torn one, in every reader; cells that hold messages."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.annotated import AnnotatedPair, Problem
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from judge.formats.pairs import read_pairs
from judge.formats.sources import doubtful_end, open_source
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Pair
from tests.scripted import row, write_rows

HEADER = "pair_id,prompt,response_1,response_2\n"
MESSAGES = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": 'hello, "you"'},
    {"role": "user", "content": "and?"},
]


def read(path: Path) -> tuple[list[Pair | Failure], str | None]:
    """The rows of a file, and what was said when it broke off."""
    rows: list[Pair | Failure] = []
    try:
        for _, found in read_pairs(open_source(str(path)).records(), IdSet()):
            rows.append(found)
    except UsageError as error:
        return rows, str(error)
    return rows, None


def said(rows: list[Pair | Failure]) -> list[str | None]:
    return [r.reason if isinstance(r, Failure) else r.pair_id for r in rows]


# --- a CSV ---------------------------------------------------------------------------------------


def test_a_quote_that_is_never_closed_breaks_the_file_off(tmp_path: Path) -> None:
    text = HEADER + 'a,q,x,y\nb,q,"torn,y\nc,q,x,y\nd,q,x,y\n'
    (tmp_path / "in.csv").write_text(text)
    rows, damage = read(tmp_path / "in.csv")
    assert said(rows) == ["a"]
    expected = "is damaged after row 1: a quotation mark in the record of line 3 is never closed"
    assert expected in str(damage)
    assert open_source(str(tmp_path / "in.csv")).count() is None
    *found, problem = read_annotated(str(tmp_path / "in.csv"))
    assert [isinstance(item, AnnotatedPair) for item in found] == [True]
    assert isinstance(problem, Problem)
    assert (problem.reason, problem.line) == ("unreadable", 2)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_csv_cut_anywhere_says_so(tmp_path: Path, cut: int) -> None:
    """Wherever it is cut, no row is another one than in the whole file without something said."""
    whole = (HEADER + 'a,q,x,y\nb,"a, ""b""\nc",x,"the last one"\n').encode()
    path = tmp_path / "in.csv"
    path.write_bytes(whole)
    good, damage = read(path)
    assert (said(good), damage) == (["a", "b"], None)
    path.write_bytes(whole[: len(whole) - cut])
    rows, damage = read(path)
    for found, before in zip(rows, good, strict=False):
        same = found == before
        assert same or isinstance(found, Failure) or doubtful_end(open_source(str(path)))
    ended = whole[: len(whole) - cut].endswith(b"a,q,x,y\n")
    told = damage or any(isinstance(r, Failure) for r in rows)
    assert told or len(rows) == 2 or ended or doubtful_end(open_source(str(path)))


def test_a_quote_in_the_middle_costs_its_lines_and_no_more(tmp_path: Path) -> None:
    text = HEADER + 'a,q,"open,y\nb,q,"x",y\nc,q,x,y\nd,"q" ?,x,y\ne,q,x,y\n'
    (tmp_path / "in.csv").write_text(text)
    rows, damage = read(tmp_path / "in.csv")
    assert said(rows) == ["bad_json", "c", "bad_json", "e"]
    assert damage is None
    assert isinstance(rows[0], Failure)
    assert rows[0].detail.startswith("lines 2 to 3: no CSV record: ',' expected after '\"'")


@pytest.mark.parametrize(
    ("end", "doubt"), [("a,q,x,y\n", False), ('a,q,x,"y"', False), ("a,q,x,y", True)]
)
def test_an_end_that_nobody_can_tell_is_said(tmp_path: Path, end: str, doubt: bool) -> None:
    (tmp_path / "in.csv").write_text(HEADER + end)
    source = open_source(str(tmp_path / "in.csv"))
    assert (doubtful_end(source) is not None) == doubt
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress((HEADER + end).encode()))
    assert doubtful_end(open_source(str(tmp_path / "in.csv.gz"))) is None


# --- the other kinds -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in.jsonl", "-"])
def test_a_torn_last_line_is_a_failure_that_says_so(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"".join(json.dumps(row(n)).encode() + b"\n" for n in range(3))
    whole = data.removesuffix(b"\n")
    for content, torn in ((data, False), (whole, False), (whole[:-1], True), (data[:-40], True)):
        path = tmp_path / "in.jsonl"
        path.write_bytes(content)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        rows, damage = read(path if name != "-" else Path("-"))
        assert damage is None
        assert said(rows) == ["p0", "p1", "bad_json" if torn else "p2"]
        if torn:
            assert isinstance(rows[2], Failure)
            assert rows[2].detail.endswith("the input ends in this line: cut off?")


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".csv.gz", ".json.gz", ".json", ".parquet"])
def test_a_file_cut_anywhere_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    rows = [row(n) for n in range(50)]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif "csv" in suffix:
        lines = (",".join(r[name] for name in r) + "\n" for r in rows)
        path.write_bytes(gzip.compress((HEADER + "".join(lines)).encode()))
    elif "json." in suffix or suffix == ".json":
        data = json.dumps(rows).encode()
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    else:
        write_rows(path, rows)
    whole = path.read_bytes()
    good, damage = read(path)
    assert (len(good), damage) == (50, None)
    for keep in (1, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:keep])
        found, damage = read(path)
        assert damage is not None, keep
        assert all(isinstance(r, Pair) for r in found)


# --- messages in a cell --------------------------------------------------------------------------


def cells(path: Path, *rows: dict[str, Any]) -> list[Pair | Failure]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found, damage = read(path)
    assert damage is None
    return found


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_a_cell_with_messages_is_a_conversation(tmp_path: Path, write: Any) -> None:
    [expected] = read(write_rows(tmp_path / "in.jsonl", [row(1, prompt=MESSAGES)]))[0]
    answers = {
        f"response_{n}": write([{"role": "assistant", "content": row(1)[f"response_{n}"]}])
        for n in (1, 2)
    }
    flat = row(1, prompt=write(MESSAGES))
    assert cells(tmp_path / "a.csv", flat) == [expected]
    assert cells(tmp_path / "b.csv", {**flat, **answers}) == [expected]
    [annotated] = read_annotated(str(tmp_path / "b.csv"))
    assert isinstance(annotated, AnnotatedPair)
    assert annotated.pair == expected


def test_one_response_that_is_json_stays_a_text(tmp_path: Path) -> None:
    text = json.dumps(MESSAGES)
    [found] = cells(tmp_path / "in.csv", row(1, response_2=text))
    assert isinstance(found, Pair)
    assert found.response_2 == text


@pytest.mark.parametrize(
    "text", ['{"name": "Ada", "age": 36}', '[{"name": "Ada"}, {"name": "Bob"', '{"role": "admin"}']
)
def test_responses_that_are_json_of_another_kind_stay_texts(tmp_path: Path, text: str) -> None:
    fields = row(1, response_1=text, response_2=f"{text} ", reason='[{"role": "user", "cont')
    [found] = cells(tmp_path / "in.csv", fields)
    assert isinstance(found, Pair)
    assert (found.response_1, found.response_2) == (text, f"{text} ")


def test_a_prompt_that_only_quotes_messages_stays_a_text(tmp_path: Path) -> None:
    text = json.dumps(MESSAGES) + " What is wrong with this request?"
    [found] = cells(tmp_path / "in.csv", row(1, prompt=text))
    assert isinstance(found, Pair)
    assert [m.content for m in found.prompt] == [text]


@pytest.mark.parametrize(
    "cell",
    [
        json.dumps(MESSAGES)[:-30],  # a spreadsheet cuts cells at 32,767 characters
        "[{'role': 'user', 'content': 'hi'}\n {'role': 'user', 'content': 'ho'}]",  # numpy's
        "array([{'role': 'user', 'content': 'hi'}], dtype=object)",
    ],
)
def test_a_cell_that_is_no_whole_list_is_a_failure(tmp_path: Path, cell: str) -> None:
    [found] = cells(tmp_path / "in.csv", row(1, prompt=cell))
    assert isinstance(found, Failure)
    assert found.reason == "wrong_type"
    assert found.detail == "prompt opens like a list of messages, but is not a whole JSON list"

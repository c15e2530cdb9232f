"""Files as programs write them: suffixes, separators and Unicode encodings."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from judge.annotated import AnnotatedPair
from judge.compare.labels import read_labels
from judge.errors import UsageError
from judge.formats.annotated import input_files, read_annotated
from judge.formats.pairs import read_pairs
from judge.formats.sources import doubtful_end, open_source
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Pair
from tests.scripted import row

ROWS = [row(1), row(2, prompt='several\nlines, "quoted"; tabs\tand 日本 😀')]
LINES = b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in ROWS)


def read(path: Path | str) -> list[Pair | Failure]:
    return [found for _, found in read_pairs(open_source(str(path)).records(), IdSet())]


@pytest.fixture
def expected(tmp_path: Path) -> list[Pair | Failure]:
    (tmp_path / "plain.jsonl").write_bytes(LINES)
    found = read(tmp_path / "plain.jsonl")
    assert all(isinstance(pair, Pair) for pair in found)
    return found


def table(separator: str, end: str = "\r\n") -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(ROWS[0]), delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue()


@pytest.mark.parametrize("name", ["in.ndjson", "IN.JSONL", "in.JsonL.GZ", "in.NDJSON.gz"])
def test_every_name_of_json_lines(tmp_path: Path, name: str, expected: list[Pair]) -> None:
    data = gzip.compress(LINES) if name.lower().endswith(".gz") else LINES
    (tmp_path / name).write_bytes(data)
    assert read(tmp_path / name) == expected
    assert open_source(str(tmp_path / name)).count() == 2
    assert [type(row) for row in read_annotated(str(tmp_path / name))] == [AnnotatedPair] * 2


def test_a_gzipped_file_that_is_not_called_so(tmp_path: Path, expected: list[Pair]) -> None:
    (tmp_path / "in.jsonl").write_bytes(gzip.compress(LINES))
    assert read(tmp_path / "in.jsonl") == expected


@pytest.mark.parametrize(
    ("name", "separator"),
    [("in.csv", ","), ("in.csv", ";"), ("in.csv", "\t"), ("in.tsv", "\t"), ("IN.TSV", "\t"),
     ("in.tab", "\t"), ("in.tsv", ",")],
)  # fmt: skip
def test_every_separator(tmp_path: Path, name: str, separator: str, expected: list[Pair]) -> None:
    (tmp_path / name).write_text(table(separator), encoding="utf-8", newline="")
    assert read(tmp_path / name) == expected
    (tmp_path / name).write_text(f"sep={separator}\r\n{table(separator)}", newline="")
    assert read(tmp_path / name) == expected


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "csv.gz"])
def test_every_unicode_encoding(
    tmp_path: Path, encoding: str, kind: str, expected: list[Pair]
) -> None:
    text = {"jsonl": LINES.decode(), "json": json.dumps(ROWS, ensure_ascii=False)}.get(
        kind, table("\t" if kind == "tsv" else ",")
    )
    data = text.encode(encoding)
    path = tmp_path / f"in.{kind}"
    path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)
    assert read(path) == expected
    assert open_source(str(path)).count() == 2
    assert doubtful_end(open_source(str(path))) is None


def test_a_long_file_in_utf_16_is_read_in_pieces(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row(n, prompt="é" * 5000)) + "\n" for n in range(200))
    (tmp_path / "in.jsonl").write_bytes(codecs.BOM_UTF16_LE + lines.encode("utf-16-le"))
    assert [pair.pair_id for pair in read(tmp_path / "in.jsonl")] == [f"p{n}" for n in range(200)]


def test_utf_16_that_ends_inside_a_character_is_damaged(tmp_path: Path) -> None:
    data = LINES.decode().encode("utf-16")
    (tmp_path / "in.jsonl").write_bytes(data[:-1])
    records = open_source(str(tmp_path / "in.jsonl")).records()
    with pytest.raises(UsageError, match="ends in the middle of a character"):
        list(records)


def test_half_a_surrogate_pair_costs_its_row(tmp_path: Path) -> None:
    good = (json.dumps(row(1)) + "\n").encode("utf-16-le")
    torn = json.dumps(row(2)).replace("Question", "?").encode("utf-16-le")
    torn = torn.replace("?".encode("utf-16-le"), b"\x00\xd8", 1) + "\n".encode("utf-16-le")
    (tmp_path / "in.jsonl").write_bytes(codecs.BOM_UTF16_LE + good + torn + good)
    found = read(tmp_path / "in.jsonl")
    assert [getattr(f, "reason", None) for f in found] == [None, "bad_encoding", "duplicate_id"]


def test_what_powershell_pipes(monkeypatch: pytest.MonkeyPatch, expected: list[Pair]) -> None:
    data = io.BytesIO(LINES.decode().encode("utf-16"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    assert read("-") == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("in.xlsx", "save it as CSV"),
        ("in.JSONL.zst", "unpack it"),
        ("in.zip", "unpack it"),
        ("in.txt", "name it after what it holds"),
        ("in.feather", "write it as Parquet"),
    ],
)
def test_another_kind_of_file_says_what_to_do(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=rf"unknown format; expected .jsonl .*; {hint}$"):
        open_source(str(tmp_path / name))


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = "prompt,response_1,response_2,response_1\nq,a,b,c\n"
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(UsageError, match="has two columns response_1; expected every name once"):
        read(tmp_path / "in.csv")


def test_labels_and_folders_know_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "labels.TSV").write_text("pair_id\tlabel\np1\t1\n")
    found = read_labels(str(tmp_path / "labels.TSV"))
    assert found.people.decisions["p1"].preference == "response_1"
    folder = tmp_path / "preference"
    folder.mkdir()
    for name in ("a.NDJSON", "b.tsv", "c.txt"):
        (folder / name).write_bytes(LINES)
    assert [file.name for file in input_files(tmp_path)] == ["a.NDJSON", "b.tsv"]

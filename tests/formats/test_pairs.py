"""Reading pairs: every format and field name, and every way a row can be bad."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.errors import UsageError
from judge.formats.lines import LONGEST_LINE
from judge.formats.pairs import find_pairs, read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Message, Pair
from tests.scripted import row, write_rows

MIB = 1 << 20


def read(name: Path | str, **options: Any) -> list[tuple[int, Pair | Failure]]:
    return list(read_pairs(open_source(str(name), **options).records(), IdSet()))


def one(path: Path, content: dict[str, Any] | bytes) -> Pair | Failure:
    """What becomes of a row between two good ones, which must not suffer from it."""
    rows = read(write_rows(path / "in.jsonl", [row(1), content, row(3)]))
    assert [line for line, _ in rows] == [1, 2, 3]
    assert isinstance(rows[0][1], Pair)
    assert isinstance(rows[2][1], Pair)
    return rows[1][1]


# --- formats -------------------------------------------------------------------------------------


def test_every_format_gives_the_same_pairs(tmp_path: Path) -> None:
    rows = [row(1), row(2, prompt='several\nlines, "quoted", and 日本')]
    write_rows(tmp_path / "in.jsonl", rows)
    write_rows(tmp_path / "in.jsonl.gz", rows)
    (tmp_path / "in.json").write_text(json.dumps(rows), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    header = "pair_id,prompt,response_1,response_2,label\r\n"
    quoted = '"several\r\nlines, ""quoted"", and 日本"'.replace("\r\n", "\n")
    (tmp_path / "in.csv").write_bytes(
        "\ufeff".encode()
        + header.encode()
        + b"p1,Question 1?,First answer 1.,Second answer 1.,x\r\n\r\n"
        + f"p2,{quoted},First answer 2.,Second answer 2.,\r\n".encode()
    )
    expected = read(tmp_path / "in.jsonl")
    assert [line for line, _ in expected] == [1, 2]
    for name in ("in.jsonl.gz", "in.json", "in.parquet", "in.csv"):
        assert read(tmp_path / name) == expected, name
        assert open_source(str(tmp_path / name)).count() == 2


def test_stdin_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\n" + json.dumps(row(1)).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    [(line, pair)] = read("-")
    assert line == 2
    assert isinstance(pair, Pair)


def test_a_byte_order_mark_and_crlf_are_no_content(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(row(1)).encode() + b"\r\n\r\n")
    [(_, pair)] = read(tmp_path / "in.jsonl")
    assert isinstance(pair, Pair)


def fake_datasets(monkeypatch: pytest.MonkeyPatch, load: Any) -> list[Any]:
    """Stand in for the hub's client; return the calls to it."""
    calls: list[Any] = []

    def load_dataset_builder(path: str, **options: Any) -> Any:
        calls.append((path, options))
        rows = load(path)
        return SimpleNamespace(hash="c0ffee", as_streaming_dataset=lambda: rows)

    module = ModuleType("datasets")
    module.load_dataset_builder = load_dataset_builder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_a_hub_data_set_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_datasets(
        monkeypatch,
        lambda path: (
            {"train": iter([row(1)]), "test": iter([row(2)])}
            if "two" in path
            else {"train": iter([row(1)])}
        ),
    )
    [(line, pair)] = read("nvidia/HelpSteer2/preference", split="train", subset="s")
    assert line == 1
    assert isinstance(pair, Pair)
    name, options = calls[0]
    assert name == "nvidia/HelpSteer2"
    assert options == {"name": "s", "data_dir": "preference", "revision": None}
    assert (
        read("owner/two", split="test", revision="v2")[0][1]
        == read("owner/two", split="test")[0][1]
    )
    assert calls[1][1]["revision"] == "v2"
    with pytest.raises(UsageError, match="has splits train, test; choose with --split"):
        read("owner/two")
    with pytest.raises(UsageError, match="has no split dev; it has train, test"):
        read("owner/two", split="dev")


def test_a_hub_data_set_that_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Any:
        yield row(1)
        raise ConnectionError("reset\nby peer")

    fake_datasets(monkeypatch, lambda path: {"train": rows()})
    records = open_source("owner/name").records()
    assert next(records).line == 1
    with pytest.raises(UsageError, match="owner/name is damaged after row 1: reset by peer"):
        next(records)


def test_what_is_neither_a_file_nor_on_the_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: str) -> Any:
        raise ConnectionError("cannot\nreach the hub")

    fake_datasets(monkeypatch, load)
    with pytest.raises(UsageError, match=r"neither a file nor a data set .*cannot reach the hub"):
        read("owner/name")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jsonl", None, "cannot read .*No such file"),
        ("in.txt", b"", "unknown format; expected .jsonl"),
        ("in.json", b'{"a": 1}\n{"a": 2}', "is not valid JSON .JSON lines. name it .jsonl"),
        ("in.json", b'{"a": 1}', "holds dict; expected an array"),
        ("in.parquet", b"PAR1", "is not a Parquet file"),
        ("in.csv", b"", "has no header"),
        ("in.csv", b"a,b\n1,2\n", "columns a, b; expected prompt, response_1, response_2"),
        ("in.jsonl.gz", b"no gzip", "is damaged after row 0: Not a gzipped file"),
    ],
)
def test_an_unreadable_input_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_damaged_gzip_gives_the_whole_lines_before_the_damage(
    tmp_path: Path, keep: float
) -> None:
    path = write_rows(tmp_path / "in.jsonl.gz", [row(n) for n in range(2000)])
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    records = []
    with pytest.raises(UsageError) as error:
        for record in open_source(str(path)).records():
            records.append(record)
    assert len(records) > 100
    assert f"is damaged after row {len(records)}:" in str(error.value)
    assert all(json.loads(record.row) for record in records)  # type: ignore[arg-type]


# --- names of fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 7, "prompt": "p", "response_1": "a", "response_2": "b", "preference_strength": 2},
        {"id": 7, "prompt": "p", "chosen": "a", "rejected": "b", "subset": "math-prm"},
        {"pair_id": "7", "question": "p", "response_A": "a", "response_B": "b", "label": "A>B"},
        {
            "id": "7",
            "prompt": [{"role": "user", "content": "p"}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        },
    ],
)
def test_every_schema_gives_the_same_pair(tmp_path: Path, fields: dict[str, Any]) -> None:
    expected = Pair(
        pair_id="7", prompt=(Message(role="user", content="p"),), response_1="a", response_2="b"
    )
    assert one(tmp_path, fields) == expected


def test_turns_of_a_prompt(tmp_path: Path) -> None:
    marked = "hi\n<extra_id_1>Assistant\nhello\n<extra_id_1>User\nand?"
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "and?"},
    ]
    a, b = one(tmp_path, row(2, prompt=marked)), one(tmp_path, row(2, prompt=messages))
    assert isinstance(a, Pair)
    assert a == b
    assert [m.role for m in a.prompt] == ["user", "assistant", "user"]


@pytest.mark.parametrize("absent", [{}, {"pair_id": None}, {"pair_id": "", "id": None}])
def test_a_row_without_an_id_is_called_by_its_line(tmp_path: Path, absent: dict[str, Any]) -> None:
    fields = row(2)
    del fields["pair_id"]
    pair = one(tmp_path, {**fields, **absent})
    assert isinstance(pair, Pair)
    assert pair.pair_id == "row-2"


def test_pairs_are_found_by_id(tmp_path: Path) -> None:
    source = open_source(str(write_rows(tmp_path / "in.jsonl", [row(n) for n in range(9)])))
    assert list(find_pairs(source, {"p5", "p2"})) == ["p2", "p5"]


# --- bad rows ------------------------------------------------------------------------------------

LONE_SURROGATE = b'{"pair_id": "x", "prompt": "q", "response_1": "\\ud800", "response_2": "b"}'
BAD: dict[str, tuple[dict[str, Any] | bytes, str, str | None, str]] = {
    "torn json": (b'{"pair_id": "x', "bad_json", None, "Unterminated string .* at character 13"),
    "deep json": (b"[" * 100_000, "bad_json", None, "recursion"),
    "long number": (b'{"a": ' + b"1" * 5000 + b"}", "bad_json", None, "digits"),
    "no object": (b"[1]", "wrong_type", None, "row is a list, expected an object"),
    "missing": (
        {"pair_id": "x", "prompt": "q"},
        "missing_field",
        "x",
        "no response_1, response_2;",
    ),
    "missing chosen": (
        {"id": "x", "prompt": "q", "rejected": "b"},
        "missing_field",
        "x",
        "no chosen; expected .* or prompt, chosen, rejected",
    ),
    "number": (row(2, response_1=3), "wrong_type", "p2", "response_1 is a number, expected text"),
    "null": (row(2, response_2=None), "wrong_type", "p2", "response_2 is null, expected text"),
    "id": (row(2, pair_id=["x"]), "wrong_type", None, "pair_id is a list, expected text"),
    "boolean id": (row(2, pair_id=True), "wrong_type", None, "pair_id is true or false"),
    "white space": (row(2, response_1=" \n\t"), "empty_response", "p2", "response_1 is white sp"),
    "empty": (row(2, response_2=""), "empty_response", "p2", "response_2 is empty"),
    "identical": (
        row(2, response_1="same", response_2="same"),
        "identical_responses",
        "p2",
        "response_1 and response_2 are the same text",
    ),
    "duplicate": (row(1), "duplicate_id", "p1", "id 'p1' was used before; expected once"),
    "latin-1": ('{"prompt": "é"}'.encode("latin-1"), "bad_encoding", None, "byte 0xe9 at 13 of"),
    "surrogate": (LONE_SURROGATE, "bad_encoding", "x", r"response_1 has U\+D800 at character 1"),
    "surrogate id": (row(2, pair_id="\ud800"), "bad_encoding", None, "pair_id has"),
    "raw NUL": (b'{"pair_id": "x\0"}', "nul_character", None, "NUL at byte 15 of the line"),
    "escaped NUL": (row(2, prompt="a\0"), "nul_character", "p2", "prompt has a NUL at character 2"),
    "long line": (
        b'"' + b"x" * (10 * MIB - 2) + b'"',
        "line_too_long",
        None,
        "10,485,760 bytes; the limit is 8,388,608",
    ),
    "empty prompt": (row(2, prompt="  "), "bad_prompt", "p2", "prompt is empty text"),
    "no messages": (row(2, prompt=[]), "bad_prompt", "p2", "an empty list, expected messages"),
    "assistant last": (
        row(2, prompt="a\n<extra_id_1>Assistant\nb"),
        "bad_prompt",
        "p2",
        "the last message is from the assistant, expected the user",
    ),
    "role": (
        row(2, prompt=[{"role": "narrator", "content": "x"}]),
        "bad_prompt",
        "p2",
        "prompt has the role 'narrator', expected system, developer, user, assistant, tool",
    ),
    "no user": (
        row(2, prompt=[{"role": "tool", "content": "x"}]),
        "bad_prompt",
        "p2",
        "prompt has no message from the user",
    ),
    "parts": (
        row(2, prompt=[{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]),
        "bad_prompt",
        "p2",
        "prompt has a part of the type 'image_url'; a judge of texts sees text parts",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_one_failure(tmp_path: Path, name: str) -> None:
    content, reason, pair_id, detail = BAD[name]
    failure = one(tmp_path, content)
    assert isinstance(failure, Failure)
    assert (failure.line, failure.reason, failure.pair_id) == (2, reason, pair_id)
    assert "\n" not in failure.detail
    assert re.search(detail, failure.detail), failure.detail


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    frame = json.dumps(row(2, prompt=""))
    line = json.dumps(row(2, prompt="x" * (LONGEST_LINE - len(frame)))).encode()
    assert len(line) == LONGEST_LINE
    assert isinstance(one(tmp_path, line), Pair)
    assert isinstance(one(tmp_path, line + b" "), Failure)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_overlong_line_is_never_in_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in.jsonl{suffix}"
    with (gzip.open if suffix else open)(path, "wb") as file:
        for _ in range(100):
            file.write(b"x" * MIB)
        file.write(b"\n" + json.dumps(row(2)).encode())
    tracemalloc.start()
    (_, failure), (line, pair) = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(failure, Failure)
    assert failure.detail.startswith("104,857,600 bytes")
    assert line == 2
    assert isinstance(pair, Pair)
    assert peak < 24 * MIB


CSV_HEADER = b"pair_id,prompt,response_1,response_2\n"


def csv_reasons(path: Path, *rows: bytes) -> list[str | None]:
    (path / "in.csv").write_bytes(CSV_HEADER + b"\n".join(rows) + b"\n")
    return [r.reason if isinstance(r, Failure) else None for _, r in read(path / "in.csv")]


def test_bad_rows_of_a_csv(tmp_path: Path) -> None:
    reasons = csv_reasons(
        tmp_path, b"a,q,x", b"b,q,\xff,y", b"c,q,,y", b"d,q,x\0,y", b"e,q,x,y", b"f,q,x,y,z"
    )
    assert reasons == [
        "wrong_type",
        "bad_encoding",
        "empty_response",
        "nul_character",
        None,
        "wrong_type",
    ]


@pytest.mark.parametrize("quotes", [0, 1, 2])
def test_an_overlong_line_of_a_csv_spoils_its_own_record_only(tmp_path: Path, quotes: int) -> None:
    """A quote that opens in the overlong line closes on the next one, as the file means it."""
    long = b"a,q," + b'"' * min(quotes, 1) + b"x" * (9 * MIB)
    rows = {0: [long + b",y"], 1: [long, b'end",y'], 2: [long + b'",y']}[quotes]
    assert csv_reasons(tmp_path, *rows, b"b,q,x,y") == ["line_too_long", None]


def test_a_csv_quote_that_never_closes_stays_in_bounded_memory(tmp_path: Path) -> None:
    filler = b"\n".join([b"z" * 1000] * (20 * 1024))
    tracemalloc.start()
    reasons = csv_reasons(tmp_path, b'a,q,"x,y', filler)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "line_too_long" in reasons
    assert peak < 140 * MIB  # most of it this test's own copy of the file


def test_bad_rows_of_a_json_array(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(json.dumps([row(1), 3, row(2, response_1="x" * 9 * MIB)]))
    reasons = [r.reason if isinstance(r, Failure) else None for _, r in read(tmp_path / "in.json")]
    assert reasons == [None, "wrong_type", "line_too_long"]


def test_a_text_of_a_parquet_file_that_is_no_utf8(tmp_path: Path) -> None:
    good = pa.array(["a", "b", "c"])
    broken = pa.array([b"x", b"\xff", b"z"], pa.binary()).view(pa.string())
    table = pa.table({"prompt": good, "response_1": broken, "response_2": good, "label": good})
    pq.write_table(table, tmp_path / "in.parquet")
    rows = [r for _, r in read(tmp_path / "in.parquet")]
    assert [r.reason if isinstance(r, Failure) else r.pair_id for r in rows] == [
        "row-1",
        "bad_encoding",
        "row-3",
    ]

"""The run folder: identity, torn tails, the lock, reading back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import UsageError
from judge.idset import IdSet
from judge.infer.batch import run
from judge.runs.folder import RunDir, read_failures, read_judgments
from judge.runs.index import RunIndex
from judge.runs.jsonlines import encode_line, repair_tail
from tests.scripted import config, engine, row, write_rows

IDENTITY = {"model": "mini", "seed": 0}


def begun(path: Path) -> RunDir:
    folder = RunDir.open(path)
    folder.begin({"model": "mini"}, IDENTITY)
    return folder


def test_the_same_configuration_goes_on(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with RunDir.open(tmp_path) as folder:
        folder.check(IDENTITY)


def test_another_configuration_is_refused_and_its_fields_are_named(tmp_path: Path) -> None:
    begun(tmp_path).close()
    before = (tmp_path / "config.json").read_bytes()
    with RunDir.open(tmp_path) as folder, pytest.raises(UsageError) as error:
        folder.check({"model": "big", "seed": 1})
    assert 'model is "mini" there, "big" now; seed is 0 there, 1 now' in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    with begun(tmp_path), pytest.raises(UsageError, match=f"in use .*pid {os.getpid()}"):
        RunDir.open(tmp_path)
    RunDir.open(tmp_path).close()


def test_a_folder_made_for_a_run_that_never_began_is_removed(tmp_path: Path) -> None:
    RunDir.open(tmp_path / "run").close()
    assert not (tmp_path / "run").exists()


def test_results_without_a_configuration_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "judgments.jsonl").write_text("mine\n")
    with pytest.raises(UsageError, match=r"judgments.jsonl but no config.json"):
        RunDir.open(tmp_path)


def test_a_damaged_configuration_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1")
    with pytest.raises(UsageError, match=r"config.json is unreadable; .*--fresh"):
        RunDir.open(tmp_path)
    RunDir.open(tmp_path, fresh=True).close()


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot use the run folder"):
        RunDir.open(tmp_path / "file")


def test_fresh_removes_nothing_before_the_run_begins(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.append([b'{"line": 1, "pair_id": null}\n'], [b'{"pair_id": "a"}\n'])
    folder.close()
    (tmp_path / "notes.txt").write_text("mine")
    with RunDir.open(tmp_path, fresh=True) as folder:
        assert folder.scan(8).judged == 0
        assert (tmp_path / "judgments.jsonl").read_bytes() == b'{"pair_id": "a"}\n'
        folder.begin({"model": "big"}, {"model": "big"})
    assert (tmp_path / "judgments.jsonl").read_bytes() == b""
    assert json.loads((tmp_path / "config.json").read_bytes())["identity"] == {"model": "big"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


@given(st.lists(st.text(), max_size=4), st.binary(max_size=80))
def test_a_torn_tail_is_cut_after_the_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("tail") / "rows.jsonl"
    whole = b"".join(encode_line({"pair_id": pair_id}) for pair_id in ids)
    tail = torn.replace(b"\n", b"").replace(b"{", b"")
    for newline in (b"", b"\n"):
        path.write_bytes(whole + tail + newline)
        repair_tail(path)
        assert path.read_bytes() == whole


def test_a_tail_longer_than_the_search_block(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"x" * 200_000)
    repair_tail(path)
    assert path.read_bytes() == b'{"a": 1}\n'


def test_damage_before_the_tail_is_not_passed_over(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (tmp_path / "judgments.jsonl").write_bytes(b'{"pair_id": "a"}\n\0\0\0\n{"pair_id": "b"}\n')
    with pytest.raises(UsageError, match=r"line 2 of .*judgments.jsonl is damaged"):
        folder.scan(8)
    folder.close()


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (tmp_path / "failures.jsonl").unlink()
    (tmp_path / "failures.jsonl").symlink_to("/dev/full")
    with pytest.raises(UsageError, match=r"No space left on device; .* to continue"):
        folder.append([b"{}\n"], [])
    folder.close()


def test_readers_give_back_what_was_judged(tmp_path: Path) -> None:
    rows = [row(1, pair_id='qu"ote\\ 日本'), row(2, response_1=" "), row(3)]
    run(config(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run"), engine)
    assert [j.pair_id for j in read_judgments(tmp_path / "run")] == ['qu"ote\\ 日本', "p3"]
    assert [(f.line, f.reason) for f in read_failures(tmp_path / "run")] == [(2, "empty_response")]
    with open(tmp_path / "run" / "judgments.jsonl", "ab") as file:
        file.write(b'{"pair_id": "to')
    assert len(list(read_judgments(tmp_path / "run"))) == 2
    with pytest.raises(UsageError, match="cannot read"):
        list(read_judgments(tmp_path))


def test_the_kept_lines_are_settled_from_the_front() -> None:
    recorded = RunIndex(keep=2)
    recorded.add_judgments((number, 0, b"j%d" % number) for number in range(4))
    recorded.add_failures((number, number + 1, None) for number in range(4))
    assert (recorded.judged, len(recorded.judgments), len(recorded.seen)) == (4, 2, 2)
    assert recorded.failed_between(2, 3) == 2
    recorded.settle(judgments=1, failures=0)
    assert [line.pair_id for line in recorded.judgments] == ["j3"]
    assert not recorded.seen.add("j2")
    assert recorded.seen.add("j3")


@given(st.lists(st.text(max_size=3), max_size=200))
def test_an_id_set_is_a_set(ids: list[str]) -> None:
    compact, plain = IdSet(), set[str]()
    for pair_id in ids:
        assert compact.add(pair_id) == (pair_id not in plain)
        plain.add(pair_id)
    assert len(compact) == len(plain)


def test_an_id_set_grows() -> None:
    ids = IdSet()
    assert all(ids.add(str(number)) for number in range(20_000))
    assert not any(ids.add(str(number)) for number in range(20_000))

"""Run folders and training sets that were cut after a line: no line is torn, rows are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge.compare.systems import read_run
from judge.errors import UsageError
from judge.runs.completeness import check_run, check_set, is_complete
from judge.train.checkpoints.manifest import read_data_manifest
from tests.compare.made import judged
from tests.scripted import row, write_rows


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [row(1), row(2, response_1=""), row(3), row(4, response_1=""), row(5)]
    return judged(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run")


@pytest.mark.parametrize(("name", "keep"), [("judgments.jsonl", 2), ("failures.jsonl", 1)])
@pytest.mark.parametrize("torn", [b"", b'{"pair_id": "p'])
def test_a_complete_run_that_lost_rows_is_refused(
    run: Path, name: str, keep: int, torn: bytes
) -> None:
    assert is_complete(run)
    lines = (run / name).read_bytes().splitlines(keepends=True)
    (run / name).write_bytes(b"".join(lines[:keep]) + torn)
    with pytest.raises(UsageError, match=rf"{name} is cut: {keep} whole rows, .* {keep + 1};"):
        read_run(run)


def test_a_run_that_was_stopped_is_known_as_such(run: Path) -> None:
    (run / "summary.json").unlink()
    [system] = read_run(run)
    assert system.origin is not None
    assert not system.origin.complete
    summary = {"complete": False, "judged": 99, "failed": 0}
    (run / "summary.json").write_text(json.dumps(summary))
    assert not is_complete(run)
    check_run(run)


def test_a_training_set_that_lost_rows_is_refused(prepared: Path, tmp_path: Path) -> None:
    manifest = read_data_manifest(prepared)
    for name in manifest.outputs or {}:
        (tmp_path / name).write_bytes((prepared / name).read_bytes())
    check_set(tmp_path, manifest)
    lines = (tmp_path / "train.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "train.jsonl").write_bytes(b"".join(lines[:-1]))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest.model_dump()))
    with pytest.raises(UsageError, match=r"train.jsonl is cut: .*; prepare the set again"):
        read_data_manifest(tmp_path)

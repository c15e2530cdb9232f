"""`judge batch` against a scripted server in processes of their own: memory, kills, every row."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def volume() -> Any:
    """The benchmark; a dependency of ours has a package that is called as its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("server_volume")


def test_memory_does_not_grow_with_the_rows(volume: Any, tmp_path: Path) -> None:
    """And every row is there once, in order, after two starts: ``measure`` checks it."""
    found = []
    for rows in (1_100, 4_100):  # whole windows in both
        (tmp_path / str(rows)).mkdir()
        found.append(volume.measure(rows, tmp_path / str(rows), "verdict"))
    few, many = found
    assert many.memory < 300
    assert many.memory - few.memory < 15


def test_no_row_is_lost_or_doubled_when_runs_are_killed(volume: Any, tmp_path: Path) -> None:
    rows, out = 600, tmp_path / "run"
    volume.write_pairs(tmp_path / "pairs.jsonl", rows)
    command = [sys.executable, "-m", "judge.cli", "batch", str(tmp_path / "pairs.jsonl")]
    command += ["--out", str(out), "--engine", "server", "--model", "judge", "--tokenizer", "mini"]
    command += ["--mode", "verdict", "--window", "16", "--url"]
    with volume.scripted_server() as url:
        for wanted in (100, 300):
            process = subprocess.Popen(
                [*command, url], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while lines(out) < wanted and process.poll() is None:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert wanted <= lines(out) < rows
        done = subprocess.run([*command, url], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "going on after" in done.stderr
    volume.check(out, rows)


def lines(out: Path) -> int:
    file = out / "judgments.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0

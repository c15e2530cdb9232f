"""`judge data prepare` as a command: its flags, its screen, its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app


def rows(number: int, *strengths: int) -> str:
    row = {
        "prompt": f"Question {number}?",
        "response_1": "one",
        "response_2": "two",
        "all_preferences_unprocessed": [
            {"strength": s, "justification": "@Response 2 is better. It is so."} for s in strengths
        ],
    }
    return json.dumps(row) + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        rows(0, 2, 2) + rows(1, 1) + rows(2, -3, -1, 2, 3) + rows(3, 1, 2, 3, -3) + "{\n"
    )
    return path


def prepare(source: Path, *options: str) -> tuple[Result, dict[str, Any]]:
    out = source.parent / "out"
    command = ["data", "prepare", str(source), "--out", str(out), "--fresh", *options]
    result = CliRunner().invoke(app, command)
    manifest = out / "manifest.json"
    return result, json.loads(manifest.read_bytes()) if manifest.exists() else {}


def test_the_screen_shows_problems_and_what_was_dropped(source: Path) -> None:
    result, manifest = prepare(source)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert "problems: bad_json │ 1" in shown
    assert "dropped: spread │ 1" in shown
    assert manifest["problems"]["listed"][0]["line"] == 5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"similar": 3, "max_spread": 2, "kind": "justifier", "keep_zeros": None}),
        (["--no-spread-filter"], {"max_spread": None, "similar": 3}),
        (["--all-annotations"], {"max_spread": 2, "similar": None}),
        (["--similar", "2", "--max-spread", "0"], {"similar": 2, "max_spread": 0}),
        (["--keep-zeros"], {"keep_zeros": True}),
        (["--set", "all", "--drop-zeros"], {"keep_zeros": False, "justifications": "all"}),
        (["--kind", "preference"], {"kind": "preference", "origin": "annotations"}),
        (["--val-share", "0.5"], {"val_share": 0.5}),
    ],
)
def test_flags_become_options(source: Path, options: list[str], expected: dict[str, Any]) -> None:
    result, manifest = prepare(source, *options)
    assert result.exit_code == 0, result.output
    assert expected.items() <= manifest["options"].items()


def test_ratings(tmp_path: Path) -> None:
    source = tmp_path / "train.jsonl"
    helpfulness = ([0, 0, 0, 0, 4], [3, 3, 4], [1, 2, 4], [2])
    source.write_text(
        "".join(
            json.dumps({"prompt": f"{n // 2}", "response": f"text {n}", "helpfulness": values})
            + "\n"
            for n, values in enumerate(helpfulness)
        )
    )
    flags = ["--kind", "regression", "--attributes", "helpfulness", "--round-ratings"]
    result, manifest = prepare(source, *flags, "--val-share", "0")
    assert result.exit_code == 0, result.output
    kept = [json.loads(s) for s in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert sorted(row["helpfulness"] for row in kept) == [0.0, 2.0, 3.0]
    result, manifest = prepare(
        source, "--kind", "preference", "--from", "ratings", "--val-share", "0"
    )
    assert manifest["sides"]["train"]["margins"] == {"3.33": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strict"], "pairs.jsonl, line 5: bad_json"),
        (["--similar", "3", "--all-annotations"], "--all-annotations and --similar cannot be used"),
        (["--max-spread", "3", "--no-spread-filter"], "--no-spread-filter and --max-spread"),
        (["--kind", "regression", "--set", "all"], "justifications has no meaning"),
        (["--val-share", "1"], "--val-share: "),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(
    source: Path, options: list[str], message: str
) -> None:
    result, _ = prepare(source, *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not (source.parent / "out").exists()


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    source, out = tmp_path / "pairs.jsonl", tmp_path / "out"
    source.write_text("".join(rows(n, 2) for n in range(40_000)))
    command = [sys.executable, "-m", "judge.cli", "data", "prepare", str(source), "--out", str(out)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        # A background job of a shell ignores SIGINT, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (out / ".unfinished" / "63.spill").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not out.exists()

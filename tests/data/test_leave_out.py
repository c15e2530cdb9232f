"""`judge data prepare --leave-out`: rows that `judge data check` found are not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.data.checks.findings import CHECKS
from judge.data.leave_out import UNUSED, read_findings
from judge.exits import USAGE

SAYS = "@Response 2 is better. It is so."


def row(name: str, response_2: str = "two", prompt: str | None = None, split: str = "train") -> str:
    fields = {
        "id": name,
        "split": split,
        "prompt": prompt or f"A question that is about {name}?",
        "response_1": f"one for {name}",
        "response_2": response_2,
        "all_preferences_unprocessed": [{"strength": 2, "justification": SAYS}] * 3,
    }
    return json.dumps(fields) + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        row("a") + row("b", "write to jo.arnold@norvent.com") + row("c") + row("d") + row("e")
    )
    return path


def judge(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def prepared(source: Path, *options: Any, **more: Any) -> tuple[list[str], dict[str, int]]:
    """Prompts of the training set, and what was dropped of all sides."""
    out = source.parent / "out"
    kind = ("--kind", "preference", "--val-share", "0.0")
    result = judge("prepare", source, "--out", out, "--fresh", *kind, *options)
    assert result.exit_code == 0, result.output
    lines = (out / "train.jsonl").read_text().splitlines()
    dropped: dict[str, int] = {}
    manifest = json.loads((out / "manifest.json").read_bytes())
    for side in manifest["sides"].values():
        for pairs in side["pairs"].values():
            for rule, count in pairs["dropped"].items():
                dropped[rule] = dropped.get(rule, 0) + count
    return sorted(lines), dropped


def findings(folder: Path, *found: tuple[str, list[str]]) -> Path:
    path = folder / "findings.jsonl"
    rows = [{"check": c, "ids": ids, "severity": "serious"} for c, ids in found]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_the_check_found_is_left_out(source: Path) -> None:
    checked = judge("check", source, "--out", source.parent / "check")
    assert checked.exit_code == 0, checked.output
    file = source.parent / "check" / "findings.jsonl"
    whole, _ = prepared(source)
    lines, dropped = prepared(source, "--leave-out", file)
    assert len(whole) == 5 and len(lines) == 4
    assert "jo.arnold" not in "".join(lines) and dropped == {"check_email": 1}
    manifest = json.loads((source.parent / "out" / "manifest.json").read_bytes())
    assert manifest["options"]["left_out"]["findings"].keys() == {"findings.jsonl"}


def test_only_the_named_checks_count(source: Path, tmp_path: Path) -> None:
    file = findings(tmp_path, ("email", ["b"]), ("long_row", ["c"]), ("phone", ["d"]))
    assert prepared(source, "--leave-out", file)[1] == {"check_email": 1, "check_phone": 1}
    named = ("--leave-out", file, "--leave-out-check", "long_row")
    assert prepared(source, *named)[1] == {"check_long_row": 1}


def test_of_rows_that_say_the_same_the_first_stays(source: Path, tmp_path: Path) -> None:
    file = findings(
        tmp_path, ("duplicate_row", ["a", "c"]), ("contradicting_duplicate", ["d", "e"])
    )
    both = ("--leave-out-check", "duplicate_row", "--leave-out-check", "contradicting_duplicate")
    _, dropped = prepared(source, "--leave-out", file, *both)
    assert dropped == {"check_duplicate_row": 1, "check_contradicting_duplicate": 2}


def test_of_two_splits_only_training_rows_go(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_text(row("a") + row("b", split="val") + row("c") + row("d", split="test"))
    file = findings(tmp_path, ("near_prompt_in_two_splits", ["a", "b", "d"]))
    named = ("--leave-out", file, "--leave-out-check", "near_prompt_in_two_splits")
    lines, dropped = prepared(source, *named)
    assert len(lines) == 1 and dropped["check_near_prompt_in_two_splits"] == 1
    assert len((tmp_path / "out" / "val.jsonl").read_text().splitlines()) == 1


def test_without_findings_a_manifest_is_as_before(source: Path) -> None:
    prepared(source)
    manifest = json.loads((source.parent / "out" / "manifest.json").read_bytes())
    assert not any("leave" in name or "left" in name for name in manifest["options"])


def test_another_file_of_findings_is_another_configuration(source: Path, tmp_path: Path) -> None:
    prepared(source, "--leave-out", findings(tmp_path, ("email", ["b"])))
    file = findings(tmp_path, ("email", ["c"]))
    out = source.parent / "out"
    kind = ("--kind", "preference", "--val-share", "0.0")
    refused = judge("prepare", source, "--out", out, *kind, "--leave-out", file)
    assert refused.exit_code == USAGE and "left_out" in refused.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "line 1: not a finding"),
        ("no json\n", "line 1: not a finding"),
        ('{"check": "spelling", "ids": ["a"], "severity": "serious"}\n', "no check is called"),
        ('{"check": "email", "ids": ["z"], "severity": "serious"}\n', "of another input"),
        (None, "cannot be read"),
    ],
)
def test_bad_findings_are_one_line(
    text: str | None, said: str, source: Path, tmp_path: Path
) -> None:
    file = tmp_path / "findings.jsonl"
    if text is not None:
        file.write_text(text)
    refused = judge("prepare", source, "--out", tmp_path / "o", "--leave-out", file)
    assert refused.exit_code == USAGE and said in " ".join(refused.output.split())
    assert not (tmp_path / "o" / "train.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--leave-out-check", "email"], "needs leave_out"),
        (["--leave-out", "f", "--leave-out-check", "spelling"], "'spelling' is not one of"),
        (["--leave-out", "f", "--leave-out-check", "duplicate_id"], "used by no training"),
    ],
)
def test_options_that_make_no_sense(options: list[str], said: str, source: Path) -> None:
    refused = judge("prepare", source, "--out", source.parent / "o", *options)
    assert refused.exit_code == USAGE and said in " ".join(refused.output.split())


def test_every_serious_check_can_be_left_out(tmp_path: Path) -> None:
    serious = [name for name, check in CHECKS.items() if check.severity == "serious"]
    file = findings(tmp_path, *((name, [name, f"{name}-2"]) for name in serious))
    left = read_findings(file, ())
    assert not set(serious) & set(UNUSED)
    assert {*left.rows.values(), *left.of_training.values()} == set(serious)

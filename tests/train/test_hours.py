"""``judge train hours``: devices times hours of finished and unfinished trainings, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.exits import USAGE


def judge(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["train", "hours", *map(str, arguments)])


def trained(folder: Path, seconds: list[float], devices: int, session: int | None) -> Path:
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = [
        {"step": n + 1, "seconds": s, "devices": devices} for n, s in enumerate(seconds)
    ]
    rows.append({"step": len(seconds), "eval_loss": 0.5})
    (folder / "steps.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "observed.json").write_text(json.dumps({"device": "NVIDIA H100", "devices": devices}))
    if session is not None:
        (folder / "manifest.json").write_text(json.dumps({"seconds_this_session": session}))
    return folder


def test_hours_by_hand(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", [1800.0, 1800.0], 8, 4500)  # an hour of steps in 1.25
    resumed = trained(tmp_path / "resumed", [3600.0] * 3, 32, 3700)  # the last of three sessions
    going = trained(tmp_path / "going", [900.0], 2, None)
    told = json.loads(judge(whole, resumed, going, "--json", "--price", "2").output)
    hours = [one["device_hours"] for one in told["trainings"]]
    assert hours == pytest.approx([8 * 1.25, 32 * 3, 2 * 0.25])
    assert [one["session_hours"] is None for one in told["trainings"]] == [False, False, True]
    assert told["device_hours"] == pytest.approx({"NVIDIA H100": 106.5})
    assert told["cost"] == pytest.approx(213)
    shown = judge(whole, resumed, going).output
    assert "106.50" in shown and "96.00" in shown and "cost" not in shown
    assert "resumed" in shown and str(tmp_path) not in shown


def test_steps_of_a_session_with_other_devices_count_as_theirs(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", [3600.0], 4, None)
    earlier = json.dumps({"step": 0, "seconds": 3600.0, "devices": 8})
    file = run / "steps.jsonl"
    file.write_text(f"{earlier}\n{file.read_text()}")
    [one] = json.loads(judge(run, "--json").output)["trainings"]
    assert one["device_hours"] == pytest.approx(12) and one["devices"] == 4


def test_a_folder_of_trainings_counts_each_once(tmp_path: Path) -> None:
    for seed in (1, 2):
        trained(tmp_path / "ablation" / f"bt-{seed}", [3600.0], 1, 3600)
    told = json.loads(judge(tmp_path / "ablation", tmp_path / "ablation" / "bt-1", "--json").output)
    assert len(told["trainings"]) == 2 and told["device_hours"] == {"NVIDIA H100": 2.0}


def test_an_older_run_has_its_devices_from_its_session(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", [1800.0], 8, None)
    (run / "steps.jsonl").write_text('{"step": 1, "seconds": 1800.0}\n')
    [one] = json.loads(judge(run, "--json").output)["trainings"]
    assert one["device_hours"] == pytest.approx(4)


@pytest.mark.parametrize("spoilt", ["steps.jsonl", "observed.json", "manifest.json"])
def test_a_file_that_is_none_of_a_training_is_one_line(spoilt: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", [1.0], 1, 1)
    (run / spoilt).write_text("[]\n")
    refused = judge(run)
    assert refused.exit_code == USAGE and refused.output.count("\n") == 1


def test_a_folder_without_a_training_is_one_line(tmp_path: Path) -> None:
    for place, said in ((tmp_path, "holds no training"), (tmp_path / "away", "no such folder")):
        refused = judge(place)
        assert refused.exit_code == USAGE and said in refused.output

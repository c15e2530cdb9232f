"""`judge bench` from its rows to bench.json: scripted and real models, resumption, bad options."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.compare.benches.plan import plan, write_pairs
from judge.compare.benches.registry import find
from judge.compare.benches.score import BenchResult, score_run, write_result
from judge.compare.benches.tables import tables
from judge.errors import RowError
from judge.infer import batch
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.verdict import Verdict, render_statement
from tests import reward_models as tiny
from tests.compare.benching import EXAMPLES, example
from tests.scripted import config, write_rows

ONE = re.compile(r"@Response 1:\n(.*?)\n@Response 2:\n", re.S)


def verdict(strength: int) -> Verdict:
    return Verdict(strength=strength, statement=render_statement(strength), finish_reason="read")


def run_scripted(name: str, folder: Path, script: Any) -> BenchResult:
    """Judge an example file with a scripted engine, as the command does with a real one."""
    items = example(name)
    planned = plan(find(name), items, "judge")
    pairs = write_pairs(folder, items, planned, fresh=False)
    asked = config(pairs, folder / "run", mode="verdict", window=64)
    batch.run(asked, lambda: ScriptedEngine(script))
    return score_run(find(name), items, planned, folder / "run")


@pytest.mark.parametrize(
    "name", ["rewardbench", "rewardbench2", "rm-bench", "rmb", "judgebench", "llmbar"]
)
def test_a_judge_that_knows_the_answers(name: str, tmp_path: Path) -> None:
    right = {text for item in example(name) for text in item.chosen}

    def script(text: str, mode: Mode) -> Verdict:
        shown = ONE.search(text)
        return verdict(-2 if shown is not None and shown[1] in right else 2)

    result = run_scripted(name, tmp_path, script)
    assert (result.kind, result.orders, result.failures) == ("judge", 2, {})
    of = {line.name: line.published.value for line in result.columns}
    of.pop("Ties", None)
    assert set(of.values()) == {1.0}
    assert {one.value.value for one in result.conventions} == {1.0}
    untold = "whether that is the whole published set is not known"
    told = untold if name == "rmb" else "not comparable"
    assert any(told in note for note in result.notes)
    path = write_result(result, tmp_path)
    assert BenchResult.model_validate_json(path.read_bytes()) == result
    first = path.read_bytes()
    again = run_scripted(name, tmp_path / "again", script)
    assert write_result(again, tmp_path / "again").read_bytes() == first


def test_failures_are_counted_and_named(tmp_path: Path) -> None:
    def script(text: str, mode: Mode) -> Verdict | RowError:
        return RowError("refused", "no") if "larger" in text else verdict(-1)

    result = run_scripted("rewardbench", tmp_path, script)
    assert result.failures == {"refused": 6}
    code = [line for line in result.subsets if line.name.startswith("hep-")]
    assert {line.published.value for line in code} == {0.5}
    assert {line.strict.value for line in code} == {0.0}
    (table, *_) = tables(result)
    assert "failed: 6 refused" in table.note


# --- the command ----------------------------------------------------------------------------------


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_the_mini_judge_on_judgebench(tmp_path: Path) -> None:
    source = EXAMPLES / "judgebench.jsonl"
    arguments = ("judgebench", source, "--out", tmp_path / "out", "--model", "mini")
    arguments += ("--mode", "verdict")
    done = invoke(*arguments, "--limit", 3)
    assert done.exit_code == 0, done.output
    part = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert (part["rows"], part["rows_judged"]) == (8, 3)
    assert "3 of the input's 8 rows were judged" in part["notes"]
    assert part["columns"][3]["published"] == {
        "value": None,
        "interval": None,
        "n": 0,
        "why_not": "no rows",
    }
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert "JudgeBench: mini" in done.stdout and "right in both orders" in done.stdout.replace(
        "\n", " "
    )
    whole = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert whole["rows_judged"] == 8 and whole["overall"]["rows"] == 8
    outcomes = whole["overall"]["outcomes"]
    assert sum(outcomes.values()) == 8
    assert whole["overall"]["published"]["value"] == pytest.approx(outcomes["won"] / 8)


def test_a_reward_model_on_rm_bench_goes_on_without_being_loaded(tmp_path: Path) -> None:
    model = tiny.write_classifier(tmp_path / "tiny", card=tiny.card("bt", "reward"))
    source = EXAMPLES / "rm-bench.jsonl"
    arguments = ("rm-bench", source, "--out", tmp_path / "out", "--reward-model", model)
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert "strictly higher" in done.stdout
    result = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert (result["kind"], result["orders"]) == ("reward_model", 0)
    matrix = result["extra"]["matrix"]["Math"]
    assert result["columns"][1]["published"]["value"] == pytest.approx(
        sum(map(sum, matrix)) / 9, abs=1e-6
    )
    before = (tmp_path / "out" / "bench.json").read_bytes()
    shutil.rmtree(model)
    done = invoke(*arguments)  # everything is scored: nothing to load
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "bench.json").read_bytes() == before


def test_an_empty_response_is_a_failed_row(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (EXAMPLES / "judgebench.jsonl").read_bytes().splitlines()]
    rows[0]["response_A"] = " "
    source = write_rows(tmp_path / "in.jsonl", rows)
    done = invoke("judgebench", source, "--out", tmp_path / "out", "--mode", "verdict")
    assert done.exit_code == 3, done.output
    result = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert result["failures"] == {"empty_response": 1}
    assert result["overall"]["rows"] == 8 and result["overall"]["outcomes"]["failed"] == 1
    again = ("judgebench", source, "--out", tmp_path / "empty", "--mode", "verdict")
    done = invoke(*again, "--empty-responses")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "empty" / "bench.json").read_bytes())["failures"] == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mt-bench"], "no benchmark 'mt-bench'; expected one of rewardbench, rewardbench2"),
        (["llmbar", "--out", "o"], "LLMBar is read from its files"),
        (["judgebench", "rows.jsonl"], "give --out DIR"),
        (["judgebench", "nothing.jsonl", "--out", "o"], "nothing.jsonl: no such file"),
        (["rewardbench", "rows.jsonl", "--out", "o"], "rows.jsonl line 1: subset is missing"),
        (
            ["judgebench", "rows.jsonl", "--out", "o", "--max-new-tokens", "0"],
            "configuration field max_new_tokens",
        ),
        (
            ["judgebench", "rows.jsonl", "--out", "o", "--reward-model", "m", "--mode", "verdict"],
            "--mode cannot be used with a reward model",
        ),
        (
            ["judgebench", "rows.jsonl", "--out", "o", "--weights", "w.json"],
            "--weights cannot be used with a judge",
        ),
        (
            ["judgebench", "rows.jsonl", "--out", "o", "--reward-model", "nowhere"],
            "nowhere",
        ),
        (["judgebench", "rows.jsonl", "--out", "rows.jsonl"], "cannot write rows.jsonl"),
        (["judgebench", "rows.jsonl", "--out", "o", "--model", "mini-bt"], "bench --reward-model"),
        (
            ["judgebench", "rows.jsonl", "--out", "o", "--reward-model", "mini"],
            "give it with --model",
        ),
        (["rewardbench2", "ties.jsonl", "--out", "o"], "has nothing to compare in these rows"),
    ],
)
def test_a_bad_command_is_one_line(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(EXAMPLES / "judgebench.jsonl", tmp_path / "rows.jsonl")
    ties = [
        line
        for line in (EXAMPLES / "rewardbench2.jsonl").read_bytes().splitlines()
        if b'"Ties"' in line
    ]
    write_rows(tmp_path / "ties.jsonl", ties)
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and expected in errors[0], done.stderr
    assert not (tmp_path / "o" / "bench.json").exists()
    if "mini" in arguments or "mini-bt" in arguments:  # the other option is free to use the folder
        assert not (tmp_path / "o").exists()


def test_another_model_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    source = EXAMPLES / "judgebench.jsonl"
    out = tmp_path / "out"
    arguments = ("judgebench", source, "--out", out, "--limit", 1)
    assert invoke(*arguments, "--mode", "verdict").exit_code == 0
    before = (out / "run" / "judgments.jsonl").read_bytes()
    done = invoke(*arguments, "--mode", "justify")
    assert done.exit_code == 2 and "mode is" in done.stderr
    other = invoke("rewardbench", EXAMPLES / "rewardbench.jsonl", "--out", out)
    assert other.exit_code == 2 and "holds the pairs of another benchmark" in other.stderr
    assert (out / "run" / "judgments.jsonl").read_bytes() == before

"""`judge arena` on the command line: one result, resumed, the same bytes, bad input in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.compare.arena.config import ArenaHardConfig
from judge.config import load_config
from judge.errors import UsageError
from judge.infer.engines import registry
from judge.infer.engines.protocol import Mode, ScriptedEngine
from tests.compare.arenas import EXAMPLES, answers, decider
from tests.scripted import TEMPLATE

ALPACA = EXAMPLES / "alpaca_eval"
FILES = [str(ALPACA / f"{name}.json") for name in ("oak", "willow", "maple")]
longer = decider(lambda one, two: 0.02 * (len(one) - len(two)), sure=True)


def arena(*arguments: Any) -> Result:
    given = [str(a) for a in arguments]
    return CliRunner().invoke(app, ["arena", *given, "--template", TEMPLATE])


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_engine", lambda config, note=None: ScriptedEngine(longer))


def written(folder: Path) -> dict[str, bytes]:
    """All bytes that a result is of."""
    files = ("arena.json", "pairs.jsonl", "run/judgments.jsonl", "run/failures.jsonl")
    return {name: (folder / name).read_bytes() for name in files}


def test_one_result_and_again_the_same(tmp_path: Path) -> None:
    asked = ("pairs", *FILES, "--baseline", "oak", "--resamples", 50, "--model", "mini")
    first, second = tmp_path / "first", tmp_path / "second"
    done = arena(*asked, "--out", first)
    assert done.exit_code == 0, done.output
    assert "willow" in done.output and "length" in done.output
    assert arena(*asked, "--out", second).exit_code == 0
    assert arena(*asked, "--out", first).exit_code == 0
    one, two = written(first), written(second)
    assert one.keys() == two.keys()
    # Where a run lies is part of no result.
    assert one == two
    found = json.loads(one["arena.json"])
    assert found["judge"]["model"] == "mini" and found["judge"]["digest"]
    assert [r["model"] for r in found["results"]] == ["willow", "maple"]
    ranked = CliRunner().invoke(app, ["rank", str(first / "run"), "--resamples", "5"])
    assert ranked.exit_code == 0 and "willow" in ranked.output


def test_a_killed_arena_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("pairs", *FILES, "--baseline", "oak", "--resamples", 20, "--window", 2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert arena(*asked, "--out", whole).exit_code == 0
    asks = count()

    def dying(text: str, mode: Mode) -> Any:
        if next(asks) == 9:
            raise KeyboardInterrupt
        return longer(text, mode)

    with monkeypatch.context() as patched:
        patched.setattr(registry, "load_engine", lambda config, note=None: ScriptedEngine(dying))
        stopped = arena(*asked, "--out", cut)
    assert stopped.exit_code != 0 and not (cut / "arena.json").exists()
    assert 0 < len((cut / "run" / "judgments.jsonl").read_bytes().splitlines()) < 9
    assert arena(*asked, "--out", cut).exit_code == 0
    assert written(cut) == written(whole)


def test_a_limit_counts_prompts_and_a_later_run_goes_on(tmp_path: Path) -> None:
    asked = ("pairs", *FILES, "--baseline", "oak", "--resamples", 20, "--out", tmp_path / "o")
    assert arena(*asked, "--limit", 2).exit_code == 0
    found = json.loads((tmp_path / "o" / "arena.json").read_bytes())
    assert found["prompts"] == 2 and found["lengths"]["oak"]["answers"] == 2
    assert arena(*asked).exit_code == 0
    assert json.loads((tmp_path / "o" / "arena.json").read_bytes())["prompts"] == 5
    again = arena("pairs", FILES[0], FILES[1], "--baseline", "willow", "--out", tmp_path / "o")
    assert again.exit_code == 2 and "of other answers, or of another baseline" in again.output


def test_alpaca_eval_on_the_command_line(tmp_path: Path) -> None:
    base = answers(tmp_path, "oak", [f"word {n}" for n in range(12)])
    mine = answers(tmp_path, "pine", [f"word {n} " + "x" * (7 * n) for n in range(12)])
    done = arena(
        "alpaca-eval", base, mine, "--baseline", "oak", "--resamples", 20, "--out", tmp_path / "o"
    )
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "o" / "arena.json").read_bytes())
    assert found["controlled"]["pine"]["win_rate"]["value"] is not None


def test_arena_hard_on_the_command_line(tmp_path: Path) -> None:
    files = [str(EXAMPLES / "arena_hard" / f"{name}.jsonl") for name in ("oak", "willow", "maple")]
    done = arena(
        "arena-hard", *files, "--baseline", "oak", "--resamples", 20, "--strong", 2,
        "--every-pair", "--out", tmp_path / "o",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "o" / "arena.json").read_bytes())
    assert list(found["graded"]["models"]) == ["willow", "maple"]
    assert found["graded"]["length_unit"] == "tokens" and found["graded"]["strong"] == 2
    assert [m["other"] for m in found["meetings"]] == ["maple"]


def test_failures_end_with_3(tmp_path: Path) -> None:
    base = answers(tmp_path, "oak", ["a", "b", "c"])
    mine = answers(tmp_path, "pine", ["one", "", "REFUSE"])
    done = arena("pairs", base, mine, "--baseline", "oak", "--out", tmp_path / "o")
    assert done.exit_code == 3, done.output
    assert "(1 empty_response, 1 refused)" in " ".join(done.output.split())


def test_several_results_are_one_page_and_one_table(tmp_path: Path) -> None:
    asked = (*FILES, "--baseline", "oak", "--resamples", 20)
    for rule in ("pairs", "alpaca-eval", "arena-hard"):
        assert arena(rule, *asked, "--out", tmp_path / rule).exit_code == 0
    folders = [str(tmp_path / rule) for rule in ("alpaca-eval", "arena-hard", "pairs")]
    out = tmp_path / "all"
    report = ["arena", "report", *folders, "--out", str(out)]
    done = CliRunner().invoke(app, report)
    assert done.exit_code == 0, done.output
    first = (out / "report.html").read_bytes()
    csv = (out / "tables" / "paper.csv").read_text().splitlines()
    assert csv[0] == (
        'model,AlpacaEval LC (SE),Arena Hard (CI),"win rate, 95 %","mean length, characters"'
    )
    assert [line.split(",")[0] for line in csv[1:]] == ["willow", "maple", "oak"]
    assert csv[3].count("baseline") == 3
    assert CliRunner().invoke(app, report).exit_code == 0
    assert (out / "report.html").read_bytes() == first
    (tmp_path / "pairs" / "arena.json").write_text("{}")
    broken = CliRunner().invoke(app, report)
    assert broken.exit_code == 2 and "is damaged, or of another version" in broken.output
    missing = CliRunner().invoke(app, ["arena", "report", str(out), "--out", str(out)])
    assert missing.exit_code == 2 and "cannot read" in missing.output


def bad() -> Iterator[tuple[list[str], str]]:
    yield ["pairs", FILES[0], "--baseline", "oak", "--out", "o"], "no other model to compare with"
    yield ["pairs", *FILES, "--out", "o"], "--baseline is missing"
    yield ["pairs", *FILES, "--baseline", "oak"], "--out is missing"
    yield ["pairs", *FILES, "--baseline", "elm", "--out", "o"], "no baseline 'elm'"
    yield ["alpaca-eval", *FILES, "--baseline", "oak", "--out", "o", "--gamed", "x"], "gamed needs"
    ids = str(EXAMPLES / "mt_bench" / "oak.jsonl")
    yield ["pairs", ids, "--baseline", "oak", "--out", "o"], "--questions FILE"


@pytest.mark.parametrize(("arguments", "said"), list(bad()))
def test_bad_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = arena(*arguments)
    assert done.exit_code == 2 and said in done.output, done.output
    assert not (tmp_path / "o" / "run").exists()


def test_arena_hard_needs_both_orders() -> None:
    given = {"answers": ["a"], "baseline": "b", "out": "o", "orders": "given"}
    with pytest.raises(UsageError, match="counts each order as a game"):
        load_config(ArenaHardConfig, None, given)

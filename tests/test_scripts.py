"""The scripts that make and evaluate the mini judge."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(number: int, strengths: list[int], source: str = "e-CARE") -> dict[str, Any]:
    return {
        "id": str(number),
        "source": source,
        "split": "train",
        "prompt": f"Prompt {number}",
        "response_1": f"one of {number}",
        "response_2": f"two, of {number}",
        "all_preferences_unprocessed": [{"strength": s, "justification": "x"} for s in strengths],
    }


def test_contrast_pairs_prefer_the_response_to_the_prompt() -> None:
    rows = [row(i, [3 if i % 2 else -3]) for i in range(40)]
    pairs = load("contrast_pairs").contrast(rows, random.Random(1))
    assert len(pairs) == 40
    firsts = 0
    for original, pair in zip(rows, pairs, strict=True):
        strength = pair["all_preferences_unprocessed"][0]["strength"]
        good, bad = ("response_1", "response_2") if strength < 0 else ("response_2", "response_1")
        preferred = "response_2" if int(original["id"]) % 2 else "response_1"
        assert pair[good] == original[preferred]
        assert not pair[bad].endswith(f" {original['id']}") and abs(strength) == 3
        firsts += strength < 0
    assert 10 < firsts < 30


def test_ties_give_no_contrast_pair() -> None:
    rows = [row(0, [2, -2]), row(1, [2])]
    assert len(load("contrast_pairs").contrast(rows, random.Random(1))) == 1


def test_evaluation_counts_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = load("evaluate_mini")
    rows = [row(0, [2] * 4, "UKPConvArg1"), row(1, [-2, 2], "UKPConvArg1")]
    rows += [row(2, [-2, -2, 2], "UKPConvArg1"), row(3, [3]), row(4, [-3])]
    with gzip.open(tmp_path / "pairs.jsonl.gz", "wt") as out:
        out.writelines(json.dumps(r) + "\n" for r in rows)
    given = {"0": 2, "2": 2, "3": 3}  # pair 4 failed: it counts as wrong
    judged = [
        {
            "pair_id": name,
            "preference": "response_2",
            "consistent": name != "3",
            "orders": {"given": {"strength": strength}},
        }
        for name, strength in given.items()
    ]
    (tmp_path / "judgments.jsonl").write_text("".join(json.dumps(j) + "\n" for j in judged))
    evaluate.main(str(tmp_path / "pairs.jsonl.gz"), str(tmp_path))
    table = {
        cells[1].strip(): [cell.split("[")[0].strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in capsys.readouterr().out.splitlines())
        if len(cells) > 3
    }
    # n, judge, longer response ("two, of" is longer), given order only, consistent
    assert table["UKPConvArg1, all"] == ["2", "0.500", "0.500", "0.500", "1.000"]
    assert table["UKPConvArg1, agreed"] == ["1", "1.000", "1.000", "1.000", "1.000"]
    assert table["e-CARE"] == ["2", "0.500", "0.500", "0.500", "0.000"]


def test_the_interval_is_wilson_s() -> None:
    # Newcombe (1998), table I: 81 of 263, method 3 (Wilson): 0.2553 to 0.3662.
    assert load("evaluate_mini").interval(81, 263) == "0.308 [0.255, 0.366]"


@pytest.mark.parametrize("mode", ["verdict", "justify"])
def test_the_benchmark_runs(
    mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a size that says nothing of speed; `make bench` measures."""
    monkeypatch.syspath_prepend(str(SCRIPTS.parent / "benchmarks"))
    command = f"engine.py --pairs 2 --repeats 1 --max-new-tokens 4 --least 0 --mode {mode}"
    monkeypatch.setattr("sys.argv", command.split())
    importlib.import_module("engine").main()
    assert "ratio:" in capsys.readouterr().out

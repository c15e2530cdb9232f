"""Seconds of the 7-gram rule on generated prompts, and rows/s and memory of `judge data check`.

    python benchmarks/contamination.py [--prompts 10000] [--benchmark 3000] [--rows 100000]

Texts are words drawn by Zipf's law, the commonest of them English ones: runs of words meet by
chance as they do in English, and pass for it. One prompt in a hundred holds seven words of a
benchmark's prompt; one row in fifty repeats another with a word changed. The first figure is gated:
a minute for 10,000 against 3,000 prompts. `--rows 0` leaves the second part out.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from judge.data.checks.check import CheckConfig, run
from judge.data.checks.contamination import BenchmarkPrompts
from judge.pair import parse_prompt

VOCABULARY = 50_000
COMMON = """
the of and to a in is it you that he was for on are with as his they be at one have this from or had
by but some what there we can out other were all your when up use how said an each she which do
their time if will way about many then them would like so these her long make him
"""
LIMIT_S = 60.0


class Texts:
    """Draws texts of made-up words."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        self._words = COMMON.split() + [
            "".join(self._draw.choice(letters, size))
            for size in self._draw.integers(2, 10, VOCABULARY)
        ]
        weights = 1 / np.arange(1, VOCABULARY + 1)
        self._sums = np.cumsum(weights / weights.sum())

    def words(self, mean: int) -> list[str]:
        """Return words, about ``mean`` of them, never fewer than ten."""
        size = max(10, int(self._draw.exponential(mean)))
        places = np.searchsorted(self._sums, self._draw.random(size))
        return [self._words[min(int(place), VOCABULARY - 1)] for place in places]


def rule_seconds(prompts: int, rows: int) -> dict[str, Any]:
    """Time the rule; check that the planted prompts, and few others, are found."""
    texts = Texts(1)
    benchmark = [texts.words(100) for _ in range(rows)]
    mine = [texts.words(100) for _ in range(prompts)]
    planted = range(0, prompts, 100)
    for number in planted:
        mine[number][2:9] = benchmark[number % rows][1:8]
    began = time.perf_counter()
    index = BenchmarkPrompts(
        "generated", ((str(i), parse_prompt(" ".join(p))) for i, p in enumerate(benchmark))
    )
    found = {i for i, p in enumerate(mine) if index.overlap(parse_prompt(" ".join(p)))}
    seconds = time.perf_counter() - began
    assert found.issuperset(planted)
    return {"prompts": prompts, "against": rows, "found": len(found), "seconds": round(seconds, 2)}


def generated_rows(count: int) -> Iterator[str]:
    """Yield lines of a preference file."""
    texts, draw = Texts(2), np.random.default_rng(3)
    last: dict[str, list[str]] = {}
    for number in range(count):
        names = ("prompt", "response_1", "response_2")
        if last and number % 50 == 0:
            last["response_1"][5] = "changed"
        else:
            last = {name: texts.words(60 if name == "prompt" else 100) for name in names}
        strength = int(draw.choice([-3, -2, -1, 1, 2, 3]))
        better, worse = (1, 2) if strength < 0 else (2, 1)
        reason = f"@Response {better} is better than @Response {worse}. It says more."
        row: dict[str, Any] = {"id": str(number), "split": "train"}
        row |= {name: " ".join(text) for name, text in last.items()}
        row["all_preferences_unprocessed"] = [{"strength": strength, "justification": reason}] * 3
        yield json.dumps(row) + "\n"


def check_speed(count: int) -> dict[str, Any]:
    """Time the whole check on generated rows; peak memory is that of this process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(generated_rows(count))
        before = _peak_mib()
        began, began_cpu = time.perf_counter(), time.process_time()
        report = run(CheckConfig(input=str(file), output_dir=str(Path(folder) / "out")))
        seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        size = file.stat().st_size / 2**20
    return {
        "rows": count,
        "mib": round(size),
        "rows_per_second": round(count / seconds),
        "rows_per_cpu_second": round(count / cpu),
        "peak_mib": round(_peak_mib()),
        "peak_mib_before": round(before),
        "near_rows": report.checks["near_row"].findings,
    }


def _peak_mib() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Print both measurements as JSON; fail when the rule takes more than a minute."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--benchmark", type=int, default=3_000)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    rule = rule_seconds(options.prompts, options.benchmark)
    print(json.dumps(rule))
    if options.rows:
        print(json.dumps(check_speed(options.rows)))
    if rule["seconds"] > LIMIT_S:
        sys.exit(f"the 7-gram rule took {rule['seconds']} s, more than {LIMIT_S} s")


if __name__ == "__main__":
    main()

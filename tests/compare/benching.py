"""Benchmarks judged without a model: what the tests of their rules share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge.compare.benches.benchmark import BenchFigures, Benchmark
from judge.compare.benches.item import Item, Judged
from judge.compare.benches.plan import Kind, judged_rows, plan
from judge.compare.benches.read import read_items
from judge.compare.benches.registry import find
from judge.compare.systems import Decision, failed
from tests.scripted import write_rows

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "benchmarks"
Says = Callable[[str, str], str]
"""Given the responses as shown, first and second: ``first``, ``second`` or ``fail``."""


def example(name: str) -> list[Item]:
    """The rows of an example file."""
    path = EXAMPLES / (name if name in ("llmbar", "rmb") else f"{name}.jsonl")
    return read_items(find(name), str(path))


def read(name: str, folder: Path, *rows: dict[str, Any]) -> list[Item]:
    """Rows of one's own, read as the benchmark's."""
    return read_items(find(name), str(write_rows(folder / f"{name}.jsonl", rows)))


def by_judge(
    benchmark: Benchmark, items: Sequence[Item], says: Says, both: bool = True
) -> list[Judged]:
    """What a judge says of the rows; without probabilities, so disagreeing orders are a tie."""
    planned = plan(benchmark, items, "judge")
    decisions = {}
    for pair in planned:
        responses = items[pair.item].responses
        one, two = responses[pair.first], responses[pair.second]
        decisions[pair.pair_id] = decide(says(one, two), says(two, one) if both else None)
    return judged_rows(items, planned, decisions, "judge")


def decide(given: str, flipped: str | None) -> Decision:
    """The decision that follows from the verdicts of one or two orders."""
    said = [given] if flipped is None else [given, flipped]
    if "fail" in said:
        return failed("unparseable")
    chosen = {1 if given == "first" else 2}
    if flipped is not None:
        chosen.add(2 if flipped == "first" else 1)
    return Decision(
        preference=("response_1" if chosen == {1} else "response_2") if len(chosen) == 1 else None,
        first_slot=tuple(verdict == "first" for verdict in said),
        consistent=None if flipped is None else len(chosen) == 1,
    )


def by_rewards(
    benchmark: Benchmark, items: Sequence[Item], reward: Callable[[str], float | None]
) -> list[Judged]:
    """What a reward model says of the rows; None is a response that it cannot score."""
    planned = plan(benchmark, items, "reward_model")
    decisions = {}
    for pair in planned:
        responses = items[pair.item].responses
        one, two = reward(responses[pair.first]), reward(responses[pair.second])
        if one is None or two is None:
            decisions[pair.pair_id] = failed("prompt_too_long")
        else:
            preferred = None if one == two else ("response_1" if one > two else "response_2")
            decisions[pair.pair_id] = Decision(preference=preferred, rewards=(one, two))
    return judged_rows(items, planned, decisions, "reward_model")


def knows(items: Sequence[Item]) -> Says:
    """A judge that is always right."""
    right = {text for item in items for text in item.chosen}
    return lambda one, two: "first" if one in right else "second"


def figures(name: str, judged: Sequence[Judged], both: bool = True) -> BenchFigures:
    return find(name).score(judged, both)


def values(found: BenchFigures, reading: str = "published") -> dict[str, float | None]:
    """The figures of all columns, and the overall one, by name."""
    return {line.name: getattr(line, reading).value for line in (*found.columns, found.overall)}


def labels(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


KINDS: tuple[Kind, Kind] = ("judge", "reward_model")

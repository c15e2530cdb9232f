"""Answers that a reader should see: those by which a model and the baseline differ most surely."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from judge.compare.arena.config import PAIRS
from judge.compare.arena.result import ArenaResult
from judge.pair import Message, Pair
from judge.report.page import Gallery, Said, Shown
from judge.runs.folder import JUDGMENTS
from judge.runs.jsonlines import read_rows

EACH = 2
"""Wins, and losses, of each model that are shown."""
MOST = 24


class _Asked(NamedTuple):
    pair_id: str
    names: tuple[str, str]
    row: dict[str, Any]


def gallery(result: ArenaResult, folder: Path, name: str = "examples") -> Gallery:
    """Return wins and losses of each model against the baseline, the surest first.

    Args:
        folder: the result's, with its pairs and its run.
        name: of the place on the page.

    Raises:
        UsageError: when a file there is missing or damaged.
    """
    shown: list[Shown] = []
    if result.run is not None:
        names = dict(read_rows(folder / PAIRS, _names))
        chosen = _surest(result, folder / result.run / JUDGMENTS, names)
        texts = {a.pair_id: a for a in read_rows(folder / PAIRS, _asked) if a.pair_id in chosen}
        shown = [_shown(texts[pair_id], row) for pair_id, row in chosen.items()][:MOST]
    return Gallery(
        name,
        "Where the models differ",
        f"The surest wins and losses of each model against {result.baseline}.",
        shown,
        folded=False,
    )


def _names(row: dict[str, Any]) -> tuple[str, tuple[str, str]]:
    return str(row["pair_id"]), (str(row["model_a"]), str(row["model_b"]))


def _asked(row: dict[str, Any]) -> _Asked:
    return _Asked(str(row["pair_id"]), (str(row["model_a"]), str(row["model_b"])), row)


def _surest(
    result: ArenaResult, judgments: Path, names: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Return the judgments to show, by pair id, in the order of the models."""
    kept: dict[tuple[str, bool], list[tuple[float, int, str, dict[str, Any]]]] = {}
    for place, row in enumerate(read_rows(judgments, dict)):
        pair_id, preference = str(row["pair_id"]), row["preference"]
        pair = names.get(pair_id)
        if pair is None or preference is None or result.baseline not in pair:
            continue
        winner = pair[0] if preference == "response_1" else pair[1]
        model = pair[0] if pair[1] == result.baseline else pair[1]
        heap = kept.setdefault((model, winner == model), [])
        heapq.heappush(heap, (_sureness(row), -place, pair_id, row))
        if len(heap) > EACH:
            heapq.heappop(heap)
    return {
        pair_id: row
        for one in result.results
        for won in (True, False)
        for _, _, pair_id, row in sorted(kept.get((one.model, won), ()), reverse=True)
    }


def _sureness(row: Mapping[str, Any]) -> float:
    probability = row["probability"]
    return float(abs(row["strength"]) / 10 if probability is None else abs(probability - 0.5))


def _shown(asked: _Asked, row: Mapping[str, Any]) -> Shown:
    one, two = asked.names
    first = row["preference"] == "response_1"
    details = [f"strength {row['strength']}"]
    if row["probability"] is not None:
        details.append(f"P(1 better) {row['probability']:.3f}")
    choice = f"prefers {one if first else two} (Response {1 if first else 2})"
    said = Said(
        "judge", "one" if first else "two", choice, ", ".join(details), row["elaboration"] or ""
    )
    return Shown(
        str(asked.row.get("question_id") or asked.pair_id),
        f"Response 1: {one}. Response 2: {two}.",
        [said],
        Pair(
            pair_id=asked.pair_id,
            prompt=tuple(_messages(asked.row["prompt"])),
            response_1=asked.row["response_1"],
            response_2=asked.row["response_2"],
        ),
    )


def _messages(values: list[Any]) -> Iterator[Message]:
    for value in values:
        yield Message.model_validate(value)

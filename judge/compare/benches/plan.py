"""From a benchmark's rows to pairs that a model judges, and back to what it says of the rows.

A pairwise judge compares each chosen response with each rejected one. A reward model scores every
response once: its pairs hold each of a row's responses at least once, in as few pairs as can be
(RM-Bench: three instead of nine).

Where the layout has no order, the place of the chosen response is drawn from the pair's id, the
same for everyone, so that a judge in one order cannot learn that the first is always better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from judge.compare.benches.benchmark import Benchmark, cross
from judge.compare.benches.item import (
    Cell,
    Item,
    Judged,
    ResponseComparison,
    compare_rewards,
    compare_verdicts,
)
from judge.compare.systems import Decision
from judge.errors import UsageError
from judge.runs.identity import made_files
from judge.runs.jsonlines import encode_line

Kind = Literal["judge", "reward_model"]
OTHERS = "the pairs of another benchmark, input or kind of model"
PAIRS = "pairs.jsonl"


@dataclass(frozen=True, slots=True)
class PlannedPair:
    """Two responses of a row, by their places among :attr:`Item.responses`."""

    pair_id: str
    item: int
    """Place of the row in its benchmark."""
    first: int
    second: int


def plan(benchmark: Benchmark, items: Sequence[Item], kind: Kind) -> list[PlannedPair]:
    """Return the pairs of all rows, in their order."""
    planned = []
    for place, item in enumerate(items):
        single = len(item.chosen) == len(item.rejected) == 1
        if kind == "judge" or single:
            chosen = [(i, len(item.chosen) + j) for i, j in benchmark.cells(item)]
            pairs = [_placed(item, one, two, single) for one, two in chosen]
        else:
            pairs = [(_pair_id(item, a, b, single), a, b) for a, b in covering(item.responses)]
        planned += [PlannedPair(pair_id, place, first, second) for pair_id, first, second in pairs]
    return planned


def covering(responses: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of places that hold every different text at least once.

    Of n texts the i-th stands with the one n/2 further (rounded up), so that RM-Bench's pairs are
    chosen and rejected of one style. One text alone gives no pair.
    """
    places = list({text: place for place, text in reversed(list(enumerate(responses)))}.values())
    places.sort()
    half = (len(places) + 1) // 2
    if len(places) < 2:
        return []
    return [(places[i], places[(i + half) % len(places)]) for i in range(half)]


def write_pairs(
    folder: Path, items: Sequence[Item], planned: Sequence[PlannedPair], fresh: bool
) -> Path:
    """Write the pairs as the input of a run; return the file.

    Besides what a judge sees a row has ``label`` (the better response, where one is right and the
    other wrong) and ``subset``: a run never looks at them.

    Raises:
        UsageError: when the folder holds other pairs and ``fresh`` is not set, or the disk refuses.
    """
    path = folder / PAIRS
    with made_files([path], OTHERS, fresh) as (file,):
        file.writelines(_lines(items, planned))
    return path


def judged_rows(
    items: Sequence[Item],
    planned: Sequence[PlannedPair],
    decisions: Mapping[str, Decision],
    kind: Kind,
) -> list[Judged]:
    """Return what a system says of the rows all of whose pairs it decided (failures are decided).

    Args:
        decisions: by pair id, as :func:`judge.compare.systems.read_run` gives them.
    """
    pairs: list[list[PlannedPair]] = [[] for _ in items]
    for pair in planned:
        pairs[pair.item].append(pair)
    return [
        _scored(item, of_item, decisions)
        if kind == "reward_model"
        else Judged(item, _comparisons(item, of_item, decisions))
        for item, of_item in zip(items, pairs, strict=True)
        if all(pair.pair_id in decisions for pair in of_item)
    ]


def _comparisons(
    item: Item, planned: Sequence[PlannedPair], decisions: Mapping[str, Decision]
) -> dict[Cell, ResponseComparison]:
    found = {}
    right = len(item.chosen)
    for pair in planned:
        first = pair.first < right
        chosen, rejected = (pair.first, pair.second) if first else (pair.second, pair.first)
        decision = decisions[pair.pair_id]
        found[chosen, rejected - right] = compare_verdicts(decision, 1 if first else 2)
    return found


def _scored(
    item: Item, planned: Sequence[PlannedPair], decisions: Mapping[str, Decision]
) -> Judged:
    """Return a row's rewards, the same for the same text, and what they say."""
    by_text: dict[str, float] = {}
    for pair in planned:
        of_pair = decisions[pair.pair_id].rewards or ()
        for place, reward in zip((pair.first, pair.second), of_pair, strict=False):
            by_text.setdefault(item.responses[place], reward)
    rewards = tuple(by_text.get(text) for text in item.responses)
    right = len(item.chosen)
    return Judged(
        item,
        {(i, j): compare_rewards(rewards[i], rewards[right + j]) for i, j in cross(item)},
        rewards,
    )


def _placed(item: Item, chosen: int, rejected: int, single: bool) -> tuple[str, int, int]:
    pair_id = _pair_id(item, chosen, rejected, single)
    last = item.rejected_first
    if last is None:
        last = bool(hashlib.sha256(pair_id.encode("utf-8", "surrogatepass")).digest()[0] % 2)
    return (pair_id, rejected, chosen) if last else (pair_id, chosen, rejected)


def _pair_id(item: Item, first: int, second: int, single: bool) -> str:
    return item.item_id if single else f"{item.item_id}#{first}-{second}"


def _lines(items: Sequence[Item], planned: Sequence[PlannedPair]) -> Iterator[bytes]:
    for pair in planned:
        item = items[pair.item]
        right = [place < len(item.chosen) for place in (pair.first, pair.second)]
        label = None if right[0] == right[1] else ("response_1" if right[0] else "response_2")
        row = {
            "pair_id": pair.pair_id,
            "prompt": item.prompt,
            "response_1": item.responses[pair.first],
            "response_2": item.responses[pair.second],
            "label": label,
            "subset": item.subset,
        }
        try:
            yield encode_line(row)
        except (ValueError, TypeError) as error:
            raise UsageError(f"row {item.item_id} cannot be written: {error}") from None

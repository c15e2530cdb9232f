"""Answers that a reader should see: those to which the judge gave the most different grades."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from pathlib import Path

from judge.compare.arena.mt_bench.plan import read_grades
from judge.compare.arena.mt_bench.scores import MtBenchResult
from judge.report.page import Gallery, Said, Shown

MOST = 8


def gallery(result: MtBenchResult, folder: Path, name: str = "examples") -> Gallery:
    """Return the turns on which two models' grades are farthest apart, the judge's words beside.

    Args:
        folder: the result's, with its run.
        name: of the place on the page.

    Raises:
        UsageError: when the run is missing or damaged.
    """
    shown: list[Shown] = []
    if result.run is not None:
        grades, replies = read_grades(folder / result.run)
        names = [one.model for one in result.models]
        for _, _, turn, by_model in _apart(grades, names):
            said = [
                Said(
                    model, "none", f"grade {by_model[model][1]:g}", "", replies[by_model[model][0]]
                )
                for model in sorted(by_model, key=lambda m: -by_model[m][1])
            ]
            shown.append(Shown(turn, "the judge's reply to each answer", said, None))
    return Gallery(
        name,
        "Where the models differ",
        "The turns to which the judge gave the most different grades.",
        shown,
        folded=False,
    )


def _apart(
    grades: Mapping[str, float | str], names: list[str]
) -> list[tuple[float, int, str, dict[str, tuple[str, float]]]]:
    """Return gap, place, turn, and id and grade by model of the turns farthest apart."""
    turns: dict[str, dict[str, tuple[str, float]]] = {}
    for grade_id, value in grades.items():
        if isinstance(value, str):
            continue
        for model in names:
            question, found, turn = grade_id.rpartition(f":{model}:")
            if found:
                label = f"{question}, turn {turn}"
                turns.setdefault(label, {})[model] = (grade_id, value)
                break
    gaps = [
        (max(v for _, v in of.values()) - min(v for _, v in of.values()), -place, turn, of)
        for place, (turn, of) in enumerate(turns.items())
        if len(of) > 1
    ]
    return [gap for gap in heapq.nlargest(MOST, gaps, key=lambda gap: gap[:2]) if gap[0] > 0]

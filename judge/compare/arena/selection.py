"""Answers to prompts as what a policy's checkpoints are compared on: ``judge train select``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from judge.compare.arena.read import read_result
from judge.compare.arena.result import ArenaResult
from judge.errors import UsageError
from judge.metrics.accuracy import Score
from judge.runs.selection import SelectionBenchmark


class WinRateOverStart:
    """How often a checkpoint's answers are preferred to those of the model it was trained from.

    Ties half; a prompt without a verdict counts as lost, as a pair without one counts as wrong.

    Args:
        prompts: a file of prompts, or a hub id.
        start: the model before its training.
        judge: who judges.
    """

    def __init__(self, prompts: str, start: str, judge: str) -> None:
        self.prompts, self.start, self.judge = prompts, start, judge
        self.asked = 0

    def describe(self) -> SelectionBenchmark:
        """Return what it is; ``pairs`` is how many answers met."""
        return SelectionBenchmark(
            file=Path(self.prompts).name,
            pairs=self.asked,
            unit=f"prompts, against {self.start} by {self.judge},",
            start=self.start,
            judge=self.judge,
        )

    def write(self, path: Path, kind: Literal["judge", "reward", "policy"]) -> None:
        """Write nothing: prompts stay where they are."""

    def score(self, folder: Path) -> Score:
        """Return the win rate that lies in a folder's ``arena.json``.

        Raises:
            UsageError: when it cannot be read.
        """
        found = read_result(folder)
        if not isinstance(found, ArenaResult):
            raise UsageError(f"{folder} holds grades, not win rates")
        result = found.results[0]
        failed = sum(result.failures.values())
        met = result.wins + result.ties + result.losses + failed
        self.asked = met
        if result.lowest is None:
            raise UsageError(
                f"{folder}: no prompt was answered by both models, so there is nothing to choose by"
            )
        won = result.wins + result.ties / 2
        return Score.of(result.lowest, {"prompts": [won, met]}, failed)

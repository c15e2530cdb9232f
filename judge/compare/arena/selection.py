"""Answers to prompts as what a policy's checkpoints are compared on: ``judge train select``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from judge.compare.arena.result import ARENA, ArenaResult
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
        limit: only the first so many prompts.
    """

    def __init__(self, prompts: str, start: str, judge: str, limit: int | None) -> None:
        self.prompts, self.start, self.judge, self.limit = prompts, start, judge, limit
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
        """Write nothing: prompts stay where they are.

        Raises:
            UsageError: when it is no policy.
        """
        if kind != "policy":
            raise UsageError(f"prompts are for a policy; this is a {kind}: give --pairs")

    def score(self, folder: Path) -> Score:
        """Return the win rate that lies in a folder's ``arena.json``.

        Raises:
            UsageError: when it cannot be read.
        """
        path = folder / ARENA
        try:
            found = ArenaResult.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: not a result of judge arena: {error}") from None
        result = found.results[0]
        failed = sum(result.failures.values())
        met = result.wins + result.ties + result.losses + failed
        self.asked = met
        if result.lowest is None:
            raise UsageError(f"{folder}: no prompt was answered by both; nothing to choose by")
        won = result.wins + result.ties / 2
        return Score.of(result.lowest, {"prompts": [won, met]}, failed)

"""A benchmark's rows as what checkpoints are compared on: ``judge train select --bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from judge.compare.benches.plan import plan, write_pairs
from judge.compare.benches.read import read_items
from judge.compare.benches.registry import find
from judge.compare.benches.score import score_run
from judge.errors import UsageError
from judge.metrics.accuracy import Score
from judge.runs.selection import SelectionBenchmark


class BenchmarkRows:
    """A benchmark of ``judge bench`` with its own weights.

    A row counts where every order says that the chosen response is better; the benchmark's own rule
    may give a failure half a point.

    Args:
        name: of the benchmark.
        path: its rows.
        limit: only the first so many of them.
    """

    def __init__(self, name: str, path: str, limit: int | None) -> None:
        self.benchmark = find(name)
        self.items = read_items(self.benchmark, path)[:limit]

    def describe(self) -> SelectionBenchmark:
        """Return what it is."""
        return SelectionBenchmark(file=self.benchmark.title, pairs=len(self.items), unit="pairs")

    def write(self, path: Path, kind: Literal["judge", "reward", "policy"]) -> None:
        """Write the pairs as ``judge batch`` reads them, into the folder of ``path``."""
        asked: Literal["judge", "reward_model"] = "judge" if kind == "judge" else "reward_model"
        self.planned = plan(self.benchmark, self.items, asked)
        write_pairs(path.parent, self.items, self.planned, fresh=False)

    def score(self, folder: Path) -> Score:
        """Return what a run folder over these pairs is worth.

        Raises:
            UsageError: when the benchmark's rule has no figure for it.
        """
        found = score_run(self.benchmark, self.items, self.planned, folder)
        overall = found.overall.strict
        if overall.value is None:
            raise UsageError(f"{self.benchmark.title} cannot be scored: {overall.why_not}")
        lines = {c.name: (c.strict.value or 0.0, c.rows) for c in found.columns if c.rows}
        by_source = {name: [share * of, of] for name, (share, of) in lines.items()}
        return Score.of(overall.value, by_source, sum(found.failures.values()))

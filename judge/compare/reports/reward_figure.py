"""The rewards of preferred and other responses as a picture: Figure 2 of HelpSteer2-Preference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from judge.compare.rewards import RewardDistributions
from judge.report.histograms import Layer, Panel, draw
from judge.report.plots import GAP, ONE, TWO
from judge.runs.whole import refused_in_one_line, write_whole

FIGURE = "rewards.svg"


def write_figure(found: Sequence[RewardDistributions], folder: Path) -> list[Path]:
    """Write ``rewards.svg``, a row a reward model; return its path, nothing where there is none.

    A picture of an earlier call is taken away where there is nothing to show now.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    rows = [list(_panels(of)) for of in found if of.gaps.edges]
    path = folder / FIGURE
    if not rows:
        with refused_in_one_line(path):
            path.unlink(missing_ok=True)
        return []
    write_whole(path, draw(rows).encode())
    return [path]


def _panels(of: RewardDistributions) -> Iterator[Panel]:
    both = (Layer("chosen", of.preferred.counts, ONE), Layer("rejected", of.other.counts, TWO))
    yield Panel(of.system, "reward", of.edges, both)
    gaps = of.gaps
    name = f"above 0 in {gaps.above:,} of {gaps.spread.n:,}"
    difference = (Layer(name, gaps.spread.counts, GAP),)
    yield Panel("chosen less rejected", "difference of rewards", gaps.edges, difference, zero=True)

"""The plots of a run: preferences, strengths, position, length and rewards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from judge.compare.columns import Column, column
from judge.compare.probes.position import position
from judge.compare.reports.compare_plots import rewards, slots
from judge.compare.reports.run_tables import STRENGTHS
from judge.compare.rewards import RewardDistributions, reward_distributions
from judge.compare.systems import Decision, System
from judge.metrics.estimate import Estimate, share
from judge.report.plots import NONE, ONE, TWO, Plot, bars, marks, shares
from judge.reward import Preference
from judge.runs.summary import Summary


def plots(
    summary: Summary,
    systems: Sequence[System],
    ids: Sequence[str],
    lengths: Mapping[str, tuple[int, int]],
    spread: Distributions,
) -> Iterator[Plot]:
    """Yield the plots of a run that has what they show.

    Args:
        lengths: characters of both responses by pair id, as far as the input is there.
        spread: of its reward models' rewards.
    """
    columns = [column(ids, system) for system in systems]
    judge = next((c for c in columns if c.kind == "judge"), None)
    if any(of.answered.any() for of in columns):
        yield preferences(columns)
    if judge is not None and judge.answered.any():
        yield strengths(summary.strengths)
        yield from slots([f for s in systems if s.kind == "judge" for f in position(s)])
    if any(i in lengths for i in ids):
        longer = np.array([_longer(lengths.get(i)) for i in ids], dtype=np.int8)
        yield of_longer(columns, longer)
    for index, of_rewards in enumerate(spread.rewards):
        yield from rewards(of_rewards, index, spread.whose)


class Distributions(NamedTuple):
    """How the rewards of a run lie."""

    rewards: list[RewardDistributions]
    """One for each of its reward models."""
    whose: str
    """Who prefers the responses that are told apart, in words: ``the labels prefer``."""


def distributions(
    systems: Sequence[System], ids: Sequence[str], labels: Mapping[str, Preference]
) -> Distributions:
    """Return the rewards of what is preferred and of the rest: by the labels, else by the judge.

    Args:
        labels: the response that the input's label prefers, by pair id.
    """
    columns = [column(ids, system) for system in systems]
    if labels:
        said = {pair_id: Decision(preference) for pair_id, preference in labels.items()}
        people = column(ids, System("labels", "people", decisions=said))
        return Distributions(reward_distributions(columns, people), "the labels prefer")
    judge = next((c for c in columns if c.kind == "judge"), None)
    by = column(ids, System("nobody", "people")) if judge is None else judge
    return Distributions(reward_distributions(columns, by), "the judge prefers")


def preferences(columns: Sequence[Column]) -> Plot:
    """Return how often each system prefers Response 1, of the pairs on which it prefers one."""
    names = [of.name for of in columns]
    estimates = [
        share(int((of.choice < 0).sum()), int(of.preferred.sum()), "prefers no response")
        for of in columns
    ]
    title = "Response 1 among the pairs with a preference"
    caption = (
        "Share of Response 1 among the pairs on which a response is preferred, with 95 % intervals."
    )
    return shares(
        "preferences", "response-1", [marks(names, estimates, ONE)], caption, names, title=title
    )


def strengths(counts: Mapping[str, int]) -> Plot:
    """Return the judged pairs by strength."""
    colours = [ONE if s < 0 else TWO if s > 0 else NONE for s in STRENGTHS]
    trace = bars(list(STRENGTHS.values()), [counts[str(s)] for s in STRENGTHS], colours)
    layout = {"yaxis": {"visible": False}, "margin": {"t": 35}, "height": 280, "bargap": 0.25}
    return Plot("strength", "strengths", (trace,), layout, "Judged pairs by strength.")


def of_longer(columns: Sequence[Column], longer: Any) -> Plot:
    """Return how often each system prefers the longer response.

    Args:
        longer: of shape (n,), the sign of the longer response's strength; 0 where neither is.
    """
    estimates = [_share_longer(of, longer) for of in columns]
    names = [of.name for of in columns]
    title = "The longer response among the pairs with a preference"
    caption = (
        "Share of the longer response, in characters, among the pairs of different lengths on which"
        " a response is preferred, with 95 % intervals."
    )
    return shares("length", "longer", [marks(names, estimates, ONE)], caption, names, title=title)


def _share_longer(of: Column, longer: Any) -> Estimate:
    counted = of.preferred & (longer != 0)
    hits = int((of.choice[counted] == longer[counted]).sum())
    return share(hits, int(counted.sum()), "prefers no response of a pair of different lengths")


def _longer(lengths: tuple[int, int] | None) -> int:
    return 0 if lengths is None else (lengths[1] > lengths[0]) - (lengths[1] < lengths[0])

"""Many models ranked by judgments of pairs of their answers: ``judge rank``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge import __version__
from judge.compare.rank.bradley_terry import groups
from judge.compare.rank.games import Games
from judge.compare.rank.group_order import Counts, Order, before, order_notes, surely_above
from judge.compare.rank.length_control import length_term
from judge.compare.rank.resampled import Drawn, RankFigures
from judge.lookalikes import told_apart
from judge.metrics.estimate import Estimate, share
from judge.runs.whole import replace_json

RANK = "rank.json"
RESAMPLES = 1000


class Standing(BaseModel):
    """One model among the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    rank: int | None
    """1 and the number of models whose interval of strength lies wholly above this one's, as in
    Chatbot Arena; None without intervals, or where games do not order the model's group among all
    others, not even through others."""
    group: int
    """From 1: only the strengths of models of one group can be compared. A group that won every
    game against another stands before it; between groups that no games order, the numbers say
    nothing."""
    games: int
    wins: int
    ties: int
    losses: int
    win_rate: Estimate
    """Ties half. The intervals of these three are bootstrap ones, prompts drawn with all their
    games; ``n`` is a number of games. Where every resample gives the same rate (all games won), the
    interval is Wilson's, each prompt an observation."""
    strength: Estimate
    """Bradley-Terry log-odds, mean 0 in its group."""
    length_controlled: Estimate
    """Win rate without the effect of length (:mod:`judge.compare.rank.length_control`)."""


class Meeting(BaseModel):
    """Two models' games against each other, as the first sees them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    win_rate: Estimate
    """Ties half; Wilson's interval."""


class Ranking(BaseModel):
    """What ``rank.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    system: str
    """Whose judgments they are."""
    games: int
    prompts: int
    left_out: dict[str, int]
    """Judged rows that are no game, by reason."""
    seed: int
    resamples: int
    standings: list[Standing]
    """The best first."""
    meetings: list[Meeting]
    """Every two models that met, in the order of the standings."""
    length_effect: Estimate
    """Log-odds that the longer response gains at most; at a difference of ``length_unit``, 0.76 of
    it."""
    length_unit: float
    """Characters: the root mean square of the differences."""
    notes: list[str]


def rank(games: Games, system: str, seed: int = 0, resamples: int = RESAMPLES) -> Ranking:
    """Return the ranking of the models of ``games``.

    The same games and seed give the same ranking.

    Args:
        system: whose judgments they are.
        resamples: how many times the prompts are drawn with replacement.
    """
    won, tied = _counts(games)
    order = groups(won + tied / 2)
    term, unit = length_term(games)
    found = RankFigures.of(games, np.ones(len(games)), order, term)
    drawn = Drawn.of(games, order, term, found, seed, resamples)
    standings = _standings(games, won, tied, order, found, drawn)
    no_control = _no_control(order)
    effect = Estimate.missing(no_control, len(games))
    if not np.isnan(found.effect[0]):
        effect = drawn.estimate("effect", 0, float(found.effect[0]), len(games), games.clusters)
    names = told_apart(games.models)
    notes = order_notes([names[model] for model in games.models], won, order)
    if effect.why_not and len(order) == 1:
        notes.append(f"no length-controlled win rates: {effect.why_not}")
    for name, what in (("strength", "strengths"), ("effect", "length-controlled win rates")):
        without = drawn.without(name)
        if without and not np.isnan(getattr(found, name)).all():
            notes.append(
                f"{without:,} of {resamples:,} resamples have no finite {what}"
                + (": no intervals, too few games to rely on them" if drawn.endless(name) else "")
            )
    if drawn.constant("strength") and not np.isnan(found.strength).all():
        notes.append("all resamples have the same strengths: no intervals, and no ranks in a group")
    return Ranking(
        version=__version__,
        system=system,
        games=len(games),
        prompts=games.clusters,
        left_out=games.left_out,
        seed=seed,
        resamples=resamples,
        standings=standings,
        meetings=_meetings(games, won, tied, [standing.model for standing in standings]),
        length_effect=effect,
        length_unit=round(unit, 1),
        notes=notes,
    )


def write_ranking(ranking: Ranking, path: Path) -> None:
    """Write ``rank.json``.

    Raises:
        UsageError: when the disk refuses.
    """
    replace_json(path, ranking.model_dump(mode="json"))


def _counts(games: Games) -> tuple[Counts, Counts]:
    """Return how often model i beat model j, and how often the two tied (symmetric)."""
    size = len(games.models)
    won = np.zeros((size, size), dtype=np.int64)
    tied = np.zeros((size, size), dtype=np.int64)
    one, two, points = games.first, games.second, games.points
    np.add.at(won, (one[points == 1], two[points == 1]), 1)
    np.add.at(won, (two[points == 0], one[points == 0]), 1)
    np.add.at(tied, (one[points == 0.5], two[points == 0.5]), 1)
    return won, tied + tied.T


def _standings(
    games: Games, won: Counts, tied: Counts, order: Order, found: RankFigures, drawn: Drawn
) -> list[Standing]:
    wins, ties, losses = won.sum(axis=1), tied.sum(axis=1), won.sum(axis=0)
    played = wins + ties + losses
    known = before(order, won)
    standings: list[Standing] = []
    for number, members in enumerate(order):
        strength = {
            m: _named(games, found, drawn, "strength", m, _boundless(m, wins, played))
            for m in members
        }
        others = surely_above(known, order, number)
        for m in sorted(members, key=lambda m: (*_better_first(strength[m], found, m), m)):
            place = _place(m, strength)
            standings.append(
                Standing(
                    model=games.models[m],
                    rank=None if others is None or place is None else others + place,
                    group=number + 1,
                    games=int(played[m]),
                    wins=int(wins[m]),
                    ties=int(ties[m]),
                    losses=int(losses[m]),
                    win_rate=_named(games, found, drawn, "win_rate", m, ""),
                    strength=strength[m],
                    length_controlled=_named(
                        games, found, drawn, "controlled", m, _no_control(order)
                    ),
                )
            )
    return standings


def _better_first(strength: Estimate, found: RankFigures, model: int) -> tuple[float, float]:
    """Return a key by which models of a group stand in order."""
    return -(strength.value or 0), -float(found.win_rate[model])


def _named(
    games: Games, found: RankFigures, drawn: Drawn, name: str, model: int, why_not: str
) -> Estimate:
    """Return one figure of one model, or why there is none."""
    value = float(getattr(found, name)[model])
    n = int(((games.first == model) | (games.second == model)).sum())
    if np.isnan(value):
        return Estimate.missing(why_not, n)
    return drawn.estimate(name, model, value, n, games.prompts_of(model))


def _boundless(model: int, wins: Counts, played: Counts) -> str:
    if wins[model] == played[model]:
        return "it won every game: no finite strength"
    if wins[model] == 0:
        return "it never won: no finite strength"
    return "it won every game against some models and none against the others: no finite strength"


def _no_control(order: Order) -> str:
    if len(order) > 1:
        return "the models' strengths cannot all be compared"
    return "length predicts the winners (almost) without error"


def _place(model: int, strength: dict[int, Estimate]) -> int | None:
    """Return 1 and the number of models of the group that are surely stronger.

    None where intervals are missing: nothing is sure then, but that one model alone is first.
    """
    if len(strength) == 1:
        return 1
    intervals = [other.interval for other in strength.values()]
    own = strength[model].interval
    if own is None or None in intervals:
        return None
    return 1 + sum(other is not None and other[0] > own[1] for other in intervals)


def _meetings(games: Games, won: Counts, tied: Counts, names: Sequence[str]) -> list[Meeting]:
    place = {name: index for index, name in enumerate(games.models)}
    found = []
    for one, two in combinations(names, 2):
        i, j = place[one], place[two]
        wins, ties, losses = int(won[i, j]), int(tied[i, j]), int(won[j, i])
        n = wins + ties + losses
        if n:
            rate = share(wins + ties / 2, n, "")
            found.append(
                Meeting(first=one, second=two, wins=wins, ties=ties, losses=losses, win_rate=rate)
            )
    return found

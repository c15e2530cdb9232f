"""A finished run on the planned games, as arrays: who won which, how surely, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judge.compare.arena.plan import Game, answers_of
from judge.compare.columns import Floats
from judge.compare.systems import Decision, read_run
from judge.runs.folder import JUDGMENTS
from judge.runs.jsonlines import read_rows

Ints = NDArray[np.int64]
Strengths = tuple[int, ...]
"""Of each order judged, as the model's: above 0 its answer is better, up to 3."""


@dataclass(frozen=True, eq=False)
class Match:
    """One model against another on all prompts. Arrays have an entry a game that was decided, in
    the order of :attr:`games`; everything is as the model sees it."""

    model: str
    other: str
    games: tuple[Game, ...]
    points: Floats
    """1 won, 0 lost, 0.5 tied."""
    probability: Floats
    """P(the model's answer is better); NaN where the judge gives none."""
    longer: Floats
    """Characters of the model's answer less those of the other."""
    strengths: tuple[Strengths, ...]
    """Empty where nobody judged: the texts are the same."""
    consistent: int
    """Games whose orders agree."""
    asked_twice: int
    """Games that were judged in both orders."""
    failures: dict[str, int] = field(default_factory=dict)
    """Games without a verdict, by reason."""
    failed: tuple[Game, ...] = ()

    @property
    def prompts(self) -> Ints:
        """The number of each game's prompt."""
        return np.array([game.prompt for game in self.games], dtype=np.int64)

    @property
    def same(self) -> int:
        """How many games are ties of the same text."""
        return sum(game.same for game in self.games)

    @property
    def preference(self) -> Floats:
        """The probability, and the points where there is none."""
        return np.where(np.isnan(self.probability), self.points, self.probability)

    @property
    def all(self) -> int:
        """Games and failures."""
        return len(self.games) + len(self.failed)


def read_matches(games: Sequence[Game], folder: Path | None) -> list[Match]:
    """Return the matches of all games by a run's judgments, in the order of the plan.

    A pair that the run does not hold is left out: the run was stopped before it.

    Args:
        folder: the run folder; None where no game needed a judge.

    Raises:
        UsageError: when it is no run folder, or damaged.
    """
    decisions: Mapping[str, Decision] = {}
    strengths: Mapping[str, Strengths] = {}
    if folder is not None:
        decisions = read_run(folder)[0].decisions
        strengths = dict(read_rows(folder / JUDGMENTS, _strengths))
    meetings: dict[tuple[str, str], list[Game]] = {}
    for game in games:
        meetings.setdefault((game.model.name, game.other.name), []).append(game)
    return [_match(of, decisions, strengths) for of in meetings.values()]


def _strengths(row: dict[str, Any]) -> tuple[str, Strengths]:
    """Return a judgment's strength in each order, above 0 where the pair's Response 2 is better."""
    orders = row["orders"]
    signs = {"given": 1, "flipped": -1}
    found = [signs[o] * int(orders[o]["strength"]) for o in signs if o in orders]
    return str(row["pair_id"]), tuple(found)


def _match(
    games: Sequence[Game],
    decisions: Mapping[str, Decision],
    strengths: Mapping[str, Strengths],
) -> Match:
    there: list[Game] = []
    failed: list[tuple[Game, str]] = []
    for game in games:
        decision = decisions.get(game.pair_id)
        why = game.failure or (decision and decision.failure)
        if why:
            failed.append((game, why))
        elif game.same or decision is not None:
            there.append(game)
    of = [None if game.same else decisions[game.pair_id] for game in there]
    return Match(
        model=games[0].model.name,
        other=games[0].other.name,
        games=tuple(there),
        points=np.array([_points(g, d) for g, d in zip(there, of, strict=True)], dtype=float),
        probability=np.array([_chance(g, d) for g, d in zip(there, of, strict=True)], dtype=float),
        longer=np.array([_longer(game) for game in there], dtype=float),
        strengths=tuple(
            tuple(s if not game.first else -s for s in strengths.get(game.pair_id, ()))
            for game in there
        ),
        consistent=sum(bool(d and d.consistent) for d in of),
        asked_twice=sum(bool(d and d.consistent is not None) for d in of),
        failures=dict(sorted(Counter(why for _, why in failed).items())),
        failed=tuple(game for game, _ in failed),
    )


def _points(game: Game, decision: Decision | None) -> float:
    if decision is None or decision.preference is None:
        return 0.5
    return float((decision.preference == "response_1") == game.first)


def _chance(game: Game, decision: Decision | None) -> float:
    if decision is None:
        return 0.5
    if decision.probability is None:
        return float("nan")
    return decision.probability if game.first else 1 - decision.probability


def _longer(game: Game) -> float:
    mine, theirs = answers_of(game)
    return float(len(mine.text) - len(theirs.text))

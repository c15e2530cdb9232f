"""A match in figures: wins, ties, losses, win rates with intervals by prompt, bounds, lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge.compare.arena.contestants import Answered, Contestant, Key
from judge.compare.arena.matches import Ints, Match
from judge.compare.arena.plan import MISSING
from judge.compare.columns import Floats
from judge.formats.model_answers import unanswered
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import bootstrap, weighted_share, wilson

NO_GAME = "no game was decided"


class Lengths(BaseModel):
    """How long a model's answers are, on average."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: int
    characters: float | None
    """None without answers."""
    words: float | None
    tokens: float | None
    """As the files say; None unless they say it of every answer. Each model's own tokens, or those
    of a benchmark's tokenizer."""
    cut: int
    """Answers that ended because their tokens ran out, where the files say."""
    empty: int


class Result(BaseModel):
    """What a match says of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    other: str
    prompts: int
    """Prompts with at least one decided game."""
    wins: int
    ties: int
    """Without a preference; those of the same text are among them."""
    losses: int
    same: int
    """Ties of the same text, which nobody judged."""
    failures: dict[str, int]
    """Games without a verdict, by reason: in no rate, but in both bounds."""
    win_rate: Estimate
    """Ties half. All intervals here come from prompts drawn with all their games; Wilson's, each
    prompt an observation, where all of them are the same."""
    decided: Estimate
    """Wins among wins and losses: ties apart."""
    preference: Estimate
    """Mean of the judge's probability (AlpacaEval's win rate), the points where it gives none."""
    standard_error: float | None
    """Of the preference, from its spread over prompts."""
    lowest: float | None
    """The win rate if every failure were lost; :attr:`highest`, if every one were won."""
    highest: float | None
    consistent: float | None
    """Share of the games judged in both orders whose orders agree."""


def result(match: Match, seed: int, resamples: int) -> Result:
    """Return the figures of a match."""
    points = match.points
    wins, losses = int((points == 1).sum()), int((points == 0).sum())
    failed = sum(match.failures.values())
    settled = points != 0.5
    won = float(points.sum())
    return Result(
        model=match.model,
        other=match.other,
        prompts=len(np.unique(match.prompts)),
        wins=wins,
        ties=len(points) - wins - losses,
        losses=losses,
        same=match.same,
        failures=match.failures,
        win_rate=mean_by_prompt(points, match.prompts, NO_GAME, seed, resamples),
        decided=mean_by_prompt(
            points[settled], match.prompts[settled], "no game has a winner", seed, resamples
        ),
        preference=mean_by_prompt(match.preference, match.prompts, NO_GAME, seed, resamples),
        standard_error=standard_error(match.preference, match.prompts),
        lowest=rounded(won / match.all) if match.all else None,
        highest=rounded((won + failed) / match.all) if match.all else None,
        consistent=rounded(match.consistent / match.asked_twice) if match.asked_twice else None,
    )


def mean_by_prompt(
    values: Floats, prompts: Ints, nothing: str, seed: int, resamples: int
) -> Estimate:
    """Return the mean of games with the interval of a bootstrap that draws prompts.

    Args:
        values: a number from 0 to 1 a game.
        prompts: the number of its prompt.
    """
    if not len(values):
        return Estimate.missing(nothing)
    means, games = by_prompt(values, prompts)
    value = float(values.mean())
    interval = bootstrap(weighted_share, means, games, seed=seed, resamples=resamples)
    if interval is None:  # all prompts say the same, or there is one
        interval = wilson(min(max(value, 0.0), 1.0) * len(means), len(means))
    return Estimate.of(value, len(values), interval)


def by_prompt(values: Floats, prompts: Ints) -> tuple[Floats, Floats]:
    """Return each prompt's mean and number of games."""
    _, place = np.unique(prompts, return_inverse=True)
    games = np.bincount(place).astype(float)
    return np.bincount(place, values) / games, games


def standard_error(values: Floats, prompts: Ints) -> float | None:
    """Return the standard error of the mean of prompts' means; None of fewer than two prompts."""
    if not len(values):
        return None
    means, _ = by_prompt(values, prompts)
    return rounded(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None


def lengths(contestant: Contestant, keys: Sequence[Key]) -> Lengths:
    """Return the lengths of a model's answers to the prompts ``keys``."""
    there: list[Answered] = [contestant.answers[k] for k in keys if k in contestant.answers]
    return mean_lengths(
        [answer.text for answer in there],
        [answer.tokens for answer in there],
        [answer.cut for answer in there],
    )


def mean_lengths(
    texts: Sequence[str], tokens: Sequence[int | None], cut: Sequence[bool | None]
) -> Lengths:
    """Return the lengths of answers; tokens where every one has them."""
    known = [count for count in tokens if count is not None]
    return Lengths(
        answers=len(texts),
        characters=_mean([len(text) for text in texts]),
        words=_mean([len(text.split()) for text in texts]),
        tokens=_mean(known) if len(known) == len(texts) else None,
        cut=sum(was is True for was in cut),
        empty=sum(not text.strip() for text in texts),
    )


def answer_notes(contestants: Sequence[Contestant], results: Sequence[Result]) -> list[str]:
    """Return what is wrong with the answers themselves, one line a kind and model."""
    notes = []
    for contestant in contestants:
        notes += unanswered(contestant.source)
        notes += doubled_note(contestant.name, "prompts", contestant.doubled, contestant.source)
        several = sum(answer.several for answer in contestant.answers.values())
        if several:
            notes.append(
                f"{several:,} answers of {contestant.name} have several turns: only the first"
                " is compared, as later turns of two models share no prompt"
            )
    for one in results:
        if missing := one.failures.get(MISSING):
            notes.append(f"{missing:,} prompts have no answer from {one.model} or {one.other}")
    return notes


def doubled_note(name: str, what: str, doubled: Mapping[Any, str], source: str) -> list[str]:
    """Return the note on what a model answers twice in different words, if there is any.

    Args:
        what: it answers, in the plural.
        doubled: the lines of the two answers to each.
    """
    if not doubled:
        return []
    lines = next(iter(doubled.values()))
    return [
        f"{name} answers {len(doubled):,} {what} twice in different words (the first: {lines} of"
        f" {source}): failures"
    ]


def _mean(values: Sequence[int]) -> float | None:
    return rounded(sum(values) / len(values)) if values else None

"""``judge arena alpaca-eval``: length-controlled win rates beside the plain ones."""

from __future__ import annotations

from collections.abc import Sequence

from judge.compare.arena.config import AlpacaEvalConfig
from judge.compare.arena.contestants import Contestant
from judge.compare.arena.difficulty import difficulty_of, read_difficulty, read_gamed
from judge.compare.arena.length_glm import controlled
from judge.compare.arena.matches import Match
from judge.compare.arena.result import ArenaResult

PUBLISHED = 805
"""Instructions of AlpacaEval."""


def with_control(
    config: AlpacaEvalConfig,
    result: ArenaResult,
    matches: Sequence[Match],
    baseline: Contestant,
) -> ArenaResult:
    """Return the result with a length-controlled win rate for each model.

    Raises:
        UsageError: for a file of difficulties or gamed answers that is not of these prompts.
    """
    difficulties = config.difficulty and read_difficulty(config.difficulty, baseline)
    gamed = None if config.gamed is None else read_gamed(config.gamed)
    found = {
        match.model: controlled(
            match,
            config.seed,
            config.resamples,
            difficulty_of(match, difficulties) if difficulties else None,
            gamed,
        )
        for match in matches
        if match.other == baseline.name
    }
    doubts = [note for one in found.values() for note in one.notes]
    notes = [*result.notes, *_what_it_is(config, result), *doubts]
    return result.model_copy(update={"controlled": found, "notes": notes})


def _what_it_is(config: AlpacaEvalConfig, result: ArenaResult) -> list[str]:
    """Return how the fit differs from the published one."""
    notes = []
    if config.difficulty is None:
        notes.append(
            "length control without the term of the instructions' difficulty: no --difficulty"
        )
    if config.gamed is None:
        notes.append("length control without the published gamed answers: no --gamed")
    if result.prompts != PUBLISHED:
        notes.append(
            f"{result.prompts:,} prompts, AlpacaEval has {PUBLISHED}; and the judge is not"
            " GPT-4: not comparable with published scores"
        )
    else:
        notes.append("the judge is not GPT-4: not comparable with published scores")
    return notes

"""From models' answers to the pairs that a judge sees, and what is known without a judge.

For each prompt of the baseline, each model meets the baseline (with ``every``, also each other
model). Which answer stands first is drawn from the pair's id, so that a judge in one order cannot
favour a model by favouring a place. Two answers of the same text are a tie that nobody need judge,
as in AlpacaEval; an answer that is missing, or given twice in different words, is a failure.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from judge.compare.arena.config import PAIRS
from judge.compare.arena.contestants import Answered, Contestant, Key
from judge.errors import UsageError
from judge.runs.identity import made_files
from judge.runs.jsonlines import encode_line

OTHERS = "the pairs of other answers, or of another baseline"
MISSING, DOUBLED = "missing_answer", "doubled_answer"
"""Failures that are known before anyone judges, beside those of a run."""


@dataclass(frozen=True, slots=True)
class Game:
    """Two models' answers to one prompt."""

    model: Contestant
    other: Contestant
    key: Key
    prompt: int
    """Number of the prompt among the baseline's; its samples share it."""
    pair_id: str
    first: bool
    """Whether the model's answer is Response 1."""
    same: bool = False
    failure: str | None = None

    @property
    def judged(self) -> bool:
        """Whether it is a pair that a judge sees."""
        return not self.same and self.failure is None


def plan(
    contestants: Sequence[Contestant], baseline: Contestant, every: bool = False
) -> list[Game]:
    """Return all games, prompt by prompt in the baseline's order.

    Raises:
        UsageError: for a model that answered none of the baseline's prompts.
    """
    keys = list(dict.fromkeys([*baseline.answers, *baseline.doubled]))
    asked = set(keys)
    for contestant in contestants:
        if not asked & {*contestant.answers, *contestant.doubled}:
            raise UsageError(
                f"{contestant.source}: {contestant.name!r} answers none of the prompts of the"
                f" baseline {baseline.name!r} ({baseline.source})"
            )
    meetings = [(contestant, baseline) for contestant in contestants]
    if every:
        meetings += combinations(contestants, 2)
    numbers = {content: n for n, content in enumerate(dict.fromkeys(k[0] for k in keys))}
    labels = _labels(keys, baseline)
    return [
        _game(one, two, key, numbers[key[0]], labels[key]) for key in keys for one, two in meetings
    ]


def within(games: Sequence[Game], limit: int | None) -> list[Game]:
    """Return the games of the first ``limit`` prompts."""
    return [game for game in games if limit is None or game.prompt < limit]


def strangers(contestant: Contestant, baseline: Contestant) -> int:
    """Return how many answers of a model are to no prompt of the baseline, or to no question."""
    asked = {*baseline.answers, *baseline.doubled}
    return sum(key not in asked for key in contestant.answers) + contestant.unknown


def write_pairs(folder: Path, games: Sequence[Game], fresh: bool) -> Path:
    """Write the pairs that are judged as the input of a run; return the file.

    ``model_a`` and ``model_b`` name who wrote Response 1 and 2, for ``judge rank``; a judge never
    sees them.

    Raises:
        UsageError: when the folder holds other pairs and ``fresh`` is not set, or the disk refuses.
    """
    path = folder / PAIRS
    with made_files([path], OTHERS, fresh) as (file,):
        file.writelines(_lines(games))
    return path


def _labels(keys: Sequence[Key], baseline: Contestant) -> dict[Key, str]:
    """Return a name for each prompt and sample: its question's id where those tell all apart."""
    ids = {key: a.question_id for key, a in baseline.answers.items()}
    given = [(ids.get(key), key[1]) for key in keys]
    by_id = None not in [label for label, _ in given] and max(Counter(given).values()) == 1
    return {key: f"{ids[key] if by_id else key[0]}{f'~{key[1]}' if key[1] else ''}" for key in keys}


def _game(one: Contestant, two: Contestant, key: Key, prompt: int, label: str) -> Game:
    pair_id = f"{label}:{one.name}:{two.name}"
    first = bool(hashlib.sha256(pair_id.encode("utf-8", "surrogatepass")).digest()[0] % 2)
    same, failure = False, None
    if key in one.doubled or key in two.doubled:
        failure = DOUBLED
    elif key not in one.answers or key not in two.answers:
        failure = MISSING
    else:
        mine, theirs = one.answers[key].text, two.answers[key].text
        same = mine == theirs and bool(mine.strip())
    return Game(one, two, key, prompt, pair_id, first, same, failure)


def answers_of(game: Game) -> tuple[Answered, Answered]:
    """Return the model's answer and the other's; only of a game without a failure."""
    return game.model.answers[game.key], game.other.answers[game.key]


def _lines(games: Sequence[Game]) -> Iterator[bytes]:
    for game in games:
        if not game.judged:
            continue
        mine, theirs = answers_of(game)
        names = (game.model.name, game.other.name)
        one, two = (mine, theirs) if game.first else (theirs, mine)
        a, b = names if game.first else names[::-1]
        yield encode_line(
            {
                "pair_id": game.pair_id,
                "prompt": [message.model_dump() for message in mine.prompt],
                "response_1": one.text,
                "response_2": two.text,
                "model_a": a,
                "model_b": b,
                "question_id": theirs.question_id or mine.question_id,
                "category": theirs.category or mine.category,
            }
        )

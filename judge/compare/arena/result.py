"""Everything that ``judge arena`` finds out, as it lies in ``arena.json``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from judge import __version__
from judge.compare.arena.config import AnswersConfig
from judge.compare.arena.contestants import Contestant, Key
from judge.compare.arena.grades import Grading
from judge.compare.arena.length_glm import Controlled
from judge.compare.arena.matches import Match, read_matches
from judge.compare.arena.plan import Game, strangers, within
from judge.compare.arena.win_rate import Lengths, Result, answer_notes, lengths
from judge.compare.arena.win_rate import result as result_of
from judge.compare.systems import read_config
from judge.runs.whole import replace_json

ARENA = "arena.json"
Rule = Literal["pairs", "alpaca-eval", "arena-hard"]
Own = Callable[[Match], BaseModel]


class JudgedBy(BaseModel):
    """Who judged: two judges give two results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    mode: str
    orders: int
    digest: str
    """Of all that determines the verdicts: the model's weights, template, options, pairs."""
    identity: dict[str, Any]
    """The same in full, as in the run's ``config.json``."""


class ArenaResult(BaseModel):
    """What ``arena.json`` holds. Shares are 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    rule: Rule
    judge: JudgedBy | None
    """None where no pair needed one: all answers were the same, or failures."""
    baseline: str
    prompts: int
    seed: int
    resamples: int
    results: list[Result]
    """Each model against the baseline, in the order given."""
    meetings: list[Result]
    """Every two other models, where they were judged."""
    controlled: dict[str, Controlled]
    """By model: AlpacaEval's length-controlled win rates; of that rule alone."""
    graded: Grading | None = None
    """Arena-Hard's figures; of that rule alone."""
    lengths: dict[str, Lengths]
    """By model, the baseline's too."""
    strangers: dict[str, int]
    """Answers that are to no prompt of the baseline, by model: in no figure."""
    run: str | None
    """The run folder, seen from this file: judgments with raw replies, and failures."""
    notes: list[str]


def score(
    rule: Rule,
    config: AnswersConfig,
    contestants: Sequence[Contestant],
    baseline: Contestant,
    planned: Sequence[Game],
) -> tuple[ArenaResult, list[Match]]:
    """Return the figures that every rule has, and the matches for the figures of its own.

    Raises:
        UsageError: when the run folder is damaged.
    """
    games = within(planned, config.limit)
    folder = config.run if any(game.judged for game in games) else None
    matches = read_matches(games, folder)
    judge = None if folder is None else judged_by(folder)
    results = [result_of(match, config.seed, config.resamples) for match in matches]
    keys: list[Key] = list(dict.fromkeys(game.key for game in games))
    everybody = [*contestants, baseline]
    found = ArenaResult(
        version=__version__,
        rule=rule,
        judge=judge,
        baseline=baseline.name,
        prompts=len({game.prompt for game in games}),
        seed=config.seed,
        resamples=config.resamples,
        results=[r for r in results if r.other == baseline.name],
        meetings=[r for r in results if r.other != baseline.name],
        controlled={},
        lengths={c.name: lengths(c, keys) for c in everybody},
        strangers={c.name: n for c in contestants if (n := strangers(c, baseline))},
        run=None if folder is None else folder.name,
        notes=[*answer_notes(everybody, results), *_notes(judge, contestants, baseline, results)],
    )
    return found, matches


def write_result(result: BaseModel, folder: Path) -> Path:
    """Write ``arena.json``; return its path. The same result gives the same bytes.

    Raises:
        UsageError: when the disk refuses.
    """
    path = folder / ARENA
    replace_json(path, result.model_dump(mode="json"))
    return path


def judged_by(folder: Path, mode: str | None = None, orders: int | None = None) -> JudgedBy:
    """Return who judged a run.

    Args:
        mode: how; None: as the run's configuration says.
        orders: in how many orders; None: as it says.

    Raises:
        UsageError: when the run's configuration cannot be read.
    """
    config = read_config(folder)
    asked = config["config"]
    return JudgedBy(
        model=str(asked["model"]),
        mode=mode or str(asked["mode"]),
        orders=orders or {"both": 2, "given": 1}[asked["orders"]],
        digest=str(config["digest"]),
        identity=dict(config["identity"]),
    )


def _notes(
    judge: JudgedBy | None,
    contestants: Sequence[Contestant],
    baseline: Contestant,
    results: Sequence[Result],
) -> list[str]:
    notes = []
    for contestant in contestants:
        if count := strangers(contestant, baseline):
            notes.append(
                f"{count:,} answers of {contestant.name} are to prompts that the baseline"
                " was not asked: left out"
            )
    if judge is not None and judge.model in {baseline.name, *(c.name for c in contestants)}:
        notes.append(f"{judge.model} judges answers of its own, which judges tend to prefer")
    if len({r.prompts for r in results}) > 1:
        notes.append("the models were compared on different prompts: see their numbers")
    return notes

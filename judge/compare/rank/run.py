"""``judge rank`` from the run folder to ``rank.json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from judge.compare.rank.config import RankConfig
from judge.compare.rank.games import read_games
from judge.compare.rank.ranking import RANK, Ranking, rank, write_ranking
from judge.compare.systems import read_run
from judge.errors import UsageError


def run(
    config: RankConfig, note: Callable[[str], None] = lambda text: None
) -> tuple[Ranking, Path]:
    """Rank the models of a run folder; return the ranking and the file that holds it.

    Args:
        note: told what a reader of the ranking should know.

    Raises:
        UsageError: when the folder has no such judgments, its input cannot be read or does not
            name the models, or the file cannot be written.
    """
    folder = Path(config.run)
    systems = {system.name: system for system in read_run(folder)}
    name = config.by if config.by is not None else next(iter(systems))
    if name not in systems:
        raise UsageError(f"{config.run} has no judgments by {name!r}; it has {', '.join(systems)}")
    origin = systems[name].origin
    assert origin is not None
    if not origin.complete:
        note(f"{config.run} is not complete: only what it holds is ranked")
    games = read_games(origin, systems[name].decisions, config.columns)
    path = _file(folder if config.out is None else Path(config.out))
    found = rank(games, name, config.seed, config.resamples)
    write_ranking(found, path)
    return found, path


def _file(out: Path) -> Path:
    """Return the file to write: in the folder ``out``, or ``out`` where that names a JSON file."""
    if out.suffix == ".json" and not out.is_dir():
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
    return out / RANK

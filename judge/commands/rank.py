"""``judge rank``: many models ranked by the judgments of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from judge.errors import UsageError


def rank(
    run: Annotated[
        str, typer.Argument(metavar="DIR", help="Run folder of judge batch or judge score.")
    ],
    model_columns: Annotated[
        str,
        typer.Option(
            metavar="FIRST,SECOND",
            help="Columns of its input that name the models of Response 1 and Response 2.",
        ),
    ] = "model_a,model_b",
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose judgments: a scorer's name. (default: the judge's)"
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Bootstrap resamples of the prompts.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where rank.json is written. (default: the run folder)"),
    ] = None,
) -> None:
    """Rank many models by judged pairs of their answers: Bradley-Terry, win rates, matrix."""
    from rich.console import Console

    from judge.compare.rank.games import read_games
    from judge.compare.rank.ranking import rank as rank_games
    from judge.compare.rank.ranking import write_ranking
    from judge.compare.rank.tables import tables
    from judge.compare.systems import read_run
    from judge.report.tables import shown

    columns = tuple(name.strip() for name in model_columns.split(","))
    if len(columns) != 2 or not all(columns) or columns[0] == columns[1]:
        raise UsageError(f"--model-columns {model_columns!r}: expected two names, as in a,b")
    folder = Path(run)
    systems = {system.name: system for system in read_run(folder)}
    name = by if by is not None else next(iter(systems))
    if name not in systems:
        raise UsageError(f"{run} has no judgments by {name!r}; it has {', '.join(systems)}")
    origin = systems[name].origin
    assert origin is not None
    if not origin.complete:
        typer.echo(f"{run} is not complete: only what it holds is ranked", err=True)
    games = read_games(origin, systems[name].decisions, (columns[0], columns[1]))
    path = _file(folder if out is None else Path(out))
    with Console(stderr=True).status("ranking"):
        found = rank_games(games, name, seed, resamples)
    write_ranking(found, path)
    console = Console()
    for table in tables(found):
        console.print(shown(table))
    typer.echo(path)


def _file(out: Path) -> Path:
    """Return the file to write: in the folder ``out``, or ``out`` where that names a JSON file."""
    from judge.compare.rank.ranking import RANK

    if out.suffix == ".json" and not out.is_dir():
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
    return out / RANK

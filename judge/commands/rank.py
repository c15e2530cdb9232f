"""``judge rank``: many models ranked by the judgments of a run folder."""

from __future__ import annotations

from typing import Any

import typer

from judge.commands.fields import from_fields
from judge.compare.rank.config import RankConfig
from judge.options import checked


@from_fields(RankConfig, arguments=("run",), required=("run",))
def rank(given: dict[str, Any]) -> None:
    """Rank many models by judged pairs of their answers: Bradley-Terry, win rates, matrix."""
    from rich.console import Console

    from judge.compare.rank.run import run
    from judge.compare.rank.tables import tables
    from judge.report.tables import shown

    config = checked(RankConfig, given)
    screen = Console(stderr=True)
    with screen.status("ranking"):
        found, path = run(config, lambda text: typer.echo(text, err=True))
    console = Console()
    for table in tables(found):
        console.print(shown(table))
    typer.echo(path)

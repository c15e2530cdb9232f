"""``judge compare``: run folders beside each other and beside people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from judge.commands.fields import from_fields
from judge.compare.config import CompareConfig
from judge.options import checked


@from_fields(CompareConfig, arguments=("runs",), required=("runs",))
def compare(
    given: dict[str, Any],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write report.html, comparison.json, disagreements.jsonl and rewards.svg here.",
        ),
    ] = None,
) -> None:
    """Compare judges, reward models and people: accuracy, tests, agreement, calibration."""
    from rich.console import Console

    from judge.compare.comparison import compare as compare_runs
    from judge.compare.comparison import write
    from judge.compare.reports.compare import write_report
    from judge.compare.reports.reward_figure import write_figure
    from judge.compare.tables import tables
    from judge.report.tables import shown

    config = checked(CompareConfig, given)
    with Console(stderr=True).status("comparing") as status:
        found = compare_runs(config, status.update)
        files = []
        if out is not None:
            files = [*write(found, out), write_report(found, out)]
            files += write_figure(found.rewards, out)
    console = Console()
    for table in tables(found):
        console.print(shown(table))
    for note in found.notes:
        typer.echo(f"note: {note}")
    for file in files:
        typer.echo(str(file))

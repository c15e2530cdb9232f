"""``judge compare``: run folders beside each other and beside people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

LabelRule = Literal["consensus", "majority"]


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR...", help="Run folders of judge batch and judge score; or NAME=DIR."
        ),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|column:NAME",
            help="What people say; may be repeated, the first is what counts."
            " (default: what the runs' input carries)",
        ),
    ] = None,
    label_rule: Annotated[
        LabelRule | None,
        typer.Option(help="How several people's labels become one. (default: consensus)"),
    ] = None,
    slice: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Accuracy by this column, too; may be repeated."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Weights of pairs; 'strength' is the label's."),
    ] = None,
    queue: Annotated[
        int | None, typer.Option(help="The most disagreements to list. (default: 200)", metavar="N")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all that is drawn. (default: 0)")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write report.html, comparison.json and disagreements.jsonl here."
        ),
    ] = None,
) -> None:
    """Compare judges, reward models and people: accuracy, tests, agreement, calibration."""
    from rich.console import Console

    from judge.compare.comparison import compare as compare_runs
    from judge.compare.comparison import write
    from judge.compare.config import CompareConfig
    from judge.compare.reports.compare import write_report
    from judge.compare.tables import tables
    from judge.report.tables import shown

    config = CompareConfig.checked(
        runs=tuple(runs),
        labels=tuple(labels or ()),
        label_rule=label_rule,
        slice=tuple(slice or ()),
        weights=weights,
        queue=queue,
        seed=seed,
    )
    with Console(stderr=True).status("comparing") as status:
        found = compare_runs(config, status.update)
        files = [] if out is None else [*write(found, out), write_report(found, out)]
    console = Console()
    for table in tables(found):
        console.print(shown(table))
    for note in found.notes:
        typer.echo(f"note: {note}")
    for file in files:
        typer.echo(str(file))

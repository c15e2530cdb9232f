"""``judge data stats``: annotated data in numbers and pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from judge.commands.options import (
    AllAnnotations,
    Data,
    Format,
    MaxSpread,
    NoSpreadFilter,
    OneSplit,
    Revision,
    Similar,
    StrictReading,
    Subset,
    consensus_rules,
)


def stats(
    input: Data,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write stats.json and the page stats.html here."),
    ] = None,
    similar: Similar = None,
    all_annotations: AllAnnotations = False,
    max_spread: MaxSpread = None,
    no_spread_filter: NoSpreadFilter = False,
    keep_zeros: Annotated[
        bool | None,
        typer.Option("--keep-zeros/--drop-zeros", help="Keep pairs of overall 0. (default: drop)"),
    ] = None,
    format: Format = None,
    split: OneSplit = None,
    subset: Subset = None,
    revision: Revision = None,
    strict: StrictReading = False,
) -> None:
    """Describe annotated data: counts, agreement, position, justifications, lengths."""
    from rich.console import Console

    from judge.data.statistics.describe import StatsConfig, run
    from judge.data.statistics.screen import screen_tables
    from judge.screen import counting

    values = {
        "input": input,
        "output_dir": out,
        "similar": similar,
        "max_spread": max_spread,
        "keep_zeros": keep_zeros,
        "format": format,
        "split": split,
        "subset": subset,
        "revision": revision,
        "strict": strict,
    }
    given = consensus_rules(values, all_annotations, no_spread_filter)
    with counting(Console(stderr=True), "reading") as progress:
        report = run(StatsConfig.model_validate(given), progress)
    console = Console()
    for table in screen_tables(report):
        console.print(table)
    if out is not None:
        typer.echo(f"written to {out}")

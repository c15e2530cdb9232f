"""``judge data stats``: annotated data in numbers and pictures."""

from __future__ import annotations

from typing import Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import AllAnnotations, NoSpreadFilter, consensus_rules
from judge.data.statistics.describe import StatsConfig
from judge.options import checked


@from_fields(StatsConfig, arguments=("input",), required=("input",))
def stats(
    given: dict[str, Any],
    all_annotations: AllAnnotations = False,
    no_spread_filter: NoSpreadFilter = False,
) -> None:
    """Describe annotated data: counts, agreement, position, justifications, lengths."""
    from rich.console import Console

    from judge.data.statistics.describe import run
    from judge.data.statistics.tables import tables
    from judge.report.tables import shown
    from judge.screen import counting

    values = consensus_rules(given, all_annotations, no_spread_filter)
    config = checked(StatsConfig, values)
    with counting(Console(stderr=True), "reading") as progress:
        report = run(config, progress)
    console = Console()
    for table in tables(report):
        if not table.folded:  # the others stand on the page
            console.print(shown(table, whole_names=True))
    if config.output_dir is not None:
        typer.echo(f"written to {config.output_dir}")

"""Options that several commands take, each with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from judge.errors import UsageError

Pairs = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="Pairs: .jsonl[.gz], .json, .csv, .parquet, - (JSON lines) or a hub data set id.",
    ),
]
Data = Annotated[
    str, typer.Argument(metavar="INPUT", help="Data set folder, file or hub data set id.")
]
RunFolder = Annotated[str | None, typer.Option(help="The run folder.", metavar="DIR")]
Split = Annotated[str | None, typer.Option(help="Split of a hub data set.")]
OneSplit = Annotated[str | None, typer.Option(help="Only this split of INPUT.")]
Subset = Annotated[str | None, typer.Option(help="Subset of a hub data set.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub data set.")]
Format = Annotated[str | None, typer.Option(help="Format of INPUT. (default: as each row shows)")]
Limit = Annotated[int | None, typer.Option(help="The first N rows only.", metavar="N")]
MaxFailures = Annotated[
    int | None, typer.Option(help="Stop when more than N rows have failed.", metavar="N")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count rows and tokens, estimate the time.")
]
FreshRun = Annotated[
    bool | None, typer.Option("--fresh", help="Remove the results in DIR and start again.")
]
Config = Annotated[Path | None, typer.Option(help="YAML of these options; the command line wins.")]
Similar = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="The N most similar annotations or ratings count. (default: 3)"
    ),
]
AllAnnotations = Annotated[
    bool, typer.Option("--all-annotations", help="All of them count, not the most similar.")
]
MaxSpread = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="Drop a row where those that count differ by more. (default: 2)"
    ),
]
NoSpreadFilter = Annotated[
    bool, typer.Option("--no-spread-filter", help="Drop no row for its spread.")
]
StrictReading = Annotated[
    bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")
]


def consensus_rules(
    values: dict[str, Any], all_annotations: bool, no_spread_filter: bool
) -> dict[str, Any]:
    """Return the values that were given, a rule that is switched off as None.

    Raises:
        UsageError: when a rule is switched off and given a number at once.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for off, rule, flag in (
        (all_annotations, "similar", "--all-annotations"),
        (no_spread_filter, "max_spread", "--no-spread-filter"),
    ):
        if off and rule in given:
            raise UsageError(f"{flag} and --{rule.replace('_', '-')} exclude each other")
        if off:
            given[rule] = None
    return given

"""Options of several commands that are no field of a configuration, each with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from judge.errors import UsageError

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count rows and tokens, estimate the time.")
]
Config = Annotated[Path | None, typer.Option(help="YAML of these options; the command line wins.")]
AllAnnotations = Annotated[
    bool, typer.Option("--all-annotations", help="Use all of them, not only the most similar.")
]
NoSpreadFilter = Annotated[
    bool, typer.Option("--no-spread-filter", help="Keep rows whatever their spread.")
]


def consensus_rules(
    values: dict[str, Any], all_annotations: bool, no_spread_filter: bool
) -> dict[str, Any]:
    """Return the values that were given, and None for a rule that is switched off.

    Raises:
        UsageError: when a rule is switched off and given a number at once.
    """
    given = dict(values)
    for off, rule, flag in (
        (all_annotations, "similar", "--all-annotations"),
        (no_spread_filter, "max_spread", "--no-spread-filter"),
    ):
        if off and rule in given:
            raise UsageError(f"{flag} and --{rule.replace('_', '-')} cannot be used together")
        if off:
            given[rule] = None
    return given

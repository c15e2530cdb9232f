"""``judge data``: annotations to training sets."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import AllAnnotations, NoSpreadFilter, consensus_rules
from judge.commands.stats import stats
from judge.data.checks.check import CheckConfig
from judge.data.config import PrepareConfig
from judge.options import checked

app = typer.Typer(help="Training sets from annotated pairs.", no_args_is_help=True)


@app.command("prepare")
@from_fields(PrepareConfig, arguments=("input",), required=("input", "output_dir"))
def prepare(
    given: dict[str, Any],
    all_annotations: AllAnnotations = False,
    no_spread_filter: NoSpreadFilter = False,
) -> None:
    """Write training sets by the paper's rules, with a manifest that counts every row."""
    from rich.console import Console

    from judge.data.prepare import run
    from judge.screen import counting, prepared_table

    config = checked(PrepareConfig, consensus_rules(given, all_annotations, no_spread_filter))
    with counting(Console(stderr=True), "reading") as progress:
        manifest = run(config, progress)
    Console().print(prepared_table(manifest))
    typer.echo(f"written to {config.output_dir}")


app.command("stats")(stats)


@app.command("check")
@from_fields(CheckConfig, arguments=("input",), required=("input",))
def check(
    given: dict[str, Any],
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 3 when there is any serious finding.")
    ] = False,
) -> None:
    """Show what a person should see before training: leaks, repeats, contradictions, artefacts."""
    from rich.console import Console

    from judge.data.checks.check import run
    from judge.data.checks.show import show
    from judge.exits import LOOK
    from judge.screen import counting

    config = checked(CheckConfig, given)
    with counting(Console(stderr=True), "checking") as progress:
        report = run(config, progress)
    show(report)
    if config.output_dir is not None:
        typer.echo(f"written to {config.output_dir}")
    if strict and report.is_serious:
        raise typer.Exit(LOOK)

"""``judge respond``: a file of prompts to a run folder of answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import Config, DryRun
from judge.exits import LOOK
from judge.respond_config import RespondConfig, load_respond_config

if TYPE_CHECKING:
    from judge.runs.responses import ResponseSummary


@from_fields(RespondConfig, arguments=("input",))
def respond(given: dict[str, Any], dry_run: DryRun = False, config: Config = None) -> None:
    """Answer a file of prompts with any model, turn by turn, greedily or drawn."""
    asked = load_respond_config(config, given)
    if dry_run:
        _dry_run(asked)
    elif _respond(asked).failed:
        raise typer.Exit(LOOK)


def _respond(config: RespondConfig) -> ResponseSummary:
    from rich.console import Console

    from judge.infer.engines.registry import load_writer
    from judge.infer.respond.run import run
    from judge.response_screen import response_table
    from judge.runs.folder import FAILURES, RESPONSES
    from judge.screen import Screen

    with Screen(Console(stderr=True), "answering") as screen:
        _announce(config, screen)
        summary = run(config, lambda: load_writer(config, screen.note), screen)
    Console().print(response_table(summary))
    folder = Path(config.out)
    typer.echo(f"{folder / RESPONSES}\n{folder / FAILURES}")
    return summary


def _dry_run(config: RespondConfig) -> None:
    from rich.console import Console

    from judge.infer.engines.registry import load_writer
    from judge.infer.respond.dryrun import dry_run
    from judge.response_screen import response_dry_run_table
    from judge.screen import Screen

    with Screen(Console(stderr=True), "answering") as screen:
        _announce(config, screen)
        found = dry_run(config, lambda: load_writer(config, screen.note))
    Console().print(response_dry_run_table(found))


def _announce(config: RespondConfig, screen: Any) -> None:
    where = f" on {config.url}" if config.engine == "server" else ""
    screen.note(f"model: {config.model}{where}")

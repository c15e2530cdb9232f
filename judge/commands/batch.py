"""``judge batch``: a file of pairs to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import Config, DryRun
from judge.config import BatchConfig, load_batch_config
from judge.exits import LOOK

if TYPE_CHECKING:
    from judge.config import RowsConfig
    from judge.runs.summary import Summary


@from_fields(BatchConfig, arguments=("input",))
def batch(given: dict[str, Any], dry_run: DryRun = False, config: Config = None) -> None:
    """Judge a file of response pairs, in both orders, with a justification for each."""
    asked = load_batch_config(config, given)
    if dry_run:
        _dry_run(asked)
        return
    summary = _judge(asked)
    if summary.has_failures:
        raise typer.Exit(LOOK)


def _judge(config: BatchConfig) -> Summary:
    from rich.console import Console

    from judge.infer.batch import run
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorers
    from judge.screen import Screen, labels_table, scorers_table, summary_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        summary = run(
            config,
            lambda: load_engine(config, note=screen.note),
            screen,
            lambda: load_scorers(config),
        )
    Console().print(summary_table(summary))
    if summary.scorers:
        Console().print(scorers_table(summary))
    if (table := labels_table(summary, config.orders == "both")) is not None:
        Console().print(table)
    show_files(config)
    return summary


def show_files(config: RowsConfig) -> None:
    """Write the report of a finished run and say where its files are."""
    from judge.compare.reports.reward_figure import FIGURE

    report = _report(config)
    folder = Path(config.out)
    typer.echo(f"{folder / 'judgments.jsonl'}\n{folder / 'failures.jsonl'}\n{report}")
    if (folder / FIGURE).exists():
        typer.echo(folder / FIGURE)


def _announce(config: BatchConfig, note: Any) -> None:
    if config.engine == "server":
        note(f"model: {config.model} on {config.url}")
    elif config.model in ("small", "mini"):
        note(f"model: {config.model}, a judge bundled with this package (another: --model)")
    else:
        note(f"model: {config.model}")
    for name, model in config.scorer.items():
        note(f"reward model: {name}{'' if name == model else f' ({model})'}")


def _report(config: RowsConfig) -> Path:
    from judge.compare.reports.run import write_report
    from judge.formats.sources import open_source

    source = None
    if config.input != "-":
        source = open_source(config.input, config.split, config.subset, config.revision)
    return write_report(Path(config.out), source)


def _dry_run(config: BatchConfig) -> None:
    from rich.console import Console

    from judge.infer.dryrun import dry_run
    from judge.infer.engines.registry import load_engine
    from judge.screen import Screen, dry_run_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        if config.scorer:
            screen.note("scorers are left out of a dry run; see judge score --dry-run")
        found = dry_run(config, lambda: load_engine(config, note=screen.note))
    Console().print(dry_run_table(found))

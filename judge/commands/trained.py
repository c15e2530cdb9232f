"""``judge train select``, ``export`` and ``push``: what becomes of a trained model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge.commands.fields import from_fields
from judge.options import checked
from judge.train.checkpoints.config import ExportConfig, PushConfig, SelectConfig

if TYPE_CHECKING:
    from judge.train.checkpoints.select import Benchmark


@from_fields(SelectConfig, arguments=("run",), required=("run", "pairs"))
def select(given: dict[str, Any]) -> None:
    """Choose a checkpoint: of the three of lowest validation loss and the last, the best judge."""
    from rich.console import Console

    from judge.compare.reports.selection import table_of, write_page
    from judge.report.tables import shown
    from judge.train.checkpoints import select as selection

    config = checked(SelectConfig, given)
    result = selection.run(config, _benchmark(config), partial(evaluate, mode=config.mode))
    Console().print(shown(table_of(result)))
    if config.copy_to is not None:
        selection.copy_chosen(result, Path(config.copy_to))
        typer.echo(f"{result['chosen']} copied to {config.copy_to}")
    typer.echo(f"{config.folder / selection.SELECT_FILE}\n{write_page(result, config.folder)}")


@from_fields(ExportConfig, arguments=("model",), required=("model", "output_dir"))
def export(given: dict[str, Any]) -> None:
    """Write a model to hand on: adapter merged, weights in shards, tokenizer, card, manifest."""
    from judge.train.checkpoints.export import run
    from judge.train.checkpoints.licences import objections

    config = checked(ExportConfig, given)
    manifest = run(config)
    for reason in objections(manifest["export"]["data_licences"]):
        typer.echo(f"before it is published: {reason}", err=True)
    typer.echo(f"written to {config.output_dir}")


@from_fields(PushConfig, arguments=("folder", "repo"), required=("folder", "repo"))
def push(
    given: dict[str, Any],
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without, it is only shown.")] = False,
) -> None:
    """Send an exported model to the hub (token: HF_TOKEN); without --yes it is only shown."""
    from judge.train.checkpoints.push import plan, send

    config = checked(PushConfig, given)
    upload = plan(config)
    for name, size in upload.files.items():
        typer.echo(f"{size:>16,}  {name}")
    kind = "private" if upload.private else "public"
    if not yes:
        typer.echo(
            f"nothing was sent; --yes sends these files to {config.repo} ({kind} if it is new)"
        )
        return
    typer.echo(f"sent: {send(upload)}")


def _benchmark(config: SelectConfig) -> Benchmark:
    """Return what the checkpoints are compared on."""
    if config.bench is None:
        from judge.train.checkpoints.select import LabelledPairs

        return LabelledPairs(config.pairs, config.limit)
    from judge.compare.benches.selection import BenchmarkRows

    return BenchmarkRows(config.bench, config.pairs, config.limit)


def evaluate(model: Path, kind: str, pairs: Path, out: Path, mode: str) -> None:
    """Judge, or score, a file of pairs with a checkpoint, into a run folder."""
    from judge.infer.asked import judge_file, score_file

    if kind == "judge":
        judge_file(model, pairs, out, mode)
    else:
        score_file(model, pairs, out)

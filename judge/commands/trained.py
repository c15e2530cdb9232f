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
    from judge.train.checkpoints.select import CheckpointBenchmark, Evaluate


@from_fields(SelectConfig, arguments=("run",), required=("run",))
def select(given: dict[str, Any]) -> None:
    """Choose a checkpoint: of the three of lowest validation loss and the last, the best one."""
    from rich.console import Console

    from judge.compare.reports.selection import table_of, write_page
    from judge.report.tables import shown
    from judge.train.checkpoints import select as selection

    config = checked(SelectConfig, given)
    if config.prompts is not None:
        how: Evaluate = partial(answer, config=config)
    else:
        how = partial(evaluate, mode=config.mode)
    result = selection.run(config, _benchmark(config), how)
    Console().print(shown(table_of(result)))
    if config.copy_to is not None:
        selection.copy_chosen(result, Path(config.copy_to))
        typer.echo(f"{result.chosen} copied to {config.copy_to}")
    typer.echo(f"{config.folder / selection.SELECT_FILE}\n{write_page(result, config.folder)}")


@from_fields(ExportConfig, arguments=("model",), required=("model", "output_dir"))
def export(given: dict[str, Any]) -> None:
    """Write a model to hand on: adapter merged, weights in shards, tokenizer, card, manifest."""
    from judge.train.checkpoints.export import run
    from judge.train.checkpoints.licences import objections

    config = checked(ExportConfig, given)
    record = run(config).export
    for reason in objections({} if record is None else record.data_licences):
        typer.echo(f"before it is published: {reason}", err=True)
    typer.echo(f"written to {config.output_dir}")


@from_fields(PushConfig, arguments=("folder", "repo"), required=("folder", "repo"))
def push(
    given: dict[str, Any],
    yes: Annotated[
        bool, typer.Option("--yes", help="Send it; without this option the files are only listed.")
    ] = False,
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


def _benchmark(config: SelectConfig) -> CheckpointBenchmark:
    """Return what the checkpoints are compared on."""
    if config.prompts is not None:
        from judge.compare.arena.selection import WinRateOverStart
        from judge.train.checkpoints.select import start_of

        start = start_of(Path(config.run))
        return WinRateOverStart(config.prompts, start, config.judge)
    assert config.pairs is not None
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


def answer(model: Path, kind: str, prompts: Path, out: Path, config: SelectConfig) -> None:
    """Answer the prompts with a checkpoint and with its start, and have the answers judged."""
    from judge.commands.arena import played
    from judge.compare.arena.config import PairsConfig
    from judge.compare.arena.result import write_result
    from judge.train.checkpoints.select import start_of

    start = config.folder / "start"
    _respond(start_of(Path(config.run)), start, config)
    _respond(str(model), out / "answers", config)
    asked = PairsConfig(
        answers=(f"{model.name}={out / 'answers'}",),
        baseline=f"start={start}",
        out=str(out),
        model=config.judge,
        mode=config.mode,
    )
    write_result(played("pairs", asked, lambda found, matches, baseline: found), out)


def _respond(model: str, out: Path, config: SelectConfig) -> None:
    """Answer the prompts that a run folder lacks."""
    from judge.infer.engines.registry import load_writer
    from judge.infer.respond.run import run
    from judge.respond_config import load_respond_config

    given = {
        "input": config.prompts,
        "out": str(out),
        "model": model,
        "limit": config.limit,
        "max_new_tokens": config.max_new_tokens,
    }
    asked = load_respond_config(None, given)
    run(asked, lambda: load_writer(asked, lambda text: None))

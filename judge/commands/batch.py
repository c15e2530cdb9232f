"""``judge batch``: a file of pairs to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge.commands.options import (
    Config,
    DryRun,
    FreshRun,
    Limit,
    MaxFailures,
    Pairs,
    Revision,
    RunFolder,
    Split,
    Subset,
)
from judge.exits import FAILED_ROWS

if TYPE_CHECKING:
    from judge.config import BatchConfig, RowsConfig
    from judge.infer.summary import Summary

Engine = Literal["auto", "transformers"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Mode = Literal["justify", "verdict"]
Orders = Literal["both", "given"]


def batch(
    input: Pairs = "",
    out: RunFolder = None,
    model: Annotated[
        str | None, typer.Option(help="mini, a folder or a hub id. (default: mini)")
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="What runs the model. (default: auto)")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Type of the model's numbers. (default: auto)")
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(help="Write a justification, or read the verdict alone. (default: justify)"),
    ] = None,
    orders: Annotated[
        Orders | None, typer.Option(help="Judge each pair in both orders. (default: both)")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Prompt template: name or .txt. (default: the model's own)")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all that is drawn. (default: 0)")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Longest elaboration, in tokens. (default: 256)")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0: the likeliest token; above: drawn. (default: 0.0)")
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(help="Prompt tokens run at once: 8192; for verdicts on a CPU 2048."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Rows judged and written together. (default: 64)")
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="A reward model beside the judge; may be repeated."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="JSON of a scorer's weights of its outputs."),
    ] = None,
    split: Split = None,
    subset: Subset = None,
    revision: Revision = None,
    limit: Limit = None,
    max_failures: MaxFailures = None,
    dry_run: DryRun = False,
    fresh: FreshRun = None,
    config: Config = None,
) -> None:
    """Judge a file of response pairs, in both orders, with a justification for each."""
    from judge.config import load_batch_config

    given = {**locals(), "input": input or None}
    for name in ("config", "dry_run", "load_batch_config"):
        del given[name]
    asked = load_batch_config(config, given)
    if dry_run:
        _dry_run(asked)
        return
    summary = _judge(asked)
    if summary.has_failures:
        raise typer.Exit(FAILED_ROWS)


def _judge(config: BatchConfig) -> Summary:
    from rich.console import Console

    from judge.infer.batch import run
    from judge.infer.load import load_engine
    from judge.infer.load_scorer import load_scorers
    from judge.screen import Screen, scorers_table, summary_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        summary = run(config, lambda: load_engine(config), screen, lambda: load_scorers(config))
    Console().print(summary_table(summary))
    if summary.scorers:
        Console().print(scorers_table(summary))
    show_files(config)
    return summary


def show_files(config: RowsConfig) -> None:
    """Write the report of a finished run and say where its files are."""
    report = _report(config)
    folder = Path(config.out)
    typer.echo(f"{folder / 'judgments.jsonl'}\n{folder / 'failures.jsonl'}\n{report}")


def _announce(config: BatchConfig, note: Any) -> None:
    if config.model == "mini":
        note("model: mini, the small judge bundled with this package (another: --model)")
    else:
        note(f"model: {config.model}")
    for name, model in config.scorer.items():
        note(f"scorer {name}: {model}")


def _report(config: RowsConfig) -> Path:
    from judge.compare.report import first_ids, write_report
    from judge.formats.pairs import find_pairs
    from judge.formats.sources import open_source

    folder = Path(config.out)
    pairs = {}
    if config.input != "-":
        ids = first_ids(folder)
        source = open_source(config.input, config.split, config.subset, config.revision)
        pairs = find_pairs(source, set(ids))
    return write_report(folder, pairs)


def _dry_run(config: BatchConfig) -> None:
    from rich.console import Console

    from judge.infer.dryrun import dry_run
    from judge.infer.load import load_engine
    from judge.screen import Screen, dry_run_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        if config.scorer:
            screen.note("scorers take no part in a dry run; judge score --dry-run has theirs")
    Console().print(dry_run_table(dry_run(config, lambda: load_engine(config))))

"""The command line: parses options, calls one function, shows what it returns.

Everything heavy is imported inside the commands. Exit codes: :mod:`judge.exits`.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge import __version__
from judge.exits import FAILED_ROWS, ExitCodes

if TYPE_CHECKING:
    from judge.config import BatchConfig
    from judge.infer.summary import Summary

app = typer.Typer(
    cls=ExitCodes,
    help="Pairwise Justifier: which of two responses is better, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Training sets from annotated pairs.", no_args_is_help=True)
train_app = typer.Typer(help="Train judges.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")


Engine = Literal["auto", "transformers"]
Mode = Literal["justify", "verdict"]
Orders = Literal["both", "given"]
Justifications = Literal["overall", "all"]


class Style(StrEnum):
    """Typer takes no list of a Literal."""

    elaboration_first = "elaboration_first"
    statement_first = "statement_first"
    statement_only = "statement_only"
    label_only = "label_only"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"judge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


@app.command()
def batch(
    input: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Pairs: .jsonl[.gz], .json, .csv, .parquet, - (JSON lines) or a hub data set id.",
        ),
    ] = "",
    out: Annotated[str | None, typer.Option(help="The run folder.", metavar="DIR")] = None,
    model: Annotated[
        str | None, typer.Option(help="mini, a folder or a hub id. (default: mini)")
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="What runs the model. (default: auto)")
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
        int | None, typer.Option(help="Prompt tokens run at once. (default: 8192)")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Rows judged and written together. (default: 64)")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of a hub data set.")] = None,
    subset: Annotated[str | None, typer.Option(help="Subset of a hub data set.")] = None,
    limit: Annotated[int | None, typer.Option(help="The first N rows only.", metavar="N")] = None,
    max_failures: Annotated[
        int | None, typer.Option(help="Stop when more than N rows have failed.", metavar="N")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count rows and tokens, estimate the time.")
    ] = False,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Remove the results in DIR and start again.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML of these options; the command line wins.")
    ] = None,
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
    if summary.failed:
        raise typer.Exit(FAILED_ROWS)


def _judge(config: BatchConfig) -> Summary:
    from rich.console import Console

    from judge.infer.batch import run
    from judge.infer.load import load_engine
    from judge.screen import Screen, summary_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        summary = run(config, lambda: load_engine(config), screen)
    Console().print(summary_table(summary))
    report = _report(config)
    folder = Path(config.out)
    typer.echo(f"{folder / 'judgments.jsonl'}\n{folder / 'failures.jsonl'}\n{report}")
    return summary


def _announce(config: BatchConfig, note: Any) -> None:
    if config.model == "mini":
        note("model: mini, the small judge bundled with this package (another: --model)")
    else:
        note(f"model: {config.model}")


def _report(config: BatchConfig) -> Path:
    from judge.compare.report import first_ids, write_report
    from judge.infer.pairs import find_pairs
    from judge.infer.sources import open_source

    folder = Path(config.out)
    pairs = {}
    if config.input != "-":
        ids = first_ids(folder)
        source = open_source(config.input, config.split, config.subset)
        pairs = find_pairs(source, set(ids))
    return write_report(folder, pairs)


def _dry_run(config: BatchConfig) -> None:
    from rich.console import Console

    from judge.infer.dryrun import dry_run
    from judge.infer.load import load_engine
    from judge.screen import Screen, dry_run_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
    Console().print(dry_run_table(dry_run(config, lambda: load_engine(config))))


@data_app.command("prepare")
def data_prepare(
    input: Annotated[str, typer.Argument(metavar="DIR", help="HelpSteer2 folder or file.")],
    out: Annotated[str, typer.Option(help="Where the sets are written.", metavar="DIR")],
    justifications: Annotated[
        Justifications | None,
        typer.Option("--set", help="One justification a pair, or up to three. (default: overall)"),
    ] = None,
    style: Annotated[
        list[Style] | None,
        typer.Option(help="Completion style; may be repeated. (default: elaboration_first)"),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Add a flipped copy of each. (default: flip)"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the draws and the order. (default: 17)")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(help="Prompt template: name or .txt. (default: pairwise_justifier.v1)"),
    ] = None,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Overwrite another configuration's sets.")
    ] = None,
) -> None:
    """Write training examples from HelpSteer2-Preference files, with a manifest of counts."""
    from rich.console import Console

    from judge.data.prepare import PrepareConfig, run
    from judge.screen import prepared_table

    values = {
        "input": input,
        "output_dir": out,
        "justifications": justifications,
        "styles": tuple(style) if style else None,
        "flipped": flip,
        "seed": seed,
        "template": template,
        "fresh": fresh,
    }
    given = {name: value for name, value in values.items() if value is not None}
    Console().print(prepared_table(run(PrepareConfig.model_validate(given))))
    typer.echo(f"written to {out}")


Recipe = Annotated[str, typer.Option("--config", help="Recipe: a file, or a bundled one's name.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")]


@train_app.command("justifier")
def train_justifier(config: Recipe, overrides: Overrides = None) -> None:
    """Fine-tune a judge on prepared sets; the same command goes on after an interruption."""
    from judge.train import justifier
    from judge.train.config import JustifierConfig, load_recipe

    recipe = load_recipe(config, overrides or [], JustifierConfig)
    _show_log(justifier.run(recipe), recipe.output_dir)


@train_app.command("pretrain")
def train_pretrain(config: Recipe, overrides: Overrides = None) -> None:
    """Train the tokenizer and base model of the mini judge."""
    from judge.train import pretrain
    from judge.train.config import PretrainConfig, load_recipe

    recipe = load_recipe(config, overrides or [], PretrainConfig)
    _show_log(pretrain.run(recipe), recipe.output_dir)


def _show_log(log: dict[str, Any], folder: str) -> None:
    """Show the plain values of what a training left behind; the rest is in its folder."""
    for name, value in log.items():
        if not isinstance(value, (dict, list)):
            typer.echo(f"{name}: {value}")
    typer.echo(f"written to {folder}")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except BrokenPipeError:  # the reader of our output, as `head`, went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

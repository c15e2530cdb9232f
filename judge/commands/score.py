"""``judge score``: a file of pairs to a run folder, by a reward model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from judge.commands.batch import show_files
from judge.commands.options import (
    Config,
    DryRun,
    EmptyResponses,
    FreshRun,
    Limit,
    MaxFailures,
    Pairs,
    Revision,
    RunFolder,
    Split,
    StripThinking,
    Subset,
)
from judge.exits import FAILED_ROWS

if TYPE_CHECKING:
    from judge.config import ScoreConfig
    from judge.infer.scorers.pairs import PairScorer
    from judge.runs.summary import Summary

Engine = Literal["auto", "transformers", "vllm"]
Form = Literal["auto", "head", "logit"]


def score(
    input: Pairs = "",
    out: RunFolder = None,
    model: Annotated[
        str | None,
        typer.Option(help="small-bt, small-regression, a folder or a hub id. (default: small-bt)"),
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="What runs the model. (default: auto)")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(help="The reward is a head's output, or the first logit. (default: auto)"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of the weights of several outputs."),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(help="Tokens run at once: 8192; on a CPU fewer for large models."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Rows scored and written together. (default: 64)")
    ] = None,
    split: Split = None,
    subset: Subset = None,
    revision: Revision = None,
    limit: Limit = None,
    strip_thinking: StripThinking = None,
    empty_responses: EmptyResponses = None,
    max_failures: MaxFailures = None,
    dry_run: DryRun = False,
    fresh: FreshRun = None,
    config: Config = None,
) -> None:
    """Score a file of response pairs with a reward model."""
    from judge.config import load_score_config

    given = {**locals(), "input": input or None}
    for name in ("config", "dry_run", "load_score_config"):
        del given[name]
    asked = load_score_config(config, given)
    if dry_run:
        _dry_run(asked)
        return
    summary = _score(asked)
    if summary.has_failures:
        raise typer.Exit(FAILED_ROWS)


def _score(config: ScoreConfig) -> Summary:
    from rich.console import Console

    from judge.infer.score import run
    from judge.screen import Screen, labels_table, summary_table

    with Screen(Console(stderr=True), "scoring") as screen:
        screen.note(f"reward model: {config.model}")
        summary = run(config, lambda: _load(config), screen)
    Console().print(summary_table(summary))
    if (table := labels_table(summary, both_orders=True)) is not None:
        Console().print(table)
    show_files(config)
    return summary


def _dry_run(config: ScoreConfig) -> None:
    from rich.console import Console

    from judge.infer.score import dry_run
    from judge.screen import score_dry_run_table

    Console().print(score_dry_run_table(dry_run(config, lambda: _load(config))))


def _load(config: ScoreConfig) -> PairScorer:
    from judge.infer.scorers.load import load_scorer

    return load_scorer(
        config.model,
        weights_file=config.weights,
        form=config.form,
        engine=config.engine,
        batch_tokens=config.batch_tokens,
    )

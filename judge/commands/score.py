"""``judge score``: a file of pairs to a run folder, by a reward model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from judge.commands.batch import show_files
from judge.commands.fields import from_fields
from judge.commands.options import Config, DryRun
from judge.config import ScoreConfig, load_score_config
from judge.exits import LOOK

if TYPE_CHECKING:
    from judge.infer.scorers.pairs import PairScorer
    from judge.runs.summary import Summary


@from_fields(ScoreConfig, arguments=("input",))
def score(given: dict[str, Any], dry_run: DryRun = False, config: Config = None) -> None:
    """Score a file of response pairs with a reward model."""
    asked = load_score_config(config, given)
    if dry_run:
        _dry_run(asked)
        return
    summary = _score(asked)
    if summary.has_failures:
        raise typer.Exit(LOOK)


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

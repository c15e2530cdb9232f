"""``judge bench``: a judge or a reward model on a benchmark, by the benchmark's own rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge.commands.options import (
    Config,
    EmptyResponses,
    FreshRun,
    MaxFailures,
    Revision,
    Split,
    Subset,
)
from judge.errors import UsageError
from judge.exits import FAILED_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.compare.benches.plan import Kind, PlannedPair
    from judge.compare.benches.score import BenchResult
    from judge.config import BatchConfig, ScoreConfig
    from judge.runs.summary import Summary

_OF_JUDGES = ("model", "mode", "orders", "template", "seed", "max_new_tokens", "temperature")
_OF_REWARDS = ("reward_model", "form", "weights")
RUN = "run"
"""The run folder inside DIR."""


def bench(
    name: Annotated[
        str,
        typer.Argument(help="rewardbench, rewardbench2, rm-bench, judgebench or llmbar."),
    ],
    input: Annotated[
        str | None,
        typer.Argument(
            metavar="[INPUT]",
            help="Its rows: a file, folder or hub id. (default: its data set on the hub)",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where pairs, run, bench.json and report go.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A judge: small, mini, a folder or a hub id. (default: small)"),
    ] = None,
    reward_model: Annotated[
        str | None, typer.Option(help="A reward model in its place: a folder or a hub id.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="What runs it. (default: auto)")] = None,
    mode: Annotated[
        str | None, typer.Option(help="Of a judge: justify or verdict. (default: justify)")
    ] = None,
    orders: Annotated[
        str | None, typer.Option(help="Of a judge: both or given. (default: both)")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Prompt template: name or .txt. (default: the model's own)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of a judge that draws. (default: 0)")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Longest elaboration, in tokens. (default: 256)")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0: the likeliest token; above: drawn. (default: 0.0)")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="Of a reward model: head or logit. (default: auto)")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of the weights of a reward model's outputs."),
    ] = None,
    split: Split = None,
    subset: Subset = None,
    revision: Revision = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N rows only.")
    ] = None,
    empty_responses: EmptyResponses = None,
    max_failures: MaxFailures = None,
    fresh: FreshRun = None,
    config: Config = None,
) -> None:
    """Score a judge or a reward model on a benchmark: its own rule, and our stricter reading."""
    from judge.compare.benches.plan import PAIRS, plan, write_pairs
    from judge.compare.benches.read import read_items
    from judge.compare.benches.registry import find
    from judge.compare.benches.score import score_run, write_result
    from judge.compare.reports.bench import write_report
    from judge.runs.folder import CONFIG

    given = {k: v for k, v in locals().items() if k in (*_OF_JUDGES, *_OF_REWARDS)}
    given |= {"engine": engine, "limit": limit, "max_failures": max_failures, "fresh": fresh}
    given["empty_responses"] = empty_responses
    kind = _kind(given)
    benchmark = find(name)
    if out is None:
        raise UsageError("give --out DIR, where the pairs, the run and bench.json go")
    folder = Path(out)
    notes: list[str] = []
    items = read_items(benchmark, input, split, subset, revision, notes.append)
    planned = plan(benchmark, items, kind)
    given |= {"input": str(folder / PAIRS), "out": str(folder / RUN)}
    asked = _config(kind, config, given, planned)
    if not (folder / RUN / CONFIG).exists():  # a finished run is scored without its model
        _check_kind(asked)
    write_pairs(folder, items, planned, bool(fresh))
    summary = _run(asked)
    result = score_run(benchmark, items, planned, folder / RUN, notes)
    _show(result, [write_result(result, folder), write_report(result, folder)])
    if summary.has_failures:
        raise typer.Exit(FAILED_ROWS)


def _kind(given: dict[str, Any]) -> Kind:
    """Return which kind of model is asked for, and drop the other kind's options."""
    kind: Kind = "judge" if given["reward_model"] is None else "reward_model"
    others = _OF_REWARDS if kind == "judge" else _OF_JUDGES
    stray = [f"--{name.replace('_', '-')}" for name in others if given.pop(name) is not None]
    if stray:
        what = "a judge (--model)" if kind == "judge" else "a reward model (--reward-model)"
        raise UsageError(f"{', '.join(stray)} cannot be used with {what}")
    if kind == "reward_model":
        given["model"] = given.pop("reward_model")
    return kind


def _config(
    kind: Kind, file: Path | None, given: dict[str, Any], planned: Sequence[PlannedPair]
) -> BatchConfig | ScoreConfig:
    """Return the configuration of the run; its limit is of pairs where the option is of rows."""
    from judge.config import load_batch_config, load_score_config

    load = load_batch_config if kind == "judge" else load_score_config
    asked: BatchConfig | ScoreConfig = load(file, given)
    pairs = len(planned)
    if asked.limit is not None:
        pairs = sum(pair.item < asked.limit for pair in planned)
    if pairs == 0:
        raise UsageError("a pairwise judge has nothing to compare in these rows")
    return asked if asked.limit is None else asked.model_copy(update={"limit": pairs})


def _check_kind(asked: BatchConfig | ScoreConfig) -> None:
    """Look whether the model is of the kind that is asked for, before anything is written."""
    from judge.config import BatchConfig
    from judge.infer.scorers.files import check_kind

    if isinstance(asked, BatchConfig):
        _ = asked.template_name  # which says so of a reward model
    else:
        check_kind(asked.model)


def _run(asked: BatchConfig | ScoreConfig) -> Summary:
    """Judge or score the pairs that the run folder lacks."""
    from rich.console import Console

    from judge.config import BatchConfig
    from judge.infer import batch, score
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorer, load_scorers
    from judge.screen import Screen

    if isinstance(asked, BatchConfig):
        with Screen(Console(stderr=True)) as screen:
            screen.note(f"model: {asked.model}")
            return batch.run(
                asked,
                lambda: load_engine(asked, note=screen.note),
                screen,
                lambda: load_scorers(asked),
            )
    with Screen(Console(stderr=True), "scoring") as screen:
        screen.note(f"reward model: {asked.model}")
        return score.run(
            asked,
            lambda: load_scorer(
                asked.model,
                weights_file=asked.weights,
                form=asked.form,
                engine=asked.engine,
                batch_tokens=asked.batch_tokens,
            ),
            screen,
        )


def _show(result: BenchResult, paths: Sequence[Path]) -> None:
    from rich.console import Console

    from judge.compare.benches.tables import tables
    from judge.report.tables import shown

    console = Console()
    for table in tables(result):
        console.print(shown(table))
    for path in paths:
        typer.echo(path)

"""``judge bench``: a judge or a reward model on a benchmark, by the benchmark's own rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge.commands.fields import from_fields, help_of
from judge.commands.options import Config
from judge.config import BatchConfig, JudgeConfig, ScoreConfig
from judge.engine_options import RayOptions
from judge.errors import UsageError
from judge.exits import LOOK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.compare.benches.plan import Kind, PlannedPair
    from judge.compare.benches.score import BenchResult
    from judge.runs.summary import Summary

_OF_REWARDS = ("reward_model", "form", "weights")
_SHARED = {"engine", "batch_tokens", "weights", "scorer"}
_OF_JUDGES = (*(JudgeConfig.model_fields.keys() - _SHARED), *RayOptions.model_fields)
Form = Literal["auto", "head", "logit"]
RUN = "run"
"""The run folder inside DIR."""


@from_fields(BatchConfig, leave=("input", "scorer"))
def bench(
    name: Annotated[
        str,
        typer.Argument(help="rewardbench, rewardbench2, rm-bench, rmb, judgebench or llmbar."),
    ],
    given: dict[str, Any],
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
    reward_model: Annotated[
        str | None, typer.Option(help="A reward model in place of a judge: a folder or a hub id.")
    ] = None,
    form: Annotated[
        Form | None, typer.Option(help=help_of(ScoreConfig.model_fields["form"]))
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=help_of(ScoreConfig.model_fields["weights"])),
    ] = None,
    config: Config = None,
) -> None:
    """Score a judge or a reward model on a benchmark: its own rule, and our stricter reading."""
    from judge.compare.benches.plan import PAIRS, plan, write_pairs
    from judge.compare.benches.read import read_items
    from judge.compare.benches.registry import find
    from judge.compare.benches.score import score_run, write_result
    from judge.compare.reports.bench import write_report
    from judge.infer.asked import check_kind
    from judge.runs.folder import CONFIG

    split, subset, revision = (given.pop(part, None) for part in ("split", "subset", "revision"))
    fresh = bool(given.get("fresh"))
    given |= {"reward_model": reward_model, "form": form, "weights": weights}
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
        check_kind(asked)
    write_pairs(folder, items, planned, fresh)
    summary = _run(asked)
    result = score_run(benchmark, items, planned, folder / RUN, notes)
    _show(result, [write_result(result, folder), write_report(result, folder)])
    if summary.has_failures:
        raise typer.Exit(LOOK)


def _kind(given: dict[str, Any]) -> Kind:
    """Return which kind of model is asked for, and drop the other kind's options."""
    kind: Kind = "judge" if given["reward_model"] is None else "reward_model"
    others = _OF_REWARDS if kind == "judge" else _OF_JUDGES
    stray = [
        f"--{name.replace('_', '-')}"
        for name in sorted(others)
        if given.pop(name, None) is not None
    ]
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


def _run(asked: BatchConfig | ScoreConfig) -> Summary:
    """Judge or score the pairs that the run folder lacks."""
    from rich.console import Console

    from judge.config import BatchConfig
    from judge.infer.asked import run
    from judge.screen import Screen

    judges = isinstance(asked, BatchConfig)
    with Screen(Console(stderr=True), "judging" if judges else "scoring") as screen:
        screen.note(f"{'model' if judges else 'reward model'}: {asked.model}")
        return run(asked, screen)


def _show(result: BenchResult, paths: Sequence[Path]) -> None:
    from rich.console import Console

    from judge.compare.benches.tables import tables
    from judge.report.tables import shown

    console = Console()
    for table in tables(result):
        console.print(shown(table))
    for path in paths:
        typer.echo(path)

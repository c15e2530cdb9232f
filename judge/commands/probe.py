"""``judge probe``: a judge's and reward models' biases, measured on altered pairs."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import Config
from judge.compare.probes.config import ProbeConfig
from judge.config import load_config
from judge.exits import LOOK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.compare.probes.measure import ProbeReport
    from judge.config import BatchConfig

REPORT = "probes.json"
EXAMPLE = "judge probe pairs.jsonl --out runs/probes"


_LEFT = ("max_failures", "replicas", "ray_address")
"""Fields that a probing run sets itself, or that are for an engine it does not take."""


@from_fields(ProbeConfig, arguments=("input",), leave=_LEFT)
def probe(
    given: dict[str, Any],
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where sets, run folders and probes.json go."),
    ] = None,
    config: Config = None,
) -> None:
    """Measure biases of a judge and of reward models: position, length, injections and more."""
    given["out"] = out
    # A missing library is told before the judging, not after it.
    import scipy  # noqa: F401
    import sklearn  # noqa: F401

    from judge.compare.probes.gate import exceeded, load_gate
    from judge.compare.probes.labels import better_responses
    from judge.compare.probes.measure import JUDGE, measure
    from judge.runs.whole import replace_json

    asked = load_config(ProbeConfig, config, given, EXAMPLE)
    systems = [*([JUDGE] if asked.judge else []), *asked.scorer]
    thresholds = asked.gate and load_gate(asked.gate, asked.probe, systems)
    runs = _derive(asked)
    better = better_responses(asked)
    _run(asked, runs)
    report = measure(asked, better)
    path = Path(asked.out) / REPORT
    replace_json(path, report.model_dump(mode="json"))
    _show(report)
    typer.echo(path)
    lines = exceeded(thresholds, report) if thresholds else []
    for line in lines:
        typer.echo(f"gate: {line}")
    lost = report.lost()
    for line in lost:
        typer.echo(f"rows without a verdict: {line}")
    if lines or lost:
        raise typer.Exit(LOOK)


def _derive(config: ProbeConfig) -> list[BatchConfig]:
    """Write the probe sets and return their runs."""
    from judge.compare.probes.sets import write_sets
    from judge.formats.pairs import read_pairs
    from judge.formats.sources import open_source
    from judge.idset import IdSet

    source = open_source(config.input, config.split, config.subset, config.revision)
    records = islice(source.records(), config.limit)
    as_asked = config.strip_thinking, config.empty_responses
    rows = (row for _, row in read_pairs(records, IdSet(), *as_asked))
    return config.runs(write_sets(rows, config.sets, config.probe, config.seed, config.fresh))


def _run(config: ProbeConfig, runs: Sequence[BatchConfig]) -> None:
    """Judge, or score, what the run folders lack."""
    from rich.console import Console

    from judge.infer.engines.registry import load_engine
    from judge.infer.probe_runs import run_judge, run_scorers
    from judge.infer.scorers.load import load_scorers
    from judge.screen import Screen

    with Screen(Console(stderr=True)) as screen:
        if config.judge:
            screen.note(f"model: {config.model}")
            run_judge(
                runs,
                lambda: load_engine(config, note=screen.note),
                lambda: load_scorers(config),
                screen,
            )
        else:
            run_scorers(runs, lambda: load_scorers(config), screen)


def _show(report: ProbeReport) -> None:
    from rich.console import Console

    from judge.compare.probes.table import notes, probe_table

    Console().print(probe_table(report))
    for line in notes(report):
        typer.echo(line)

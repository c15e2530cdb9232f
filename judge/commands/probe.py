"""``judge probe``: a judge's and reward models' biases, measured on altered pairs."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judge.commands.compare import LabelRule
from judge.commands.options import (
    BatchTokens,
    ChatTemplateKwargs,
    Concurrency,
    Config,
    DtypeOption,
    EmptyResponses,
    EnforceEager,
    EngineOption,
    FreshRun,
    GpuMemory,
    Limit,
    MaxBatchedTokens,
    MaxModelLen,
    MaxNewTokens,
    MaxSeqs,
    Mode,
    Model,
    Orders,
    Pairs,
    Patience,
    PipelineParallel,
    Quantization,
    Revision,
    Scorers,
    Seed,
    Split,
    StripThinking,
    Subset,
    Temperature,
    Template,
    TensorParallel,
    Timeout,
    Tokenizer,
    Url,
    Weights,
)
from judge.exits import FAILED_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.compare.probes.config import ProbeConfig
    from judge.compare.probes.measure import ProbeReport
    from judge.config import BatchConfig

REPORT = "probes.json"


def probe(
    input: Pairs = "",
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where sets, run folders and probes.json go."),
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="position, length, formatting, padding, consistency, injection, null or identical;"
            " may be repeated. (default: all)",
        ),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML of thresholds; exit with 3 when one is exceeded."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|column:NAME", help="Which response is better. (default: as INPUT says)"
        ),
    ] = None,
    label_rule: Annotated[
        LabelRule | None,
        typer.Option(help="How several people's labels become one. (default: consensus)"),
    ] = None,
    judge: Annotated[
        bool | None,
        typer.Option("--judge/--no-judge", help="Probe the judge, or scorers alone."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Samples for consistency. (default: 5)")
    ] = None,
    sample_temperature: Annotated[
        float | None, typer.Option(help="Temperature of these samples. (default: 0.7)")
    ] = None,
    model: Model = None,
    engine: EngineOption = None,
    url: Url = None,
    tokenizer: Tokenizer = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    patience: Patience = None,
    dtype: DtypeOption = None,
    mode: Annotated[
        Mode | None,
        typer.Option(help="Write a justification, or read the verdict alone. (default: justify)"),
    ] = None,
    orders: Annotated[
        Orders | None, typer.Option(help="Judge each pair in both orders. (default: both)")
    ] = None,
    template: Template = None,
    seed: Seed = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = None,
    chat_template_kwargs: ChatTemplateKwargs = None,
    batch_tokens: BatchTokens = None,
    window: Annotated[
        int | None, typer.Option(help="Rows judged and written together. (default: 64)")
    ] = None,
    scorer: Scorers = None,
    weights: Weights = None,
    split: Split = None,
    subset: Subset = None,
    revision: Revision = None,
    limit: Limit = None,
    strip_thinking: StripThinking = None,
    empty_responses: EmptyResponses = None,
    fresh: FreshRun = None,
    config: Config = None,
    tensor_parallel_size: TensorParallel = None,
    pipeline_parallel_size: PipelineParallel = None,
    quantization: Quantization = None,
    gpu_memory_utilization: GpuMemory = None,
    max_model_len: MaxModelLen = None,
    max_num_seqs: MaxSeqs = None,
    max_num_batched_tokens: MaxBatchedTokens = None,
    enforce_eager: EnforceEager = None,
) -> None:
    """Measure biases of a judge and of reward models: position, length, injections and more."""
    given = {**locals(), "input": input or None}
    del given["config"]
    # A missing library is told before the judging, not after it.
    import scipy  # noqa: F401
    import sklearn  # noqa: F401

    from judge.compare.probes.config import ProbeConfig
    from judge.compare.probes.gate import exceeded, load_gate
    from judge.compare.probes.labels import better_responses
    from judge.compare.probes.measure import JUDGE, measure
    from judge.config import load_config
    from judge.runs.jsonlines import replace_json

    asked = load_config(ProbeConfig, config, given)
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
        raise typer.Exit(FAILED_ROWS)


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

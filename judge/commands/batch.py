"""``judge batch``: a file of pairs to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge.commands.options import (
    BatchTokens,
    ChatTemplateKwargs,
    Concurrency,
    Config,
    DryRun,
    DtypeOption,
    EmptyResponses,
    EnforceEager,
    EngineOption,
    FreshRun,
    GpuMemory,
    Limit,
    MaxBatchedTokens,
    MaxFailures,
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
    RayAddress,
    Replicas,
    Revision,
    RunFolder,
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
    from judge.config import BatchConfig, RowsConfig
    from judge.runs.summary import Summary


def batch(
    input: Pairs = "",
    out: RunFolder = None,
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
        int | None,
        typer.Option(
            help="Rows judged and written together. (default: 64; vllm, server, ray: 1024)"
        ),
    ] = None,
    scorer: Scorers = None,
    weights: Weights = None,
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
    tensor_parallel_size: TensorParallel = None,
    pipeline_parallel_size: PipelineParallel = None,
    quantization: Quantization = None,
    gpu_memory_utilization: GpuMemory = None,
    max_model_len: MaxModelLen = None,
    max_num_seqs: MaxSeqs = None,
    max_num_batched_tokens: MaxBatchedTokens = None,
    enforce_eager: EnforceEager = None,
    replicas: Replicas = None,
    ray_address: RayAddress = None,
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
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorers
    from judge.screen import Screen, labels_table, scorers_table, summary_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        summary = run(
            config,
            lambda: load_engine(config, note=screen.note),
            screen,
            lambda: load_scorers(config),
        )
    Console().print(summary_table(summary))
    if summary.scorers:
        Console().print(scorers_table(summary))
    if (table := labels_table(summary, config.orders == "both")) is not None:
        Console().print(table)
    show_files(config)
    return summary


def show_files(config: RowsConfig) -> None:
    """Write the report of a finished run and say where its files are."""
    report = _report(config)
    folder = Path(config.out)
    typer.echo(f"{folder / 'judgments.jsonl'}\n{folder / 'failures.jsonl'}\n{report}")


def _announce(config: BatchConfig, note: Any) -> None:
    if config.engine == "server":
        note(f"model: {config.model} on {config.url}")
    elif config.model in ("small", "mini"):
        note(f"model: {config.model}, a judge bundled with this package (another: --model)")
    else:
        note(f"model: {config.model}")
    for name, model in config.scorer.items():
        note(f"reward model: {name}{'' if name == model else f' ({model})'}")


def _report(config: RowsConfig) -> Path:
    from judge.compare.reports.run import write_report
    from judge.formats.sources import open_source

    source = None
    if config.input != "-":
        source = open_source(config.input, config.split, config.subset, config.revision)
    return write_report(Path(config.out), source)


def _dry_run(config: BatchConfig) -> None:
    from rich.console import Console

    from judge.infer.dryrun import dry_run
    from judge.infer.engines.registry import load_engine
    from judge.screen import Screen, dry_run_table

    with Screen(Console(stderr=True)) as screen:
        _announce(config, screen.note)
        if config.scorer:
            screen.note("scorers take no part in a dry run; judge score --dry-run has theirs")
        found = dry_run(config, lambda: load_engine(config, note=screen.note))
    Console().print(dry_run_table(found))

"""``judge serve``: an HTTP API in front of a judge."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, NoReturn

import typer

from judge.commands.options import (
    BatchTokens,
    ChatTemplateKwargs,
    Concurrency,
    Config,
    DtypeOption,
    EmptyResponses,
    EnforceEager,
    EngineOption,
    GpuMemory,
    MaxBatchedTokens,
    MaxModelLen,
    MaxNewTokens,
    MaxSeqs,
    Mode,
    Model,
    Orders,
    Patience,
    PipelineParallel,
    Quantization,
    Scorers,
    Seed,
    StripThinking,
    Temperature,
    Template,
    TensorParallel,
    Timeout,
    Tokenizer,
    Url,
    Weights,
)
from judge.exits import INTERRUPTED


def serve(
    model: Model = None,
    engine: EngineOption = None,
    url: Url = None,
    tokenizer: Tokenizer = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    patience: Patience = None,
    dtype: DtypeOption = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Of a request that asks for none. (default: justify)")
    ] = None,
    orders: Annotated[
        Orders | None, typer.Option(help="Of a request that asks for none. (default: both)")
    ] = None,
    template: Template = None,
    seed: Seed = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = None,
    chat_template_kwargs: ChatTemplateKwargs = None,
    batch_tokens: BatchTokens = None,
    scorer: Scorers = None,
    weights: Weights = None,
    strip_thinking: StripThinking = None,
    empty_responses: EmptyResponses = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. (default: 127.0.0.1)")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0: a free one. (default: 8080)")] = None,
    window: Annotated[
        int | None,
        typer.Option(help="Most pairs judged together. (default: 32; vllm, server: 256)"),
    ] = None,
    alone: Annotated[
        bool | None,
        typer.Option("--alone", help="Judge no two requests together: equal ones to the byte."),
    ] = None,
    queue: Annotated[int | None, typer.Option(help="Most pairs that wait. (default: 1024)")] = None,
    max_requests: Annotated[
        int | None, typer.Option(help="Most requests at a time. (default: 256)")
    ] = None,
    max_pairs: Annotated[
        int | None, typer.Option(help="Most pairs of a request. (default: 256)")
    ] = None,
    max_body: Annotated[
        int | None, typer.Option(help="Most bytes of a request. (default: 8388608)")
    ] = None,
    max_characters: Annotated[
        int | None, typer.Option(help="Most characters of a pair. (default: 500000)")
    ] = None,
    request_seconds: Annotated[
        float | None, typer.Option(help="A request is given up after these. (default: 300.0)")
    ] = None,
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
    """Judge pairs over HTTP; the keys that open it are in JUDGE_API_KEY."""
    given = {name: value for name, value in locals().items() if name != "config"}

    from judge.config import load_config
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorers
    from judge.serve.config import ServeConfig
    from judge.serve.server import run

    asked = load_config(ServeConfig, config, given)

    def note(text: str) -> None:
        typer.echo(text, err=True)

    note(f"model: {asked.model}{f' on {asked.url}' if asked.url else ''}")
    load = partial(load_engine, asked, note=note)
    if not run(asked, load, partial(load_scorers, asked), note):
        _end_now()


def _end_now() -> NoReturn:
    """End this process though a thread of it is in the middle of an engine's call.

    An ordinary exit would abort in PyTorch, whose threads no one ends, or wait for that call.
    """
    import multiprocessing

    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(INTERRUPTED)

"""``judge serve``: an HTTP API in front of a judge and reward models."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, NoReturn

import typer

from judge.commands.fields import from_fields
from judge.commands.options import Config
from judge.config import load_config
from judge.exits import INTERRUPTED
from judge.serve.config import ServeConfig


@from_fields(ServeConfig)
def serve(given: dict[str, Any], config: Config = None) -> None:
    """Judge pairs and score responses over HTTP; the keys that open it are in JUDGE_API_KEY."""
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorers
    from judge.serve.server import run

    asked = load_config(ServeConfig, config, given)

    def note(text: str) -> None:
        typer.echo(text, err=True)

    if asked.judge:
        note(f"model: {asked.model}{f' on {asked.url}' if asked.url else ''}")
    load = partial(load_engine, asked, note=note)
    # Beside a judge reward models run on transformers: vLLM has one model a process.
    alone_on_vllm = not asked.judge and asked.engine == "vllm"
    scorers = partial(load_scorers, asked, "vllm" if alone_on_vllm else "auto")
    if not run(asked, load, scorers, note):
        _end_now()


def _end_now() -> NoReturn:
    """End this process though a thread of it is in the middle of an engine's call.

    An ordinary exit would abort in PyTorch, whose threads no one ends, or wait for that call.
    """
    import multiprocessing

    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(INTERRUPTED)

"""What the commands that train share: the screen, the page of curves, the last lines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from judge.errors import UsageError

if TYPE_CHECKING:
    from judge.runs.training import TrainingManifest
    from judge.train.config import TrainerConfig
    from judge.train.progress import TrainingProgress


@contextmanager
def paged(folder: str) -> Iterator[None]:
    """Write the page of a training run when it ends, whether it is finished or interrupted.

    SIGTERM, with which schedulers end jobs, interrupts it like Ctrl-C.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if os.environ.get("RANK", "0") == "0" and _has_begun(Path(folder)):
            try:
                typer.echo(f"curves: {page_of(folder)}")
            except (UsageError, ImportError) as error:  # must not hide why the run ended
                typer.echo(f"the page of curves was not written: {error}", err=True)


@contextmanager
def watched() -> Iterator[TrainingProgress]:
    """Yield who shows a training: the first process of a launch; nobody in the others."""
    from rich.console import Console

    from judge.train.progress import UNWATCHED
    from judge.training_screen import TrainingScreen

    if os.environ.get("RANK", "0") != "0":
        yield UNWATCHED
        return
    with TrainingScreen(Console(stderr=True)) as screen:
        screen.doing("starting")
        yield screen


def train_as(module: str, kind: type[TrainerConfig], recipe: str, overrides: list[str]) -> None:
    """Train as a recipe says: shown while it goes on, with its page and its last lines.

    Args:
        module: whose ``run`` trains; imported when the screen is there, which takes seconds.
        kind: of recipe.
        recipe: a file, or the name of a bundled one.
        overrides: ``KEY=VALUE`` over its fields.
    """
    from judge.train.config import load_recipe

    config = load_recipe(recipe, overrides, kind)
    with paged(config.output_dir), watched() as screen:
        manifest = import_module(module).run(config, screen)
    close(manifest, screen)


def close(manifest: TrainingManifest | None, screen: TrainingProgress) -> None:
    """Say what a training left behind and how to use it."""
    from judge.training_screen import closing_lines

    if manifest is not None:  # another process of the launch shows it
        for line in closing_lines(manifest, trained=getattr(screen, "began", False)):
            typer.echo(line)


def page_of(folder: str) -> Path:
    """Write the page of a training run; return where it is.

    That of an online alignment is of what it gained; the page of curves lies beside it.

    Raises:
        UsageError: when there is nothing to show, or the folder cannot be written to.
    """
    from judge.report.training import write_page
    from judge.runs.online import is_online

    run = Path(folder)
    if not is_online(run):
        return write_page(run)
    from judge.report import online

    with suppress(UsageError):  # before the first step there are no curves
        write_page(run)
    return online.write_page(run)


def _has_begun(run: Path) -> bool:
    from judge.runs.online import is_online

    return (run / "steps.jsonl").is_file() or is_online(run)

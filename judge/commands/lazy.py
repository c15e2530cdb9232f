"""The commands by name: a module is imported when its command is used, not for ``judge --help``.

A configuration's fields become options (:mod:`judge.commands.fields`), and pydantic alone takes as
long to import as the rest of the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from judge.exits import ExitCodes


class Entry(NamedTuple):
    """Where a command lies, and what the list of commands says of it."""

    module: str
    name: str
    help: str
    """The first line of its own help; a test compares them."""


COMMANDS = {
    "batch": Entry(
        "batch",
        "batch",
        "Judge a file of response pairs, in both orders, with a justification for each.",
    ),
    "score": Entry("score", "score", "Score a file of response pairs with a reward model."),
    "compare": Entry(
        "compare",
        "compare",
        "Compare judges, reward models and people: accuracy, tests, agreement, calibration.",
    ),
    "bench": Entry(
        "bench",
        "bench",
        "Score a judge or a reward model on a benchmark: its own rule, and our stricter reading.",
    ),
    "rank": Entry(
        "rank",
        "rank",
        "Rank many models by judged pairs of their answers: Bradley-Terry, win rates, matrix.",
    ),
    "arena": Entry("arena", "app", "Judge answers of several models by published rules."),
    "probe": Entry(
        "probe",
        "probe",
        "Measure biases of a judge and of reward models: position, length, injections and more.",
    ),
    "serve": Entry(
        "serve",
        "serve",
        "Judge pairs and score responses over HTTP; the keys that open it are in JUDGE_API_KEY.",
    ),
    "review": Entry(
        "review", "review", "Review judgments in the browser: choose first, then see the judge."
    ),
    "data": Entry("data", "app", "Training sets from annotated pairs."),
    "train": Entry("train", "app", "Train judges and reward models."),
    "align": Entry("align", "app", "Align models with preferences."),
    "respond": Entry(
        "respond",
        "respond",
        "Answer a file of prompts with any model, turn by turn, greedily or drawn.",
    ),
    "models": Entry("models", "app", "The bundled models and their base."),
    "project": Entry("project", "app", "Projects of the review UI: people, tasks, exports."),
}
"""In the order of the help."""


class LazyCommands(ExitCodes):
    """The group of all commands. Where they are only listed, none is imported."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._listing = False
        self._loaded: dict[str, Any] = {}
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.help)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self._listing or cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in self._loaded:
            self._loaded[cmd_name] = load(cmd_name)
        return self._loaded[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._only_listed():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        with self._only_listed():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _only_listed(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False


def load(name: str) -> Any:
    """Import the command ``name`` and return it as typer makes it."""
    entry = COMMANDS[name]
    found = getattr(import_module(f"judge.commands.{entry.module}"), entry.name)
    around = typer.Typer(add_completion=False)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    return typer.main.get_group(around).commands[name]

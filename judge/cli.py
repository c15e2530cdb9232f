"""The command line: :mod:`judge.commands` put together, and what all of them share.

A command parses options, calls one function and shows what it returns; everything heavy is imported
inside it. The commands: :mod:`judge.commands.lazy`; exit codes: :mod:`judge.exits`.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from judge import __version__
from judge.commands.lazy import LazyCommands
from judge.quiet import quiet

app = typer.Typer(
    cls=LazyCommands,
    help="Pairwise Justifier: which of two responses is better, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"judge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line."""
    # PyTorch's threads wait for one another in a loop otherwise: on cores shared with other work
    # that takes several times as long. What they compute is the same. Read before the first import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    quiet()
    try:
        app()
    except BrokenPipeError:  # the reader of our output, as `head`, went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

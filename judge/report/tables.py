"""Tables of texts: the same ones on a terminal and on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from judge.lookalikes import told_apart

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class Table:
    """A table of texts: the first column names the row."""

    section: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """How its figures are counted, and why some are missing."""
    folded: bool = False
    """Whether it stands behind a click on the page, and not on a terminal."""
    worded: bool = False
    """Whether its cells are words, however short, and not figures."""

    def __post_init__(self) -> None:
        """Write cells of a column, and names of columns, that look the same so that they do not."""
        columns = [told_apart(column) for column in zip(*self.rows, strict=True)]
        rows = (tuple(c[cell] for c, cell in zip(columns, row, strict=True)) for row in self.rows)
        object.__setattr__(self, "rows", tuple(rows))
        heads = told_apart(self.columns)
        object.__setattr__(self, "columns", tuple(heads[name] for name in self.columns))


def shown(table: Table, whole_names: bool = False) -> RichTable:
    """Return a table for a terminal.

    Args:
        whole_names: never break the names of the rows, however narrow the terminal.
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, not markup: a pair may be called "[red]".
    rich = RichTable(
        title=Text(table.title) if table.title else None,
        title_justify="left",
        caption_justify="left",
    )
    rich.caption = Text(table.note) if table.note else None
    for index, name in enumerate(table.columns):
        whole = whole_names and not index
        rich.add_column(Text(name), justify="right" if index else "left", no_wrap=whole)
    for row in table.rows:
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def listing(title: str = "") -> RichTable:
    """Return an empty table of names and values for a terminal, without a head."""
    from rich.table import Table as RichTable

    rich = RichTable(show_header=False, title=title or None, title_justify="left")
    rich.add_column("what")
    rich.add_column("value", justify="right")
    return rich

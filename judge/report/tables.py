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

    def __post_init__(self) -> None:
        """Write cells of a column, and names of columns, that look the same so that they do not."""
        columns = [told_apart(column) for column in zip(*self.rows, strict=True)]
        rows = (tuple(c[cell] for c, cell in zip(columns, row, strict=True)) for row in self.rows)
        object.__setattr__(self, "rows", tuple(rows))
        heads = told_apart(self.columns)
        object.__setattr__(self, "columns", tuple(heads[name] for name in self.columns))


def shown(table: Table) -> RichTable:
    """Return a table for a terminal."""
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, not markup: a pair may be called "[red]".
    rich = RichTable(title=Text(table.title), title_justify="left", caption_justify="left")
    rich.caption = Text(table.note) if table.note else None
    for index, name in enumerate(table.columns):
        rich.add_column(Text(name), justify="right" if index else "left")
    for row in table.rows:
        rich.add_row(*(Text(cell) for cell in row))
    return rich

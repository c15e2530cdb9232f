"""Tables as files that other programs and papers take: CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from judge.report.tables import Table
from judge.runs.whole import refused_in_one_line, write_whole

FOLDER = "tables"
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "\u2423": r"\textvisiblespace{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_tables(tables: Mapping[str, Table], folder: Path) -> Path:
    """Write each table as ``tables/NAME.csv``, ``.md`` and ``.tex``; return their folder.

    The same tables, the same bytes.

    Raises:
        UsageError: when the disk refuses.
    """
    place = folder / FOLDER
    with refused_in_one_line(place):
        place.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_whole(place / f"{name}.csv", as_csv(table))
        write_whole(place / f"{name}.md", as_markdown(table))
        write_whole(place / f"{name}.tex", as_latex(table))
    return place


def as_csv(table: Table) -> str:
    """Return a table as CSV. A name that a spreadsheet would take for a formula has an apostrophe
    before it; figures are as they are shown."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_plain(name) for name in table.columns])
    writer.writerows([_plain(row[0]), *row[1:]] for row in table.rows)
    return out.getvalue()


def as_markdown(table: Table) -> str:
    """Return a table as GitHub's Markdown, its note below."""
    head = [_cell(name) for name in table.columns]
    lines = [
        f"**{_cell(table.title)}**\n",
        _row(head),
        _row(["---", *["---:"] * (len(head) - 1)]),
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
    ]
    if table.note:
        lines += ["", *(f"{_cell(line)}  " for line in table.note.splitlines())]
    return "\n".join(lines) + "\n"


def as_latex(table: Table) -> str:
    """Return a table for LaTeX with the package ``booktabs``."""
    columns = "l" + "r" * (len(table.columns) - 1)
    rows = [_latex_row(row) for row in table.rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_latex(table.title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(table.columns),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Return a text that stays one cell and no markup."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in line)


def _latex(text: str) -> str:
    return " ".join(text.split()).translate(_LATEX)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"

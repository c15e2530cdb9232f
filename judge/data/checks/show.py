"""The report of a check on the screen: a table of counts, then a few findings of each check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

_STYLES = {"serious": "bold red", "warning": "yellow", "note": "dim"}
_MOST_IDS = 3


def report_view(report: dict[str, Any]) -> Group:
    """Return what the screen shows of a report; checks without findings are one line."""
    checks = report["checks"]
    rows = report["rows"]
    total = report["rows_seen"]
    table = Table("severity", title_justify="left")
    table.add_column("check", no_wrap=True)
    for name in ("findings", "rows", "of all"):
        table.add_column(name, justify="right")
    for name, entry in checks.items():
        if entry["findings"]:
            table.add_row(
                Text(entry["severity"], _STYLES[entry["severity"]]),
                name,
                f"{entry['findings']:,}",
                f"{entry['rows']:,}",
                f"{100 * entry['rows'] / total:.1f} %" if total else "-",
            )
    counted = f"{rows['pairs']:,} pairs, {rows['ratings']:,} ratings, {rows['problems']:,} problems"
    clean = [name for name, entry in checks.items() if not entry["findings"]]
    parts: list[Any] = [Text(f"{counted} read")]
    if table.row_count:
        parts.append(table)
    parts += _examples(checks)
    if clean:
        parts.append(Text(f"nothing found by: {', '.join(clean)}", "dim"))
    return Group(*parts)


def show(report: dict[str, Any], console: Console | None = None) -> None:
    """Print :func:`report_view`."""
    (console or Console()).print(report_view(report))


def _examples(checks: dict[str, Any]) -> Iterator[Text]:
    for name, entry in checks.items():
        if entry["examples"]:
            yield Text.assemble((name, _STYLES[entry["severity"]]), f": {entry['rule']}")
        for example in entry["examples"]:
            ids = ", ".join(example["ids"][:_MOST_IDS])
            more = len(example["ids"]) - _MOST_IDS
            where = ", ".join(example.get("where", [])[:_MOST_IDS])
            parts = (where, example.get("detail"), example.get("excerpt"))
            line = Text.assemble("  ", (ids + (f" and {more} more" if more > 0 else ""), "bold"))
            yield line.append("".join(f" | {part}" for part in parts if part))

"""The report of a check on the screen: a table of counts, then a few findings of each check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from judge.data.checks.findings import CheckName
from judge.data.checks.report import CheckOutcome, CheckReport

_STYLES = {"serious": "bold red", "warning": "yellow", "note": "dim"}
_MOST_IDS = 3


def report_view(report: CheckReport) -> Group:
    """Return what the screen shows of a report; checks without findings are one line."""
    rows, total = report.rows, report.rows_seen
    table = Table("severity", title_justify="left")
    table.add_column("check", no_wrap=True)
    for name in ("findings", "rows", "of all"):
        table.add_column(name, justify="right")
    for name, outcome in report.checks.items():
        if outcome.findings:
            table.add_row(
                Text(outcome.severity, _STYLES[outcome.severity]),
                name,
                f"{outcome.findings:,}",
                f"{outcome.rows:,}",
                f"{100 * outcome.rows / total:.1f} %" if total else "-",
            )
    counted = f"{rows.pairs:,} pairs, {rows.ratings:,} ratings, {rows.problems:,} problems"
    clean = [name for name, outcome in report.checks.items() if not outcome.findings]
    parts: list[RenderableType] = [Text(f"{counted} read")]
    if table.row_count:
        parts.append(table)
    parts += _examples(report.checks)
    if clean:
        parts.append(Text(f"nothing found by: {', '.join(clean)}", "dim"))
    return Group(*parts)


def show(report: CheckReport, console: Console | None = None) -> None:
    """Print :func:`report_view`."""
    (console or Console()).print(report_view(report))


def _examples(checks: Mapping[CheckName, CheckOutcome]) -> Iterator[Text]:
    for name, outcome in checks.items():
        if outcome.examples:
            yield Text.assemble((name, _STYLES[outcome.severity]), f": {outcome.rule}")
        for found in outcome.examples:
            ids = ", ".join(found.ids[:_MOST_IDS])
            more = len(found.ids) - _MOST_IDS
            parts = (", ".join(found.where[:_MOST_IDS]), found.detail, found.excerpt)
            line = Text.assemble("  ", (ids + (f" and {more} more" if more > 0 else ""), "bold"))
            yield line.append("".join(f" | {part}" for part in parts if part))

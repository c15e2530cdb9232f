"""The tables that end ``judge respond``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from judge.lookalikes import told_apart
from judge.report.tables import listing
from judge.screen import duration, share

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from judge.infer.respond.dryrun import RespondDryRun
    from judge.runs.responses import ResponseSummary


def response_table(summary: ResponseSummary) -> RichTable:
    """Return the table of a run of answers."""
    table = listing()
    table.add_row("prompts and samples", f"{summary.rows:,}")
    table.add_row("answered", f"{summary.answered:,}")
    table.add_row("failed", f"{summary.failed:,}")
    for reason, count in summary.failures.items():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("answers of all turns", f"{summary.turns:,}")
    table.add_row(
        "cut at the most tokens", f"{summary.finish.get('length', 0):,}  ({share(summary.cut)})"
    )
    table.add_row("mean characters", _number(summary.mean_length))
    names = told_apart(summary.lengths)
    for name, length in summary.lengths.items():
        table.add_row(Text(f"  {names[name]}"), _number(length))
    table.add_row("mean tokens", _number(summary.mean_tokens))
    if summary.thought:
        table.add_row("with thinking", f"{summary.thought:,}")
    if summary.neutralised:
        table.add_row("markers broken up", f"{summary.neutralised:,}")
    session = summary.session
    if session is not None and session.tokens_per_second is not None:
        table.add_row("tokens/s (last session)", f"{session.tokens_per_second:,.1f}")
        table.add_row("time (last session)", duration(session.seconds))
    return table


def response_dry_run_table(found: RespondDryRun) -> RichTable:
    """Return the table of a dry run."""
    table = listing("dry run: nothing was written")
    table.add_row("prompts and samples", f"{found.rows:,}")
    table.add_row("would be answered", f"{found.answered:,}")
    table.add_row("answers of all turns", f"{found.turns:,}")
    table.add_row("would fail", f"{found.failures.total():,}")
    for reason, count in sorted(found.failures.items()):
        table.add_row(f"  {reason}", f"{count:,}")
    mean = "-" if found.tokens.mean is None else f"{found.tokens.mean:,.0f}"
    table.add_row("tokens of a first turn", f"mean {mean}, most {found.tokens.longest:,}")
    if found.seconds is not None:
        table.add_row("estimated time", duration(found.seconds))
        table.add_row("", found.basis)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"

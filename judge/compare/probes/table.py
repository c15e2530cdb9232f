"""What ``judge probe`` shows: every figure, a column a system."""

from __future__ import annotations

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from judge.compare.probes.figures import FIGURES, Figure
from judge.compare.probes.measure import ProbeReport


def probe_table(report: ProbeReport) -> Table:
    """Return the table of all figures."""
    title = f"bias probes, {report.pairs:,} pairs"
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column("figure", overflow="fold")
    table.add_column("no bias", justify="right")
    for system in report.systems:
        table.add_column(Text(system.name), justify="right")
    for name, meaning in FIGURES.items():
        row = [figure for figure in report.figures if figure.name == name]
        if row:
            unbiased = "" if meaning.unbiased is None else f"{meaning.unbiased:g}"
            table.add_row(name, unbiased, *map(_cell, row))
    return table


def notes(report: ProbeReport) -> list[str]:
    """Return what the figures do not say: why one is missing, what was left out of others."""
    lines = [
        f"rows of the input that are not pairs: {reason} {count:,}"
        for reason, count in report.unreadable.items()
    ]
    for system, runs in report.failures.items():
        counts = Counter[str]()
        for of_run in runs.values():
            counts.update(of_run)
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()))
        lines.append(f"{system}: failures in all runs: {told}")
    reasons: dict[str, list[str]] = {}
    for figure in report.figures:
        if figure.why_not is not None:
            reasons.setdefault(f"{figure.system}: {figure.why_not}", []).append(figure.name)
        if figure.note is not None:
            lines.append(f"{figure.system}: {figure.name}: {figure.note}")
    return lines + [f"{', '.join(names)}: {why}" for why, names in reasons.items()]


def _cell(figure: Figure) -> Text:
    if figure.value is None or figure.interval is None:
        return Text("does not apply" if not figure.applies else "-", style="dim")
    low, high = figure.interval
    return Text(f"{figure.value:.3f} [{low:.3f}, {high:.3f}] n {figure.n:,}")

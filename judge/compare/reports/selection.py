"""The page of a chosen checkpoint: accuracy and validation loss by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judge.metrics.formatting import DASH
from judge.report.page import Page, write
from judge.report.plots import COLOURS, NONE, ONE, Plot
from judge.report.tables import Table
from judge.runs.selection import Selection

PAGE = "select.html"
SECTIONS = {
    "accuracy": ("Accuracy", "On the benchmark, with a 95 % Wilson interval; failures are wrong."),
    "loss": ("Validation loss", "What the candidates were picked by."),
}


def write_page(result: Selection, folder: Path) -> Path:
    """Write ``select.html`` from what ``judge train select`` found; return its path.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    page = Page(
        title=f"Checkpoints of {result.run}",
        about=[f"Rule: {result.rule}. Ties: {result.ties}."],
        sentence=(
            f"{result.chosen} is chosen: {result.best.accuracy:.1%} on"
            f" {result.benchmark.pairs:,} {result.benchmark.unit} of {result.benchmark.file}."
        ),
        tiles=[],
        sections=SECTIONS,
        tables=[table_of(result)],
        plots=list(_plots(result)),
    )
    return write(page, folder, PAGE)


def table_of(result: Selection) -> Table:
    """Return the candidates as a table, the chosen one marked."""
    sources = list(result.candidates[0].by_source)
    sources = sources if len(sources) > 1 else []
    lines = [
        (
            one.checkpoint + (" *" if one.checkpoint == result.chosen else ""),
            DASH if one.validation_loss is None else f"{one.validation_loss:.4f}",
            f"{one.accuracy:.3f}",
            f"{one.share:.3f} [{one.low:.3f}, {one.high:.3f}]",
            *(f"{one.by_source[s][0] / one.by_source[s][1]:.3f}" for s in sources),
            f"{one.failures:,}",
        )
        for one in result.candidates
    ]
    heads = ("", "validation loss", "accuracy", "of all pairs, 95 %", *sources, "failures")
    note = "* chosen. Accuracy: by the benchmark's rule, else the plain mean over the sources."
    return Table("accuracy", "Checkpoints", heads, tuple(lines), note)


def _plots(result: Selection) -> Iterator[Plot]:
    rows = result.candidates
    shares = [row.share for row in rows]
    colours = [ONE if row.checkpoint == result.chosen else NONE for row in rows]
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [row.step for row in rows],
        "y": shares,
        "line": {"color": NONE, "width": 1},
        "marker": {"color": colours, "size": 11},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [row.high - share for row, share in zip(rows, shares, strict=True)],
            "arrayminus": [share - row.low for row, share in zip(rows, shares, strict=True)],
        },
    }
    caption = "Accuracy of each checkpoint by step; the chosen one is coloured."
    yield _plot("accuracy", "accuracies", trace, caption, {"tickformat": ".0%"})
    losses = {int(step): loss for step, loss in result.validation_losses.items()}
    if losses:
        curve = {
            "type": "scatter",
            "mode": "lines+markers",
            "x": list(losses),
            "y": list(losses.values()),
            "line": {"color": COLOURS[1], "width": 2},
        }
        yield _plot("loss", "losses", curve, "Validation loss by step.", {})


def _plot(
    section: str, name: str, trace: dict[str, Any], caption: str, axis: dict[str, Any]
) -> Plot:
    layout = {"xaxis": {"title": {"text": "step"}}, "yaxis": axis, "height": 320}
    return Plot(section, name, (trace,), layout, caption)

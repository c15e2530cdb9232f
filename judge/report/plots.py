"""The kinds of plots of a report, in plotly's own terms: marks with intervals, heat maps, bars.

Names come from users and from data, so everything that plotly would read as markup is escaped.
Colours of text, axes and grid are the page's, which follow light, dark and print.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from judge.lookalikes import told_apart
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import DASH, share_and_interval
from judge.report.tables import Table

COLOURS = ("#3b86c8", "#d17a35", "#4aa071", "#9a6fc9", "#c9566f", "#8a939b")
ONE, TWO, GAP, NONE = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[5]
SHADES = ("#98adbf", "#5b93c4", "#2f6ea6")
"""Of what has an order, seen on light and dark pages."""
_MOST = 32
_GRID = "rgba(128, 140, 150, 0.25)"
_CLEAR = "rgba(0, 0, 0, 0)"


@dataclass(frozen=True)
class Plot:
    """A plot, and the words that stand for it where it cannot be seen."""

    section: str
    name: str
    """Unique on its page."""
    traces: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]
    caption: str
    table: Table | None = None
    """Its numbers, where no other table of the page has them."""


def words(text: str) -> str:
    """Return a text as plotly shows it literally, cut to :data:`_MOST` characters."""
    line = " ".join(text.split()) or "(no name)"
    return html.escape(line if len(line) <= _MOST else f"{line[: _MOST - 1]}\u2026", quote=False)


def labels(texts: Sequence[str]) -> list[str]:
    """Return the words of texts, those that would look the same told apart by what differs in them,
    or by a number.

    Plotly puts what has the same label into the same place.
    """
    found: list[str] = []
    written = told_apart(texts)
    for text in (written[text] for text in texts):
        label, number = words(text), 2
        while label in found:
            label, number = f"{words(text)} ({number})", number + 1
        found.append(label)
    return found


def marks(
    names: Sequence[str], estimates: Sequence[Estimate], colour: str, name: str = ""
) -> dict[str, Any]:
    """Return a mark with its interval for each estimate that has a value, names downwards."""
    there = [(n, e) for n, e in zip(labels(names), estimates, strict=True) if e.value is not None]
    values = [e.value or 0.0 for _, e in there]
    ends = [e.interval or (v, v) for (_, e), v in zip(there, values, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "orientation": "h",
        "name": words(name) if name else "",
        "showlegend": bool(name),
        "x": values,
        "y": [n for n, _ in there],
        "text": [f"{share_and_interval(e)} of {e.n:,}" for _, e in there],
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "marker": {"color": colour, "size": 10},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - v for (_, high), v in zip(ends, values, strict=True)],
            "arrayminus": [v - low for (low, _), v in zip(ends, values, strict=True)],
            "color": colour,
            "thickness": 2,
        },
    }


def shares(
    section: str,
    name: str,
    traces: Sequence[Mapping[str, Any]],
    caption: str,
    rows: Sequence[str],
    middle: float | None = 0.5,
    title: str = "",
) -> Plot:
    """Return marks as a plot of shares from left to right, with a line where chance is.

    Args:
        title: of the table of its numbers; without one there is none.
    """
    lines = [] if middle is None else [line(middle)]
    several = len(traces) > 1
    layout: dict[str, Any] = {
        "xaxis": {"tickformat": ".0%", "showgrid": True},
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": labels(rows),
            "autorange": "reversed",
            "showgrid": False,
        },
        "shapes": lines,
        "height": 90 + len(rows) * max(34, 18 * len(traces) + 6),
    }
    if several:
        layout["scattermode"] = "group"
        layout["margin"] = {"t": 40}
    table = _numbers(section, title, traces, rows) if title else None
    return Plot(section, name, tuple(traces), layout, caption, table)


def _numbers(
    section: str, title: str, traces: Sequence[Mapping[str, Any]], rows: Sequence[str]
) -> Table:
    of = [dict(zip(trace["y"], trace["text"], strict=True)) for trace in traces]
    lines = [
        (row, *(texts.get(label, DASH) for texts in of))
        for row, label in zip(rows, labels(rows), strict=True)
    ]
    names = [html.unescape(trace["name"]) or "share, 95 %" for trace in traces]
    return Table(section, title, ("", *names), tuple(lines))


def line(x: float) -> dict[str, Any]:
    """Return a dotted line from top to bottom."""
    return {
        "type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
        "line": {"color": NONE, "dash": "dot", "width": 1.5}, "layer": "below",
    }  # fmt: skip


def level(y: float) -> dict[str, Any]:
    """Return a dotted line from left to right."""
    return {**line(0), "yref": "y", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y}


_SQUARE = {
    "xaxis": {"side": "top", "type": "category"},
    "yaxis": {"autorange": "reversed", "showgrid": False, "type": "category"},
}


def heat(
    section: str, name: str, names: Sequence[str], cells: Sequence[Sequence[Estimate | None]],
    caption: str,
) -> Plot:  # fmt: skip
    """Return a square of shares; None, and what has no value, stays empty."""
    values = [[None if cell is None else cell.value for cell in row] for row in cells]
    trace = {
        "type": "heatmap",
        "x": labels(names),
        "y": labels(names),
        "z": values,
        "zmin": 0,
        "zmax": 1,
        "text": [["" if v is None else f"{100 * v:.0f} %" for v in row] for row in values],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y} and %{x}: %{text}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, "#c9566f"], [0.5, "#f4f1ea"], [1, "#2f7ab8"]],
        "colorbar": {"tickformat": ".0%", "thickness": 14, "outlinewidth": 0},
        "xgap": 2,
        "ygap": 2,
    }
    return Plot(section, name, (trace,), {**_SQUARE, "height": 130 + 56 * len(names)}, caption)


def counts_heat(
    section: str, name: str, columns: Sequence[str], rows: Sequence[str],
    counts: Sequence[Sequence[int]], caption: str,
) -> Plot:  # fmt: skip
    """Return a square of counts of pairs; where there is none it stays empty."""
    trace = {
        "type": "heatmap",
        "x": labels(columns),
        "y": labels(rows),
        "z": [[count or None for count in row] for row in counts],
        "zmin": 0,
        "zmax": max(map(max, counts)),
        "text": [[f"{count:,}" if count else "" for count in row] for row in counts],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y} and %{x}: %{text}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, "#e3edf6"], [1, "#1f6fb2"]],
        "colorbar": {"title": {"text": "pairs"}, "thickness": 14, "outlinewidth": 0},
        "xgap": 1,
        "ygap": 1,
    }
    return Plot(section, name, (trace,), {**_SQUARE, "height": 480}, caption)


def bars(
    names: Sequence[str], values: Sequence[float], colours: str | Sequence[str], name: str = ""
) -> dict[str, Any]:
    """Return upright bars with their values."""
    bare = bare_bars(names, values, colours, name)
    marker = bare.pop("marker")
    return {
        **bare,
        "text": [f"{value:,}" for value in values],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": marker,
    }


def bare_bars(
    names: Sequence[str],
    values: Sequence[float | None],
    colours: str | Sequence[str],
    name: str = "",
) -> dict[str, Any]:
    """Return upright bars; a value of None has none."""
    return {
        "type": "bar",
        "name": words(name) if name else "",
        "showlegend": bool(name),
        "x": labels(names),
        "y": list(values),
        "marker": {"color": colours if isinstance(colours, str) else list(colours)},
    }


def histogram(
    edges: Sequence[float], counts: Sequence[int], colour: str, name: str
) -> dict[str, Any]:
    """Return counts between ``edges`` as shares of their sum, see-through."""
    total = sum(counts) or 1
    return {
        "type": "bar",
        "name": words(name),
        "x": [(low + high) / 2 for low, high in pairwise(edges)],
        "y": [count / total for count in counts],
        "width": [high - low for low, high in pairwise(edges)],
        "customdata": list(counts),
        "hovertemplate": "%{x:.3g}: %{customdata} (%{y:.1%})<extra></extra>",
        "marker": {"color": colour, "line": {"width": 0}},
        "opacity": 0.6,
    }


def specification(plot: Plot) -> dict[str, Any]:
    """Return data and layout as plotly.js takes them, checked by plotly.

    Raises:
        ImportError: without plotly.
        ValueError: for what is no figure.
    """
    import plotly.graph_objects as go

    axis = {"automargin": True, "gridcolor": _GRID, "zeroline": False, "ticklabelstandoff": 6}
    given = dict(plot.layout)
    layout = {
        "template": "none",
        "height": 380,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"font": {"family": "system-ui, sans-serif"}},
        **given,
        "margin": {"l": 20, "r": 25, "t": 20, "b": 35, **given.get("margin", {})},
        "xaxis": {**axis, "showgrid": False, **given.get("xaxis", {})},
        "yaxis": {**axis, **given.get("yaxis", {})},
    }
    figure = go.Figure(data=[dict(trace) for trace in plot.traces], layout=layout)
    found: dict[str, Any] = figure.to_plotly_json()
    # The template is a name for plotly's own; plotly.js has none of that name and needs none.
    found["layout"].pop("template", None)
    return found

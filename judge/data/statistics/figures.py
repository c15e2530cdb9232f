"""The plots of the page. They hold our own words and numbers alone, never the input's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.data.statistics.words import POSITION_NAMES, SET_NAMES, STAGE_NAMES, STRENGTH_NAMES

ONE, TWO, NONE = "#1f6fb2", "#b25a1f", "#8a939b"
_SHADES = ("#b7c3cd", "#6b8299", "#24405c")
_TEXT, _GRID = "#1d2329", "#dfe3e6"
_CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True}
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A plot as HTML, with the words that stand for it where it cannot be seen."""

    section: str
    html: str
    caption: str


def figures(report: Report) -> list[Figure]:
    """Return the plots of a report of :func:`judge.data.statistics.describe.run`, in order."""
    if not report["stages"]["all"]["read"]:
        return []
    found = [
        _stages(report["stages"]["all"]),
        _strengths(report["strengths"]),
        _agreement(report["agreement"]),
        _annotator_pairs(report["agreement"]["collected"]),
        _joint(report["helpfulness"]),
        _positions(report["justifications"]),
        _words(report["justifications"]),
        _keywords(report["justifications"]),
        _lengths(report["lengths"]),
    ]
    return [figure for figure in found if figure is not None]


def _stages(counts: Report) -> Figure:
    names = ("read", "with_consensus", "kept")
    labels = ("read", "with a consensus", "kept")
    bars = _bars(labels, [counts[name] for name in names], _SHADES[2], horizontal=True)
    bars["text"] = [f"{counts[name]:,}" for name in names]
    caption = (
        f"Pairs: {counts['read']:,} read, {counts['with_consensus']:,} with a consensus, "
        f"{counts['kept']:,} kept."
    )
    return _figure("stages", "stages", [bars], caption, height=190, **_SIDEWAYS)


def _strengths(strengths: Report) -> Figure:
    bars = [
        _bars(
            list(STRENGTH_NAMES.values()),
            [of["by_strength"][key]["share"] or 0 for key in STRENGTH_NAMES],
            shade,
            STAGE_NAMES[name],
        )
        for shade, (name, of) in zip(_SHADES, strengths.items(), strict=True)
    ]
    of = strengths["with_consensus"]["shares"]
    caption = (
        "Share of each strength, of annotations as collected, of pairs with a consensus and of "
        f"pairs kept. With a consensus, Response 1 is preferred in {_percent(of['response_1'])}, "
        f"Response 2 in {_percent(of['response_2'])}; {_percent(of['zero'])} are undecided."
    )
    return _figure("strengths", "strengths", bars, caption, yaxis=_PERCENT)


def _agreement(agreement: Report) -> Figure:
    kinds = {"kappa": "kappa", "alpha_ordinal": "alpha, ordinal"}
    stages = [STAGE_NAMES[name] for name in agreement]
    bars = [
        _bars(stages, [of[kind] for of in agreement.values()], shade, name)
        for shade, (kind, name) in zip((ONE, TWO), kinds.items(), strict=True)
    ]
    values = ", ".join(
        f"{STAGE_NAMES[name]} {_decimal(of['kappa'], 3)}" for name, of in agreement.items()
    )
    caption = f"Agreement at each stage; quadratic-weighted Cohen's kappa: {values}."
    return _figure("agreement", "kappa", bars, caption, height=300)


def _annotator_pairs(collected: Report) -> Figure | None:
    if not collected["items"]:
        return None
    labels = [STRENGTH_NAMES[f"{value}"] for value in collected["values"]]
    heat = _heat(labels, labels, collected["matrix"])
    caption = (
        "What one annotator of a pair says (rows) and what another says of the same pair "
        "(columns), as collected. On the diagonal both say the same."
    )
    return _figure("agreement", "annotator-pairs", [heat], caption, height=480, **_CELLS)


def _joint(joint: Report) -> Figure | None:
    if not joint["with_consensus"]["pairs"]:
        return None
    columns = [f"{difference:+d}" if difference else "0" for difference in joint["differences"]]
    rows = [STRENGTH_NAMES[f"{strength}"] for strength in joint["strengths"]]
    heat = _heat(columns, rows, joint["matrix"])
    caption = (
        "Overall strength (rows) and helpfulness of Response 2 minus Response 1 (columns), "
        f"{joint['with_consensus']['pairs']:,} pairs with a consensus and both responses rated; "
        f"Pearson's R {_decimal(joint['with_consensus']['pearson_r'], 4)}."
    )
    return _figure("helpfulness", "joint", [heat], caption, height=480, **_CELLS)


def _positions(justifications: Report) -> Figure:
    bars = [
        _bars(
            list(POSITION_NAMES.values()),
            [of["positions"][key]["share"] or 0 for key in POSITION_NAMES],
            shade,
            SET_NAMES[name],
        )
        for shade, (name, of) in zip(_SHADES, justifications.items(), strict=True)
    ]
    caption = "Where the statement stands, as a share of justifications."
    return _figure("justifications", "positions", bars, caption, yaxis=_PERCENT)


def _words(justifications: Report) -> Figure:
    counts = justifications["useful"]["words_histogram"]
    bars = _bars(list(counts), list(counts.values()), _SHADES[1])
    mean = justifications["useful"]["sizes"]["words"]["mean"]
    words = "" if mean is None else f" The mean is {mean:.1f}."
    caption = f"Useful justifications by their number of words.{words}"
    return _figure("justifications", "words", [bars], caption, height=320)


def _keywords(justifications: Report) -> Figure:
    given = {name: of["keywords"] for name, of in justifications.items()}
    attributes = list(given["useful"]["attributes"])
    bars = [
        _bars(
            attributes,
            [of["attributes"][attribute]["share"] or 0 for attribute in attributes],
            shade,
            SET_NAMES[name],
        )
        for shade, (name, of) in zip(_SHADES, given.items(), strict=True)
    ]
    caption = "Share of justifications with at least one keyword of each attribute."
    return _figure("keywords", "keywords", bars, caption, yaxis=_PERCENT)


def _lengths(lengths: Report) -> Figure:
    bars = []
    for shade, (unit, of) in zip((ONE, TWO), lengths.items(), strict=True):
        classes = of["by_ratio"]
        shares = [found["share"] for found in classes.values()]
        bar = _bars([f"{name} times" for name in classes], shares, shade, unit)
        bar["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [_reach(found, 1) for found in classes.values()],
            "arrayminus": [_reach(found, 0) for found in classes.values()],
            "color": _TEXT,
        }
        bars.append(bar)
    share = lengths["characters"]["share"]
    caption = (
        "Share of pairs in which the longer response is preferred, by how many times as long it "
        "is, with 95 % intervals; at 50 % length says nothing. In all, by characters: "
        f"{_percent(share)}."
    )
    middle = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5}
    line = {**middle, "line": {"color": _TEXT, "dash": "dot", "width": 1}}
    axis = {**_PERCENT, "range": [0, 1]}
    return _figure("lengths", "lengths", bars, caption, yaxis=axis, shapes=[line])


_PERCENT = {"tickformat": ".0%"}
_SIDEWAYS = {
    "xaxis": {"showgrid": True},
    "yaxis": {"autorange": "reversed", "showgrid": False},
    "margin": {"l": 60, "r": 20, "t": 10, "b": 30},
}
_CELLS = {
    "xaxis": {"side": "top", "type": "category"},
    "yaxis": {"autorange": "reversed", "showgrid": False, "type": "category"},
    "plot_bgcolor": _GRID,
    "margin": {"l": 60, "r": 20, "t": 50, "b": 15},
}


def _reach(found: Report, end: int) -> float | None:
    """Return how far the share is from an end of its interval."""
    return None if found["share"] is None else abs(found["interval"][end] - found["share"])


def _bars(
    labels: Sequence[str],
    values: Sequence[float | None],
    colour: str,
    name: str = "",
    horizontal: bool = False,
) -> dict[str, Any]:
    along, across = ("x", "y") if horizontal else ("y", "x")
    return {
        "type": "bar",
        "name": name,
        "showlegend": bool(name),
        "marker": {"color": colour},
        "orientation": "h" if horizontal else "v",
        across: list(labels),
        along: list(values),
    }


def _heat(
    columns: Sequence[str], rows: Sequence[str], counts: Sequence[Sequence[int]]
) -> dict[str, Any]:
    texts = [[f"{count:,}" if count else "" for count in row] for row in counts]
    return {
        "type": "heatmap",
        "x": list(columns),
        "y": list(rows),
        "z": [list(row) for row in counts],
        "text": texts,
        "texttemplate": "%{text}",
        "colorscale": [[0, "#ffffff"], [0.02, "#e3edf6"], [1, ONE]],
        "colorbar": {"title": {"text": "pairs"}},
        "xgap": 1,
        "ygap": 1,
    }


def _figure(
    section: str,
    name: str,
    traces: Sequence[Mapping[str, Any]],
    caption: str,
    height: int = 380,
    **layout: Any,
) -> Figure:
    import plotly.graph_objects as go
    from plotly.io import to_html

    axis = {"automargin": True, "gridcolor": _GRID, "ticklabelstandoff": 5, "zeroline": False}
    look = {
        "template": "none",
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": _TEXT},
        "legend": {"orientation": "h", "y": 1.15, "x": 0},
        "barmode": "group",
        **layout,
        "xaxis": {**axis, "showgrid": False, **layout.get("xaxis", {})},
        "yaxis": {**axis, **layout.get("yaxis", {})},
    }
    figure = go.Figure(data=[dict(trace) for trace in traces], layout=look)
    html = to_html(
        figure,
        config=_CONFIG,
        include_plotlyjs=False,
        full_html=False,
        # A fixed name: plotly's own is drawn anew each time.
        div_id=f"plot-{name}",
    )
    return Figure(section, html, caption)


def _decimal(value: float | None, places: int) -> str:
    return "not defined" if value is None else f"{value:.{places}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"

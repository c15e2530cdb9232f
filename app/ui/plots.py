"""The plots of the dashboard, made of its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from app.review.figures import Dashboard, Share
from app.review.rating_figures import RatingBoard
from app.ui.tables import NONE

_BLUE, _GREEN, _ORANGE, _GREY, _RED = "#4c78d0", "#3f9e6b", "#d98b2b", "#8c95a4", "#c75450"
_AXIS = {"gridcolor": "rgba(128,136,150,0.25)", "zerolinecolor": "rgba(128,136,150,0.5)"}


def plots(board: Dashboard) -> list[go.Figure]:
    """Return the plots in the order of the page: progress, pace, agreement of people, annotators
    against consensus, judge before and after the reveal, position bias."""
    return [
        _progress(board),
        _pace(board),
        _pairwise(board),
        _against_consensus(board),
        _judge(board),
        _position(board),
    ]


def rating_plots(board: RatingBoard) -> list[go.Figure]:
    """Return the plots of a project that rates, in the places of :func:`plots`: progress, pace,
    agreement by attribute, each rater's distance from the others."""
    names = [figures.attribute for figures in board.attributes]
    bars = [
        go.Bar(
            x=names,
            y=[getattr(figures, field) for figures in board.attributes],
            name=text,
            marker_color=colour,
        )
        for field, text, colour in (
            ("kappa_first", "before the reveal", _GREY),
            ("kappa", "as it stands", _BLUE),
            ("kept", "the three that agree most", _GREEN),
        )
    ]
    rated = any(figures.kappa is not None for figures in board.attributes)
    agreement = _figure(bars if rated else [], barmode="group", yaxis={"title": "kappa"})
    apart = [rater for rater in board.raters if rater.from_others is not None]
    bar = go.Bar(
        x=[rater.from_others for rater in apart],
        y=[rater.name for rater in apart],
        orientation="h",
        marker_color=_BLUE,
    )
    others = _figure(
        [bar] if apart else [],
        xaxis={"title": "distance of helpfulness from the others' mean", "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed"},
    )
    return [_progress(board), _pace(board), agreement, others]


def _progress(board: Dashboard | RatingBoard) -> go.Figure:
    progress = board.progress
    parts = {
        "finished": (progress.finished, _GREEN),
        "to adjudicate": (progress.to_adjudicate, _ORANGE),
        "in progress": (progress.in_progress, _BLUE),
        "untouched": (progress.untouched, _GREY),
    }
    bars = [
        go.Bar(
            x=[count],
            y=["tasks"],
            name=name,
            orientation="h",
            marker_color=colour,
            text=[str(count)] if count else [""],
        )
        for name, (count, colour) in parts.items()
    ]
    return _figure(bars, height=150, barmode="stack", yaxis={"visible": False})


def _pace(board: Dashboard | RatingBoard) -> go.Figure:
    """A bar an hour; a bar a day where the project is older than three days."""
    by_day = len(board.pace) > 1 and board.pace[-1].hour - board.pace[0].hour > timedelta(days=3)
    counts: Counter[datetime] = Counter()
    for point in board.pace:
        counts[point.hour.replace(hour=0) if by_day else point.hour] += point.completed
    if not counts:
        return _figure([], height=300)
    step = timedelta(days=1) if by_day else timedelta(hours=1)
    # Room for six bars at least: a lone one would fill the plot, its ticks fractions of a second.
    first, last = min(counts), max(counts)
    low = min(first, last - 5 * step) - step / 2
    bar = go.Bar(
        x=list(counts),
        y=list(counts.values()),
        width=0.8 * step.total_seconds() * 1000,
        marker_color=_BLUE,
        hovertemplate="%{x|%d %b %H:%M} UTC: %{y}<extra></extra>",
    )
    ticks = -(-(last - low) // (8 * step))  # rounded up: eight or nine at most
    return _figure(
        [bar],
        xaxis={
            "range": [low, last + step / 2],
            "tickformat": "%d %b" if by_day else "%H:%M\n%d %b",
            "dtick": ticks * step.total_seconds() * 1000,
            "tick0": first,
            "title": "UTC",
        },
        yaxis={"title": f"annotations {'a day' if by_day else 'an hour'}", "rangemode": "tozero"},
    )


def _pairwise(board: Dashboard) -> go.Figure:
    if not board.pairwise:
        return _figure([])
    names = sorted({name for pair in board.pairwise for name in (pair.one, pair.other)})
    found = {frozenset((pair.one, pair.other)): pair for pair in board.pairwise}
    cells = [[found.get(frozenset((row, column))) for column in names] for row in names]
    heat = go.Heatmap(
        x=names,
        y=names,
        z=[[cell.kappa if cell else None for cell in row] for row in cells],
        text=[[_cell(cell.kappa, cell.tasks) if cell else "" for cell in row] for row in cells],
        texttemplate="%{text}",
        hoverinfo="text",
        zmin=-1,
        zmax=1,
        colorscale=[[0, _RED], [0.5, "#c9ced6"], [1, _GREEN]],
        showscale=False,
        textfont_color="#14161a",
    )
    return _figure([heat], xaxis={"type": "category"}, yaxis={"type": "category"})


def _cell(kappa: float | None, tasks: int) -> str:
    return f"{NONE if kappa is None else f'{kappa:.2f}'}<br>{tasks} tasks"


def _against_consensus(board: Dashboard) -> go.Figure:
    shares = [person.against_consensus.same_response for person in board.annotators]
    return _shares(
        [person.name for person in board.annotators], shares, "same response as consensus"
    )


def _judge(board: Dashboard) -> go.Figure:
    names = ["before the reveal", "after the reveal", "changed by it", "changed towards the judge"]
    anchoring = board.anchoring
    shares = [
        board.judge_before.same_response,
        board.judge_after.same_response,
        anchoring.changed,
        anchoring.towards_judge,
    ]
    return _shares(names, shares, "same response; changed")


def _position(board: Dashboard) -> go.Figure:
    names = ["everyone", *(person.name for person in board.annotators)]
    shares = [board.position, *(person.shown_first for person in board.annotators)]
    figure = _shares(names, shares, "chose the response shown first")
    if not figure.data:
        return figure
    figure.add_vline(x=0.5, line_dash="dash", line_color=_GREY)
    return figure


def _shares(names: Sequence[str], shares: Sequence[Share], title: str) -> go.Figure:
    """Return shares with their 95 % intervals, the first on top; those of nothing are left out."""
    kept = [(name, share) for name, share in zip(names, shares, strict=True) if share.total]
    if not kept:
        return _figure([], height=158)
    points = go.Scatter(
        x=[share.share for _, share in kept],
        y=[name for name, _ in kept],
        mode="markers",
        marker={"size": 10, "color": _BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [(share.high or 0) - (share.share or 0) for _, share in kept],
            "arrayminus": [(share.share or 0) - (share.low or 0) for _, share in kept],
            "color": _GREY,
        },
        text=[f"{share.hits} of {share.total}" for _, share in kept],
        hovertemplate="%{y}: %{x:.2f}, %{text}<extra></extra>",
    )
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%", "title": title}
    return _figure(
        [points],
        height=90 + 34 * max(len(kept), 2),
        xaxis=axis,
        yaxis={"type": "category", "autorange": "reversed"},
    )


def _figure(traces: list[Any], height: int = 300, **layout: Any) -> go.Figure:
    figure = go.Figure(traces)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        # Readable on white and on black.
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#7d8696", "size": 13},
        legend={"orientation": "h", "y": -0.4, "traceorder": "normal"},
        **layout,
    )
    if not traces:  # a sentence instead of empty axes
        figure.add_annotation(text="Nothing to show yet", showarrow=False, font_size=15)
        figure.update_xaxes(visible=False).update_yaxes(visible=False)
        return figure
    figure.update_xaxes(automargin=True, **_AXIS)
    figure.update_yaxes(automargin=True, **_AXIS)
    return figure

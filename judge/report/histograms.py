"""Histograms as a picture of their own (SVG), where a page is too much: rows of panels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from judge.report.plots import words

WIDTH, HEIGHT = 360, 230
"""Of a panel, in pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 46, 40
_INK, _GREY = "#30363b", "#c9ced2"


@dataclass(frozen=True)
class Layer:
    """Counts between a panel's edges, drawn as shares of their sum."""

    name: str
    counts: Sequence[int]
    colour: str


@dataclass(frozen=True)
class Panel:
    """Layers over one another on the same bins."""

    title: str
    x: str
    """What is counted, under the axis."""
    edges: Sequence[float]
    """One more than there are bins."""
    layers: Sequence[Layer]
    zero: bool = False
    """Whether a line stands at 0."""


def draw(rows: Sequence[Sequence[Panel]]) -> str:
    """Return the picture as SVG: rows of panels under one another. The same panels, same bytes."""
    width, height = WIDTH * max(map(len, rows)), HEIGHT * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" font-size="11" fill="{_INK}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for down, row in enumerate(rows):
        for across, panel in enumerate(row):
            parts.append(f'<g transform="translate({WIDTH * across} {HEIGHT * down})">')
            parts += [*_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> Iterator[str]:
    low, high = panel.edges[0], panel.edges[-1]
    if panel.zero:
        low, high = min(low, 0.0), max(high, 0.0)
    shares = [[c / (sum(of.counts) or 1) for c in of.counts] for of in panel.layers]
    top = max((share for of in shares for share in of), default=0.0) or 1.0
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (value - low) / ((high - low) or 1.0) * wide

    def y(share: float) -> float:
        return HEIGHT - _BOTTOM - share / top * tall

    bottom = HEIGHT - _BOTTOM
    yield _text(_LEFT, 16, panel.title, "start", 'font-weight="bold"')
    yield from _legend(panel.layers)
    for of, layer in zip(shares, panel.layers, strict=True):
        for (one, two), share in zip(pairwise(panel.edges), of, strict=True):
            if share:
                yield (
                    f'<rect x="{x(one):.1f}" y="{y(share):.1f}" width="{x(two) - x(one):.1f}"'
                    f' height="{HEIGHT - _BOTTOM - y(share):.1f}" fill="{layer.colour}"'
                    ' fill-opacity="0.6"/>'
                )
    if panel.zero:
        yield f'<path d="M{x(0):.1f} {_TOP}V{bottom}" stroke="{_INK}" stroke-dasharray="3 3"/>'
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}" fill="none" stroke="{_GREY}"/>'
    for value in ticks(low, high):
        yield f'<path d="M{x(value):.1f} {bottom}v4" stroke="{_GREY}"/>'
        yield _text(x(value), bottom + 15, f"{value:g}")
    yield _text(_LEFT - 5, y(top) + 4, f"{100 * top:.0f} %", "end")
    yield _text(_LEFT - 5, bottom + 4, "0 %", "end")
    yield _text(_LEFT + wide / 2, HEIGHT - 8, panel.x)


def ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers from ``low`` to ``high``; one where they are equal."""
    if high <= low:
        return [low]
    size = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(size * of for of in (5, 2, 1) if (high - low) / (size * of) >= 3)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _legend(layers: Sequence[Layer]) -> Iterator[str]:
    wide = (WIDTH - _LEFT - _RIGHT) / max(len(layers), 1)
    for place, layer in enumerate(layers):
        x = _LEFT + place * wide
        yield f'<rect x="{x:.1f}" y="25" width="9" height="9" fill="{layer.colour}"/>'
        yield _text(x + 13, 33, layer.name, "start")


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    # What XML cannot hold is no reason to have no picture.
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words(shown)}</text>'

"""The curve of a search of the ExPO factor, as lines of a table and as an SVG picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CURVE_JSON, CURVE_SVG = "expo_search.json", "expo_search.svg"
"""The files of a search in the folder of its checkpoint."""
_WIDTH, _HEIGHT, _MARGIN = 640, 360, 60


@dataclass(frozen=True)
class Point:
    """A factor and the pairs that its model gets right."""

    factor: float
    right: int
    accuracy: float


@dataclass(frozen=True)
class SearchResult:
    """The curve in order of the factor, its best point, and the two models themselves."""

    best: Point
    curve: list[Point]
    weak: Point
    strong: Point
    pairs: int
    left_out: dict[str, int]
    """How many pairs of the file were not used, by why."""


def read_curve(folder: str) -> list[str]:
    """Return the curve that a search left in ``folder`` as lines for people."""
    found = json.loads((Path(folder) / CURVE_JSON).read_bytes())
    named = [("weak", found["weak"]), ("strong", found["strong"])]
    best = found["best"]["factor"]
    named += [("best" if p["factor"] == best else "", p) for p in found["curve"]]
    return [
        f"{p['factor']:.2f}  {p['accuracy']:.4f}  {p['right']}/{found['pairs']}  {name}".rstrip()
        for name, p in named
    ]


def draw(result: SearchResult) -> str:
    """Return the picture: accuracy by factor, the best point, weak and strong as lines."""
    accuracies = [p.accuracy for p in (*result.curve, result.weak, result.strong)]
    low, high = min(accuracies), max(accuracies)
    room = (high - low) * 0.1 or 0.01
    low, high = low - room, high + room
    first, last = result.curve[0].factor, result.curve[-1].factor

    def x(factor: float) -> float:
        return _MARGIN + (factor - first) / (last - first) * (_WIDTH - 2 * _MARGIN)

    def y(accuracy: float) -> float:
        return _HEIGHT - _MARGIN - (accuracy - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)

    right, bottom = _WIDTH - _MARGIN, _HEIGHT - _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<path d="M{_MARGIN} {_MARGIN}V{bottom}H{right}" fill="none" stroke="black"/>',
    ]
    for tick in range(-(-round(first * 100) // 10), round(last * 100) // 10 + 1):
        parts.append(_text(x(tick / 10), bottom + 18, f"{tick / 10:.1f}"))
    for share in (0, 0.25, 0.5, 0.75, 1):
        accuracy = low + share * (high - low)
        parts.append(_text(_MARGIN - 24, y(accuracy) + 4, f"{accuracy:.3f}"))
    for name, point in (("weak", result.weak), ("strong", result.strong)):
        level = y(point.accuracy)
        parts.append(
            f'<path d="M{_MARGIN} {level:.1f}H{right}" stroke="grey" stroke-dasharray="4 4"/>'
        )
        parts.append(_text(right + 24, level + 4, name))
    points = [(x(p.factor), y(p.accuracy)) for p in result.curve]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>')
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="#1f77b4"/>' for a, b in points]
    best = result.best
    a, b = x(best.factor), y(best.accuracy)
    parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="5" fill="none" stroke="#d62728"/>')
    title = f"best factor {best.factor:.2f}: {best.right} of {result.pairs} pairs right"
    parts.append(_text(_WIDTH / 2, 28, title))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 14, "factor (accuracy upwards)"))
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'

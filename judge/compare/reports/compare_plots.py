"""The plots of a comparison, as functions of its result: the same figures as in its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from judge.compare.calibration import CalibrationFigures
from judge.compare.comparison import Comparison
from judge.compare.probes.figures import Figure
from judge.compare.rewards import RewardDistributions
from judge.compare.slices import Slice
from judge.metrics import estimate
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import number, share, share_and_interval
from judge.report.plots import (
    COLOURS,
    GAP,
    NONE,
    ONE,
    TWO,
    Plot,
    heat,
    histogram,
    line,
    marks,
    shares,
)
from judge.report.tables import Table

_MOST_SYSTEMS = len(COLOURS)
PEOPLE = "people prefer"
"""Who prefers the responses of a comparison's rewards."""


def plots(found: Comparison, positions: Sequence[Figure]) -> Iterator[Plot]:
    """Yield the plots of a comparison that has what they show.

    Args:
        positions: of its judges, from :func:`judge.compare.probes.position.position`.
    """
    if any(a.accuracy.value is not None for a in found.accuracy):
        yield accuracy(found)
    yield agreement(found)
    if found.labelled:
        yield from (by_slice(of, i) for i, of in enumerate(found.slices) if of.levels)
        readings = [c for c in found.calibration if c.raw or c.fitted]
        yield from (reliability(c.system, c.raw, c.fitted, i) for i, c in enumerate(readings))
    yield response_1(found)
    yield from slots(positions)
    yield from longer(found)
    for index, of in enumerate(found.rewards):
        yield from rewards(of, index)


def accuracy(found: Comparison) -> Plot:
    """Return every system's accuracy with its interval."""
    names = [a.system for a in found.accuracy]
    trace = marks(names, [a.accuracy for a in found.accuracy], ONE)
    caption = (
        f"Accuracy against {found.reference} with 95 % intervals; ties half, failures wrong."
        " The dotted line is a coin."
    )
    return shares("accuracy", "accuracy", [trace], caption, names)


def agreement(found: Comparison) -> Plot:
    """Return how often every two systems give the same answer."""
    names = found.agreement.names
    of = {(c.first, c.second): c.percent for c in found.agreement.cells}
    cells = [[of.get((one, two)) or of.get((two, one)) for two in names] for one in names]
    caption = "Share of the pairs that both answered with the same answer; a tie is an answer."
    return heat("agreement", "agreement", names, cells, caption)


def by_slice(of: Slice, index: int) -> Plot:
    """Return every system's accuracy in each level of a slice."""
    levels = [f"{level.name} ({level.labelled:,})" for level in of.levels]
    names = list(of.levels[0].accuracy)[:_MOST_SYSTEMS]
    traces = [
        marks(levels, [level.accuracy[name] for level in of.levels], colour, name)
        for name, colour in zip(names, COLOURS, strict=False)
    ]
    caption = f"Accuracy by {of.name}, with 95 % intervals; in brackets the labelled pairs."
    return shares("slices", f"slice-{index}", traces, caption, levels)


def reliability(
    system: str, raw: CalibrationFigures | None, fitted: CalibrationFigures | None, index: int
) -> Plot:
    """Return how often a system is right where it is so and so sure."""
    given = (("as it is", raw, ONE), ("with a temperature", fitted, TWO))
    traces = []
    for name, reading, colour in given:
        bins = [b for b in reading.bins if b.n] if reading else []
        if not bins:
            continue
        right = [b.right or 0.0 for b in bins]
        ends = [b.interval or (r, r) for b, r in zip(bins, right, strict=True)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "showlegend": True,
                "x": [b.confidence for b in bins],
                "y": right,
                "customdata": [b.n for b in bins],
                "hovertemplate": "%{customdata} pairs: sure %{x:.1%}, right %{y:.1%}",
                "marker": {"size": 8, "color": colour},
                "line": {"color": colour},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - r for (_, high), r in zip(ends, right, strict=True)],
                    "arrayminus": [r - low for (low, _), r in zip(ends, right, strict=True)],
                    "color": colour,
                    "thickness": 1.2,
                },
            }
        )
    diagonal = {
        "type": "line", "x0": 0.5, "x1": 1, "y0": 0.5, "y1": 1, "layer": "below",
        "line": {"color": NONE, "dash": "dot", "width": 1.5},
    }  # fmt: skip
    layout = {
        "xaxis": {"tickformat": ".0%", "range": [0.49, 1.01], "title": {"text": "how sure it is"}},
        "yaxis": {
            "tickformat": ".0%",
            "range": [-0.02, 1.02],
            "title": {"text": "how often right"},
        },
        "shapes": [diagonal],
        "margin": {"t": 40, "b": 50},
    }
    caption = (
        f"Reliability of {system}: a point is a bin of confidence, with its 95 % interval; on the"
        " dotted line probabilities are exactly right."
    )
    table = _bins(system, raw or fitted, "as it is" if raw else "with a temperature")
    return Plot("calibration", f"reliability-{index}", tuple(traces), layout, caption, table)


def _bins(system: str, reading: CalibrationFigures | None, which: str) -> Table:
    """Return the points of a reliability diagram in numbers."""
    rows = tuple(
        (
            f"{100 * b.low:.0f} to {100 * b.high:.0f} %",
            f"{b.n:,}",
            share(Estimate(value=b.confidence, n=b.n)),
            share_and_interval(Estimate(value=b.right, interval=b.interval, n=b.n)),
        )
        for b in (reading.bins if reading else [])
        if b.n
    )
    columns = ("confidence", "pairs", "how sure", "how often right, 95 %")
    return Table("calibration", f"Reliability of {system}, {which}", columns, rows)


def response_1(found: Comparison) -> Plot:
    """Return how often each system prefers what the file calls Response 1."""
    systems = [s for s in found.systems if s.kind != "baseline"]
    names = [s.name for s in systems]
    estimates = [
        estimate.share(s.response_1, s.response_1 + s.response_2, "prefers no response")
        for s in systems
    ]
    caption = (
        "Share of Response 1 among the pairs on which a system prefers a response. Where the"
        " better response stands on either side alike, people's lies at 50 %, too."
    )
    title = "Response 1 among the pairs with a preference"
    return shares(
        "position", "response-1", [marks(names, estimates, ONE)], caption, names, title=title
    )


def slots(positions: Sequence[Figure]) -> Iterator[Plot]:
    """Yield the judges' rates of the first slot and of flips, in all and by margin."""
    for rate, says, middle in (
        (
            "first_slot_rate",
            "Share of the verdicts for the response shown first; unbiased 50 %",
            0.5,
        ),
        ("flip_rate", "Share of the pairs on which the two orders disagree", None),
    ):
        there = [f for f in positions if f.name.split(".")[1] == rate and f.value is not None]
        systems = list(dict.fromkeys(f.system for f in there))[:_MOST_SYSTEMS]
        if not systems:
            continue
        rows = list(dict.fromkeys(_class(f.name) for f in there))
        traces = []
        for system, colour in zip(systems, COLOURS, strict=False):
            of = [f for f in there if f.system == system]
            traces.append(marks([_class(f.name) for f in of], of, colour, system))
        caption = f"{says}: in all, and by the margin |P(1 better) - P(2 better)|."
        yield shares("position", rate.replace("_", "-"), traces, caption, rows, middle, says)


def _class(name: str) -> str:
    """Return the words for ``position.flip_rate.margin_25_50``."""
    _, found, ends = name.partition(".margin_")
    low, _, high = ends.partition("_")
    return f"margin {low} to {high} %" if found else "all pairs"


def longer(found: Comparison) -> Iterator[Plot]:
    """Yield how often each system, people among them, agrees with the length baseline."""
    baseline = next((s.name for s in found.systems if s.kind == "baseline"), None)
    if baseline is None:
        return
    of = {}
    for cell in found.agreement.cells:
        if baseline in (cell.first, cell.second):
            of[cell.second if cell.first == baseline else cell.first] = cell.percent
    if any(percent.value is not None for percent in of.values()):
        caption = (
            "Share of the pairs on which a system chooses the longer response, as the length"
            f" baseline does. A system far from {found.reference} leans on length."
        )
        title = "Pairs on which the longer response is chosen"
        names = list(of)
        yield shares(
            "length", "longer", [marks(names, list(of.values()), ONE)], caption, names, title=title
        )


def rewards(of: RewardDistributions, index: int, whose: str = PEOPLE) -> Iterator[Plot]:
    """Yield a reward model's distributions, as Figure 2 of the paper: of both kinds of responses
    over the same bins, and of their differences; nothing without rewards."""
    if of.edges:
        yield _both_kinds(of, index, whose)
    if of.gaps.edges:
        yield _gaps(of, index, whose)


def _both_kinds(of: RewardDistributions, index: int, whose: str) -> Plot:
    split = of.preferred.n > 0
    given = (
        ((f"responses that {whose}", of.preferred, ONE), ("the others", of.other, TWO))
        if split
        else (("all responses", of.every, ONE),)
    )
    traces = [histogram(of.edges, spread.counts, colour, name) for name, spread, colour in given]
    means = "; ".join(
        f"{name}: mean {number(spread.mean, 3)}, standard deviation {number(spread.deviation, 3)},"
        f" n {spread.n:,}"
        for name, spread, _ in given
    )
    caption = f"Rewards of {of.system}. {means[0].upper()}{means[1:]}."
    layout = _bell("reward", "share of responses")
    return Plot("rewards", f"rewards-{index}", tuple(traces), layout, caption)


def _gaps(of: RewardDistributions, index: int, whose: str) -> Plot:
    spread = of.gaps.spread
    name = f"the response that {whose}, less the other"
    trace = histogram(of.gaps.edges, spread.counts, GAP, "preferred less the other")
    layout = {**_bell("difference of rewards", "share of pairs"), "shapes": [line(0)]}
    caption = (
        f"Differences of rewards of {of.system}: {name}. Mean {number(spread.mean, 3)}, standard"
        f" deviation {number(spread.deviation, 3)}; above 0 in {of.gaps.above:,} of {spread.n:,}"
        " pairs."
    )
    return Plot("rewards", f"reward-gaps-{index}", (trace,), layout, caption)


def _bell(x: str, y: str) -> dict[str, Any]:
    return {
        "barmode": "overlay",
        "xaxis": {"title": {"text": x}},
        "yaxis": {"tickformat": ".0%", "title": {"text": y}},
        "showlegend": True,
        "margin": {"t": 40, "b": 50},
        "height": 320,
    }

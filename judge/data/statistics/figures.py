"""The plots of the page. They hold our own words and numbers alone, never the input's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.data.statistics.report import (
    HelpfulnessReport,
    JustificationsReport,
    LengthsReport,
    LongerPreferred,
    StageCounts,
    StatsReport,
    StrengthsReport,
)
from judge.data.statistics.words import POSITION_NAMES, SET_NAMES, STAGE_NAMES, STRENGTH_NAMES
from judge.metrics.agreement import AgreementReport
from judge.report.plots import NONE, ONE, SHADES, TWO, Plot, bare_bars, counts_heat, level


def figures(report: StatsReport) -> list[Plot]:
    """Return the plots of a report of :func:`judge.data.statistics.describe.run`, in order."""
    if not report.stages.all.read:
        return []
    found = [
        _stages(report.stages.all),
        _strengths(report.strengths),
        _agreement(report.agreement),
        _annotator_pairs(report.agreement["collected"]),
        _joint(report.helpfulness),
        _positions(report.justifications),
        _words(report.justifications),
        _keywords(report.justifications),
        _lengths(report.lengths),
    ]
    return [figure for figure in found if figure is not None]


def _stages(counts: StageCounts) -> Plot:
    shown = {
        "read": counts.read,
        "with a consensus": counts.with_consensus,
        "kept": counts.kept,
    }
    upright = bare_bars(tuple(shown), list(shown.values()), SHADES[2])
    bars = {**upright, "orientation": "h", "x": upright["y"], "y": upright["x"]}
    bars["text"] = [f"{count:,}" for count in shown.values()]
    caption = (
        f"Pairs: {counts.read:,} read, {counts.with_consensus:,} with a consensus, "
        f"{counts.kept:,} kept."
    )
    return Plot("stages", "stages", (bars,), _SIDEWAYS, caption)


def _strengths(strengths: Mapping[str, StrengthsReport]) -> Plot:
    bars = [
        bare_bars(
            list(STRENGTH_NAMES.values()),
            [of.by_strength[key].share or 0 for key in STRENGTH_NAMES],
            shade,
            STAGE_NAMES[name],
        )
        for shade, (name, of) in zip(SHADES, strengths.items(), strict=True)
    ]
    of = strengths["with_consensus"].shares
    caption = (
        "Share of each strength, of annotations as collected, of pairs with a consensus and of "
        f"pairs kept. With a consensus, Response 1 is preferred in {_percent(of.response_1)}, "
        f"Response 2 in {_percent(of.response_2)}; {_percent(of.zero)} are undecided."
    )
    return Plot("strengths", "strengths", tuple(bars), {**_BESIDE, "yaxis": _PERCENT}, caption)


def _agreement(agreement: Mapping[str, AgreementReport]) -> Plot:
    stages = [STAGE_NAMES[name] for name in agreement]
    bars = [
        bare_bars(stages, [of.kappa for of in agreement.values()], ONE, "kappa"),
        bare_bars(stages, [of.alpha_ordinal for of in agreement.values()], TWO, "alpha, ordinal"),
    ]
    values = ", ".join(
        f"{STAGE_NAMES[name]} {_decimal(of.kappa, 3)}" for name, of in agreement.items()
    )
    caption = f"Agreement at each stage; quadratic-weighted Cohen's kappa: {values}."
    return Plot("agreement", "kappa", tuple(bars), {**_BESIDE, "height": 300}, caption)


def _annotator_pairs(collected: AgreementReport) -> Plot | None:
    if not collected.items:
        return None
    labels = [STRENGTH_NAMES[f"{value}"] for value in collected.values]
    caption = (
        "What one annotator of a pair says (rows) and what another says of the same pair "
        "(columns), as collected. On the diagonal both say the same."
    )
    matrix = collected.matrix
    return counts_heat("agreement", "annotators", labels, labels, matrix, caption)


def _joint(joint: HelpfulnessReport) -> Plot | None:
    if not joint.with_consensus.pairs:
        return None
    columns = [f"{difference:+d}" if difference else "0" for difference in joint.differences]
    rows = [STRENGTH_NAMES[f"{strength}"] for strength in joint.strengths]
    caption = (
        "Overall strength (rows) and helpfulness of Response 2 minus Response 1 (columns), "
        f"{joint.with_consensus.pairs:,} pairs with a consensus and both responses rated; "
        f"Pearson's R {_decimal(joint.with_consensus.pearson_r, 4)}."
    )
    return counts_heat("helpfulness", "joint", columns, rows, joint.matrix, caption)


def _positions(justifications: Mapping[str, JustificationsReport]) -> Plot:
    bars = [
        bare_bars(
            list(POSITION_NAMES.values()),
            [of.positions[key].share or 0 for key in POSITION_NAMES],
            shade,
            SET_NAMES[name],
        )
        for shade, (name, of) in zip(SHADES, justifications.items(), strict=True)
    ]
    caption = "Where the statement stands, as a share of justifications."
    return Plot("justifications", "positions", tuple(bars), {**_BESIDE, "yaxis": _PERCENT}, caption)


def _words(justifications: Mapping[str, JustificationsReport]) -> Plot:
    counts = justifications["useful"].words_histogram
    bars = bare_bars(list(counts), list(counts.values()), SHADES[1])
    mean = justifications["useful"].sizes["words"].mean
    words = "" if mean is None else f" The mean is {mean:.1f}."
    caption = f"Useful justifications by their number of words.{words}"
    return Plot("justifications", "words", (bars,), {"height": 320}, caption)


def _keywords(justifications: Mapping[str, JustificationsReport]) -> Plot:
    given = {name: of.keywords for name, of in justifications.items()}
    attributes = list(given["useful"].attributes)
    bars = [
        bare_bars(
            attributes,
            [of.attributes[attribute].share or 0 for attribute in attributes],
            shade,
            SET_NAMES[name],
        )
        for shade, (name, of) in zip(SHADES, given.items(), strict=True)
    ]
    caption = "Share of justifications with at least one keyword of each attribute."
    return Plot("keywords", "keywords", tuple(bars), {**_BESIDE, "yaxis": _PERCENT}, caption)


def _lengths(lengths: Mapping[str, LengthsReport]) -> Plot:
    bars = []
    for shade, (unit, of) in zip((ONE, TWO), lengths.items(), strict=True):
        classes = of.by_ratio
        shares = [found.share for found in classes.values()]
        bar = bare_bars([f"{name} times" for name in classes], shares, shade, unit)
        bar["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [_reach(found, 1) for found in classes.values()],
            "arrayminus": [_reach(found, 0) for found in classes.values()],
            "color": NONE,
        }
        bars.append(bar)
    share = lengths["characters"].share
    caption = (
        "Share of pairs in which the longer response is preferred, by how many times as long it "
        "is, with 95 % intervals; at 50 % length says nothing. In all, by characters: "
        f"{_percent(share)}."
    )
    layout: dict[str, Any] = {
        **_BESIDE,
        "yaxis": {**_PERCENT, "range": [0, 1]},
        "shapes": [level(0.5)],
    }
    return Plot("lengths", "lengths", tuple(bars), layout, caption)


_PERCENT: dict[str, Any] = {"tickformat": ".0%"}
_BESIDE = {"barmode": "group", "margin": {"t": 40}}
_SIDEWAYS = {
    "xaxis": {"showgrid": True},
    "yaxis": {"autorange": "reversed", "showgrid": False},
    "height": 190,
}


def _reach(found: LongerPreferred, end: int) -> float | None:
    """Return how far the share is from an end of its interval."""
    if found.share is None or found.interval is None:
        return None
    return abs(found.interval[end] - found.share)


def _decimal(value: float | None, places: int) -> str:
    return "not defined" if value is None else f"{value:.{places}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"

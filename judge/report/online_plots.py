"""The figures of an online alignment over its steps: the paper's Figure 3, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from judge.report.online_run import (
    Measure,
    OnlineRun,
    characters_of,
    kl_of,
    repetition_of,
    reward_of,
    truncated_of,
)
from judge.report.plots import COLOURS, Plot, level
from judge.report.training import curve, plot
from judge.runs.online import Timing

POINTS = 1000
"""The most points of a curve; of more rollouts, evenly spaced ones."""
_FEW = 60
"""So many points are marked one by one."""
_DRAWN, _HELD = 0, 1
"""Colours of what was trained on and of the held-out prompts, the same in every figure."""
_ANY: dict[str, Any] = {"rangemode": "normal"}
PARTS = {
    "rollout": "drawing responses",
    "reward": "scoring them",
    "log_probs": "log-probabilities",
    "update": "updates",
}
"""Of a rollout's time, by field of its line."""


def plots(run: OnlineRun) -> Iterator[Plot]:
    """Yield the figures, section by section; shares and counts that are all 0 have none."""
    rows = [one.model_dump() for one in run.rollouts[:: -(-len(run.rollouts) // POINTS)]]
    yield _over_steps(
        run, rows, "reward", "rewards", "reward", reward_of,
        "Mean reward of a rollout's responses, and of the held-out answers.", _ANY,
    )  # fmt: skip
    if run.paired:
        yield _gains(run)
    bound = "" if run.max_kl is None else f"; the dotted line is the recipe's bound, {run.max_kl:g}"
    caption = f"Mean divergence from the reference ({run.kl_unit}){bound}."
    divergence = _over_steps(run, rows, "kl", "divergence", "kl", kl_of, caption, _ANY)
    yield divergence if run.max_kl is None else _bounded(divergence, run.max_kl)
    yield _drawn("kl", "entropy", rows, "entropy", "Entropy of the drawn tokens, in nats a token.")
    yield _over_steps(
        run, rows, "length", "characters", "characters", characters_of,
        "Mean characters of a response.",
    )  # fmt: skip
    yield _drawn("length", "tokens", rows, "tokens", "Mean tokens of a response.")
    yield from filter(_shows, _shares(run, rows))
    if run.timing:
        yield _time(run.timing)


def _shares(run: OnlineRun, rows: Sequence[dict[str, Any]]) -> Iterator[Plot]:
    percent = {"tickformat": ".2~%"}
    yield _over_steps(
        run, rows, "length", "truncated", "truncated", truncated_of,
        "Share of responses that were cut at the most tokens.", percent,
    )  # fmt: skip
    yield _over_steps(
        run, rows, "length", "repetition", "repetition", repetition_of,
        "Share of a response's 4-word sequences that were in it before.", percent,
    )  # fmt: skip
    yield _drawn(
        "rollouts", "equal", rows, "equal_groups",
        "Share of prompts whose responses all had the same reward: nothing to learn.", percent,
    )  # fmt: skip
    yield _drawn("rollouts", "unscored", rows, "unscored", "Responses without a reward.")


def _shows(made: Plot) -> bool:
    return any(value for trace in made.traces for value in trace["y"])


def _over_steps(
    run: OnlineRun,
    rows: Sequence[dict[str, Any]],
    section: str,
    name: str,
    field: str,
    measure: Measure,
    caption: str,
    axis: dict[str, Any] | None = None,
) -> Plot:
    """Return a figure of the rollouts beside that of the held-out answers."""
    curves = [curve("rollouts", rows, field, _DRAWN, _mode(len(rows)))]
    held = [{"step": e.step, field: e.mean(measure)} for e in run.evaluations]
    if any(row[field] is not None for row in held):
        curves.append(curve("held-out prompts", held, field, _HELD, "lines+markers"))
    return plot(section, name, curves, caption, axis)


def _drawn(
    section: str,
    name: str,
    rows: Sequence[dict[str, Any]],
    field: str,
    caption: str,
    axis: dict[str, Any] | None = None,
) -> Plot:
    """Return a figure that only rollouts have."""
    return plot(
        section, name, [curve("rollouts", rows, field, _DRAWN, _mode(len(rows)))], caption, axis
    )


def _gains(run: OnlineRun) -> Plot:
    found = [(pair.now.step, pair.gain()) for pair in run.paired]
    rows: list[dict[str, float | None]] = [{"step": run.evaluations[0].step, "gain": 0.0}]
    rows += [{"step": step, "gain": None if g is None else g.value} for step, g in found]
    line = curve("held-out prompts", rows, "gain", _HELD, "lines+markers")
    line["error_y"] = {
        "type": "data",
        "array": [0.0, *((g and g.se) or 0.0 for _, g in found)],
        "color": COLOURS[_HELD],
        "thickness": 2,
    }
    caption = (
        "Reward above the start's at the same held-out prompts, by the same draws; bars are one"
        " standard error of the mean difference."
    )
    made = plot("reward", "gains", [line], caption, _ANY)
    return Plot(
        made.section, made.name, made.traces, {**made.layout, "shapes": [level(0)]}, made.caption
    )


def _bounded(made: Plot, bound: float) -> Plot:
    """Return a plot with a line at ``bound``, which is always in sight."""
    sight = {"mode": "markers", "marker": {"opacity": 0}, "showlegend": False, "hoverinfo": "skip"}
    seen = {"type": "scatter", "x": [made.traces[0]["x"][0]], "y": [bound], **sight}
    layout = {**made.layout, "shapes": [level(bound)]}
    return Plot(made.section, made.name, (*made.traces, seen), layout, made.caption)


def _time(timing: Sequence[Timing]) -> Plot:
    shown = timing[:: -(-len(timing) // POINTS)]
    bars = [
        {
            "type": "bar",
            "name": words,
            "x": [one.step for one in shown],
            "y": [getattr(one, part) for one in shown],
            "marker": {"color": COLOURS[place]},
        }
        for place, (part, words) in enumerate(PARTS.items())
    ]
    caption = "Seconds of each rollout and of the updates on it, by part."
    made = plot("time", "seconds", bars, caption, {"ticksuffix": " s"})
    return Plot(made.section, made.name, made.traces, {**made.layout, "barmode": "stack"}, caption)


def _mode(points: int) -> str:
    return "lines+markers" if points <= _FEW else "lines"

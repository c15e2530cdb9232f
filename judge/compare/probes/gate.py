"""``--gate bias.yaml``: thresholds that no figure of a probed system may exceed."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from judge.compare.probes.config import Probe
from judge.compare.probes.figures import FIGURES, Figure, probe_of
from judge.compare.probes.measure import ProbeReport
from judge.config import load_config
from judge.errors import UsageError


class Threshold(BaseModel):
    """What one figure, or all whose names match a pattern, may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: str
    """A figure's name, or a pattern of names with ``*``."""
    max: float | None = Field(default=None, allow_inf_nan=False)
    min: float | None = Field(default=None, allow_inf_nan=False)
    exceeded_by: Literal["point", "any", "all"] = "point"
    """What must lie beyond ``max`` or ``min``: the figure itself (``point``); any part of its
    interval, so that only a figure that is surely within passes (``any``); or all of the interval,
    so that only a figure that is surely beyond fails (``all``)."""
    systems: tuple[str, ...] = ()
    """``judge`` and names of scorers; none: every system to which the figure applies."""

    @field_validator("figure")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if not matching(name):
            raise ValueError(f"there is no figure called {name!r}; there are {', '.join(FIGURES)}")
        return name

    @model_validator(mode="after")
    def _says_something(self) -> Threshold:
        if self.max is None and self.min is None:
            raise ValueError(f"{self.figure}: expected max, min or both")
        return self


class GateFile(BaseModel):
    """The thresholds of a gate file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thresholds: tuple[Threshold, ...] = Field(min_length=1)


def matching(pattern: str) -> list[str]:
    """Return the names of the figures that a name or pattern means."""
    return [name for name in FIGURES if fnmatchcase(name, pattern)]


def load_gate(file: str, probes: Sequence[Probe], systems: Sequence[str]) -> GateFile:
    """Read a gate file.

    Args:
        probes: what will be measured; ``systems``: of whom.

    Raises:
        UsageError: for an unreadable file, an unknown figure or field, or a threshold that nothing
            could be compared with.
    """
    try:
        gate = load_config(GateFile, Path(file), {})
    except UsageError as error:
        raise UsageError(f"gate {file}: {str(error).removeprefix('configuration ')}") from None
    for threshold in gate.thresholds:
        left_out = {probe_of(name) for name in matching(threshold.figure)} - set(probes)
        if left_out:
            raise UsageError(
                f"gate {file}: {threshold.figure} belongs to the probe"
                f" {', '.join(sorted(left_out))}, which is left out"
            )
        unknown = [name for name in threshold.systems if name not in systems]
        if unknown:
            raise UsageError(
                f"gate {file}: {threshold.figure}: no system {', '.join(unknown)};"
                f" there are {', '.join(systems)}"
            )
    return gate


def exceeded(gate: GateFile, report: ProbeReport) -> list[str]:
    """Return one line for every threshold and figure that exceeds it, in the gate's order.

    A figure that could not be computed has not kept its threshold. One that does not apply to a
    system is passed over, unless it applies to none.
    """
    return [line for threshold in gate.thresholds for line in _lines(threshold, report)]


def _lines(threshold: Threshold, report: ProbeReport) -> list[str]:
    lines = []
    for name in matching(threshold.figure):
        figures = [
            figure
            for figure in report.figures
            if figure.name == name and figure.system in (threshold.systems or (figure.system,))
        ]
        applying = [figure for figure in figures if figure.applies]
        for figure in applying or figures:
            what = _what(threshold, figure)
            if what is not None:
                lines.append(f"{figure.system}: {figure.name} {what}")
    return lines


def _what(threshold: Threshold, figure: Figure) -> str | None:
    """Return how ``figure`` exceeds its threshold, None where it keeps it."""
    if figure.value is None or figure.interval is None:
        return f"cannot be computed: {figure.why_not}"
    low, high = figure.interval
    over, under = {
        "point": (figure.value, figure.value),
        "any": (high, low),
        "all": (low, high),
    }[threshold.exceeded_by]
    for beyond, limit, word in (
        (threshold.max is not None and over > threshold.max, threshold.max, "max"),
        (threshold.min is not None and under < threshold.min, threshold.min, "min"),
    ):
        if beyond:
            return (
                f"is {figure.value:.3f} [{low:.3f}, {high:.3f}], n {figure.n}:"
                f" {word} {limit:g} ({threshold.exceeded_by})"
            )
    return None

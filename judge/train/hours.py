"""What trainings took: devices times hours, summed over folders (the paper's Table 9).

A training's folder says it: a line a step in ``steps.jsonl`` (seconds and devices; steps of every
session, none twice), the device in ``observed.json``, the whole last session in ``manifest.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from judge.errors import UsageError
from judge.options import Option
from judge.report.tables import Table
from judge.runs.training import MANIFEST_FILE

STEPS, OBSERVED = "steps.jsonl", "observed.json"
_HOUR = 3600
NOTE = (
    "device hours: devices times the longer of the two times. Steps are of every session and hold"
    " no loading, validating and saving; the last session holds them, but not what sessions before"
    " it took"
)


class HoursRequest(BaseModel):
    """What ``judge train hours`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    runs: Annotated[tuple[str, ...], Option(metavar="RUN...")] = Field(min_length=1)
    """Output folders of trainings, or folders that hold some."""
    price: float | None = Field(default=None, ge=0)
    """Price of a device for an hour, from which the cost follows."""


@dataclass(frozen=True)
class Spent:
    """What one training took."""

    run: str
    device: str
    """The name of the GPU, or ``cpu``."""
    devices: int
    """Processes of the last session; each has one device."""
    steps: int
    step_hours: float
    """Wall time of all steps, of every session."""
    session_hours: float | None
    """Wall time of the last session; None of a training that is not finished."""
    device_hours: float


def spent(asked: HoursRequest) -> list[Spent]:
    """Return what every training in the folders took, each once, in the order given.

    Raises:
        UsageError: for a folder that holds none, or files that are none of a training.
    """
    folders = dict.fromkeys(folder for run in asked.runs for folder in _trainings(Path(run)))
    return [_spent(folder) for folder in folders]


def _trainings(run: Path) -> Iterator[Path]:
    if not run.is_dir():
        raise UsageError(f"{run}: no such folder")
    found = [run / STEPS] if (run / STEPS).exists() else sorted(run.rglob(STEPS))
    if not found:
        raise UsageError(f"{run}: holds no training: no {STEPS}")
    yield from (file.parent for file in found)


def _spent(folder: Path) -> Spent:
    observed = _object(folder / OBSERVED)
    try:
        lines = (folder / STEPS).read_text(encoding="utf-8").split("\n")[:-1]
        rows = [row for row in map(dict, map(json.loads, lines)) if "seconds" in row]
        if not rows:
            raise ValueError("no step")
        usual = int(observed["devices"])
        timed = [(float(row["seconds"]), int(row.get("devices", usual))) for row in rows]
        device = str(observed["device"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: its {STEPS} and {OBSERVED} cannot be used: {error}") from None
    session = None
    if (folder / MANIFEST_FILE).exists():
        session = _object(folder / MANIFEST_FILE).get("seconds_this_session")
    in_steps = sum(seconds * devices for seconds, devices in timed)
    return Spent(
        run=str(folder),
        device=device,
        devices=usual,
        steps=len(timed),
        step_hours=sum(seconds for seconds, _ in timed) / _HOUR,
        session_hours=None if session is None else session / _HOUR,
        device_hours=max(in_steps, (session or 0) * usual) / _HOUR,
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a file of a training: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path}: not a file of a training: no object")
    return found


def totals(found: Sequence[Spent]) -> dict[str, float]:
    """Return the device hours by device."""
    by_device: dict[str, float] = {}
    for one in found:
        by_device[one.device] = by_device.get(one.device, 0.0) + one.device_hours
    return by_device


def table(found: Sequence[Spent], price: float | None) -> Table:
    """Return a row a training and the sum for each device."""
    names = [Path(one.run).name for one in found]
    if len(set(names)) < len(names):  # folders of one name: where they lie tells them apart
        names = [one.run for one in found]
    rows = [
        (
            name,
            one.device,
            f"{one.devices}",
            f"{one.steps:,}",
            _shown(one.step_hours),
            "-" if one.session_hours is None else _shown(one.session_hours),
            *_cells(one.device_hours, price),
        )
        for name, one in zip(names, found, strict=True)
    ]
    rows += [
        ("all", name, "", "", "", "", *_cells(sum_, price)) for name, sum_ in totals(found).items()
    ]
    columns = (
        "training",
        "device",
        "devices",
        "steps",
        "hours in steps",
        "last session",
        "device hours",
    )
    return Table(
        "hours",
        "What trainings took",
        (*columns, *(() if price is None else ("cost",))),
        tuple(rows),
        NOTE,
    )


def as_json(found: Sequence[Spent], price: float | None) -> dict[str, Any]:
    """Return everything as JSON, unrounded."""
    by_device = totals(found)
    told: dict[str, Any] = {"trainings": [asdict(one) for one in found], "device_hours": by_device}
    if price is not None:
        told["cost"] = price * sum(by_device.values())
    return told


def _cells(hours: float, price: float | None) -> tuple[str, ...]:
    return (_shown(hours), *(() if price is None else (f"{price * hours:,.2f}",)))


def _shown(hours: float) -> str:
    return f"{hours:,.2f}" if hours >= 1 else f"{hours:.4f}"

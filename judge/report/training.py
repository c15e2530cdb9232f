"""The page of a training run: its curves, from the line a step that a run writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from judge.errors import UsageError
from judge.metrics.formatting import DASH
from judge.report.page import Page, write
from judge.report.plots import COLOURS, Plot
from judge.report.tables import Table

PAGE = "training.html"
STEPS, OBSERVED, RECIPE, MANIFEST = "steps.jsonl", "observed.json", "recipe.json", "manifest.json"
_POINTS = 2000
"""The most points of a curve; of more steps, evenly spaced ones."""
_LAST = 20
"""Validations that the table shows."""
SECTIONS = {
    "loss": ("Loss", "Of each step's own batch, and on the validation examples."),
    "rate": ("Rate", "Tokens a second over all devices; padding, saving and validating left out."),
    "use": ("Utilisation", "Of the devices' highest rate; of the positions in a batch."),
    "memory": ("Memory", "The most that was in use until then, on the first device."),
}
LogRow = Mapping[str, Any]


def write_page(folder: Path) -> Path:
    """Write ``training.html`` into the folder of a training run, finished or not.

    Raises:
        UsageError: when there is no step to show, or the folder cannot be written to.
    """
    rows = log_rows(folder / STEPS)
    steps = [row for row in rows if "tokens" in row]
    if not steps:
        raise UsageError(f"{folder}: no training run with a step in {STEPS}")
    validations = [row for row in rows if "eval_loss" in row]
    recipe, observed, manifest = (
        json_object(folder / name) for name in (RECIPE, OBSERVED, MANIFEST)
    )
    page = Page(
        title=f"Training: {recipe.get('output_dir', folder.name)}",
        about=list(_about(recipe, observed)),
        sentence=_sentence(steps, validations, finished=bool(manifest)),
        tiles=list(_tiles(steps, observed)),
        sections=SECTIONS,
        tables=list(_tables(validations)),
        plots=list(_plots(steps, validations)),
        settings=recipe,
        notes=list(_notes(observed, manifest)),
    )
    return write(page, folder, PAGE)


def log_rows(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a :data:`STEPS` file, none where there is no file, no torn last one.

    Raises:
        UsageError: when it holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not the log of a training run: {error}") from None


def json_object(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where it cannot be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _about(recipe: LogRow, observed: LogRow) -> Iterator[str]:
    if recipe:
        yield f"From {recipe.get('model')}, on {recipe.get('data')}."
    if observed:
        yield f"On {observed['devices']} x {observed['device']}."


def _sentence(steps: Sequence[LogRow], validations: Sequence[LogRow], finished: bool) -> str:
    tokens = sum(row["tokens"] for row in steps)
    text = f"{len(steps):,} steps over {tokens:,} tokens"
    if validations:
        best = min(validations, key=lambda row: row["eval_loss"])
        text += f"; the validation loss is lowest at step {best['step']:,}: {best['eval_loss']:.4f}"
    return f"{text}." if finished else f"{text}. The run is not finished."


def _tiles(steps: Sequence[LogRow], observed: LogRow) -> Iterator[tuple[str, str, str]]:
    last = steps[-1]
    yield DASH if last["loss"] is None else f"{last['loss']:.4f}", "last loss", "of the last step"
    rate = median(row["tokens_per_second"] for row in steps)
    yield f"{rate:,.0f}", "tokens a second", "median of the steps, without padding"
    used = [row["mfu"] for row in steps if row["mfu"] is not None]
    why = "median of the steps, of the devices' highest rate"
    yield (
        (f"{median(used):.1%}", "MFU", why)
        if used
        else (DASH, "MFU", str(observed.get("no_mfu") or "not known"))
    )
    padded = [row["padding_share"] for row in steps]
    yield f"{sum(padded) / len(padded):.1%}", "padding", "mean share of the positions"
    yield f"{last['memory_bytes'] / 2**30:.2f} GiB", "peak memory", "on the first device"


def _tables(validations: Sequence[LogRow]) -> Iterator[Table]:
    names = sorted({name for row in validations for name in row if name.startswith("eval_")})
    titles = [name.removeprefix("eval_").replace("_", " ") for name in names]
    lines = tuple(
        (f"{row['step']:,}", *(_figure(row.get(name)) for name in names))
        for row in validations[-_LAST:]
    )
    title = f"Validation, the last {_LAST}" if len(validations) > _LAST else "Validation"
    yield Table("loss", title, ("step", *titles), lines)


def _figure(value: Any) -> str:
    return DASH if value is None else f"{value:.4f}"


def _plots(steps: Sequence[LogRow], validations: Sequence[LogRow]) -> Iterator[Plot]:
    shown = steps[:: -(-len(steps) // _POINTS)]
    curves = [curve("training", shown, "loss", 0)]
    if validations:
        curves.append(curve("validation", validations, "eval_loss", 1, "lines+markers"))
    yield plot("loss", "losses", curves, "Training and validation loss by step.")
    rate = [curve("tokens a second", shown, "tokens_per_second", 2)]
    yield plot("rate", "rates", rate, "Tokens a second by step.")
    use = [curve("padding", shown, "padding_share", 3)]
    if any(row["mfu"] is not None for row in shown):
        use.append(curve("MFU", shown, "mfu", 4))
    yield plot("use", "use", use, "Padding and utilisation by step.", {"tickformat": ".0%"})
    used = [{**row, "GiB": round(row["memory_bytes"] / 2**30, 3)} for row in shown]
    memory = [curve("memory", used, "GiB", 5)]
    yield plot("memory", "memory", memory, "Peak memory by step.", {"ticksuffix": " GiB"})


def curve(
    name: str, rows: Sequence[LogRow], field: str, colour: int, mode: str = "lines"
) -> dict[str, Any]:
    """Return a line; a step without a value is a gap in it."""
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "showlegend": True,
        "x": [row["step"] for row in rows],
        "y": [row.get(field) for row in rows],
        "line": {"color": COLOURS[colour], "width": 2},
        "connectgaps": False,
    }


def plot(
    section: str,
    name: str,
    curves: Sequence[dict[str, Any]],
    caption: str,
    axis: dict[str, Any] | None = None,
) -> Plot:
    """Return curves over the steps as a plot."""
    layout = {
        "xaxis": {"title": {"text": "step"}, "tickformat": ",d"},
        "yaxis": {"rangemode": "tozero", **(axis or {})},
        "height": 320,
        "margin": {"t": 40},
    }
    return Plot(section, name, tuple(curves), layout, caption)


def _notes(observed: LogRow, manifest: LogRow) -> Iterator[str]:
    if not manifest:
        yield "this run is not finished; the same command continues it"
    if observed.get("no_mfu"):
        yield f"no MFU: {observed['no_mfu']}"

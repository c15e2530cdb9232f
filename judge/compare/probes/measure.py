"""From the run folders of the probes to their figures: nothing is judged here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from judge.compare.probes import changes, contrasts
from judge.compare.probes import consistency as drawn
from judge.compare.probes import length as lengths
from judge.compare.probes import position as slots
from judge.compare.probes.config import ORIGINAL, Probe, ProbeConfig
from judge.compare.probes.figures import FIGURES, Figure, Meaning, missing, probe_of
from judge.compare.probes.sets import SetRow, read_set, read_unreadable
from judge.compare.probes.texts import ATTACKS, MARKDOWN, NULL_ANSWERS
from judge.compare.systems import Kind, System, read_run
from judge.errors import OF_THE_ENGINE
from judge.reward import Preference

JUDGE = "judge"
"""The judge's name among the systems; no scorer can be called so."""
RULES: dict[Probe, str] = {
    "position": slots.RULE,
    "length": lengths.RULE,
    "formatting": f"{contrasts.FORMATTING_RULE} Beside another response: {changes.RULE}",
    "padding": changes.RULE,
    "consistency": drawn.RULE,
    "injection": changes.INJECTION_RULE,
    "null": contrasts.NULL_RULE,
    "identical": contrasts.IDENTICAL_RULE,
}
"""How ties and failures count, by probe."""
_OPTIONS = {
    "input", "split", "subset", "revision", "limit", "seed", "mode", "orders", "template",
    "max_new_tokens", "temperature", "samples", "sample_temperature", "labels", "label_rule",
}  # fmt: skip


class Probed(BaseModel):
    """Who was probed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    model: str


class ProbeReport(BaseModel):
    """What the probes found: the whole of ``probes.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: dict[str, Any]
    """What determines the figures, of the configuration."""
    pairs: int
    """Pairs of the input that could be read."""
    unreadable: dict[str, int]
    """Other rows of the input, by reason."""
    labelled: int
    """Pairs with a label."""
    systems: list[Probed]
    failures: dict[str, dict[str, dict[str, int]]]
    """What each system failed on: by system, set and reason, where there is any."""
    rules: dict[Probe, str]
    """How ties and failures count, by probe that was run."""
    meanings: dict[str, Meaning]
    """What the figures say, by name."""
    figures: list[Figure]
    """By system, then in the order of :data:`judge.compare.probes.figures.FIGURES`."""

    def lost(self) -> list[str]:
        """Return one line for each system and run that lost rows to whatever runs the model.

        Other failures are the probes' own: some of their rows are meant to be refused.
        """
        lines = []
        for system, runs in self.failures.items():
            for run, reasons in runs.items():
                ours = {r: n for r, n in sorted(reasons.items()) if r in OF_THE_ENGINE}
                told = ", ".join(f"{reason} {count:,}" for reason, count in ours.items())
                lines += [f"{system}: {run}: {told}"] if ours else []
        return lines

    def figure(self, name: str, system: str) -> Figure:
        """Return one figure; KeyError where there is none."""
        for figure in self.figures:
            if (figure.name, figure.system) == (name, system):
                return figure
        raise KeyError(f"{name} of {system}")


def measure(config: ProbeConfig, labels: Mapping[str, Preference]) -> ProbeReport:
    """Return the figures of the finished run folders of ``config``.

    Args:
        labels: the better response by pair id, where there is one.

    Raises:
        UsageError: when a folder is missing or damaged.
    """
    runs = _Runs(config, labels)
    found = [figure for probe in config.probe for figure in _MEASURES[probe](runs)]
    names = list(runs.original)
    places = {name: place for place, name in enumerate(FIGURES)}
    unreadable = Counter(row.reason for row in read_unreadable(config.sets))
    return ProbeReport(
        options=config.model_dump(include=_OPTIONS),
        pairs=len(runs.rows(ORIGINAL)),
        unreadable=dict(sorted(unreadable.items())),
        labelled=len(labels),
        systems=[_probed(config, system) for system in runs.original.values()],
        failures={name: runs.failures[name] for name in names if runs.failures[name]},
        rules={probe: RULES[probe] for probe in config.probe},
        meanings={name: FIGURES[name] for name in FIGURES if probe_of(name) in config.probe},
        figures=sorted(found, key=lambda f: (names.index(f.system), places[f.name])),
    )


def _probed(config: ProbeConfig, system: System) -> Probed:
    model = config.model if system.name == JUDGE else config.scorer[system.name]
    return Probed(name=system.name, kind=system.kind, model=model)


class _Runs:
    """The sets and run folders of the probes."""

    def __init__(self, config: ProbeConfig, labels: Mapping[str, Preference]) -> None:
        self.config = config
        self.labels = labels
        self.failures: defaultdict[str, dict[str, dict[str, int]]] = defaultdict(dict)
        """By system and run."""
        self.original = self.systems(ORIGINAL)
        """What every system said of the input's own pairs."""

    def rows(self, name: str) -> list[SetRow]:
        return list(read_set(self.config.sets, name))

    def systems(self, run: str) -> dict[str, System]:
        """Return the systems of a run by name, the judge as :data:`JUDGE`."""
        folder = self.config.run_folder(run)
        scorers = list(self.config.scorer)
        if self.config.judge:
            found = read_run(folder)
            found[0].name = JUDGE
        else:
            found = [read_run(folder / name)[0] for name in scorers]
            for system, name in zip(found, scorers, strict=True):
                system.name = name
        for system in found:
            if system.failures:
                self.failures[system.name][run] = system.failures
        return {system.name: system for system in found}

    def asked(self, name: str) -> Iterator[tuple[System, System, list[SetRow]]]:
        """Yield each system as it was before, then on the set ``name``, and the set's rows."""
        rows = self.rows(name)
        for system in self.systems(name).values():
            yield self.original[system.name], system, rows


def _position(runs: _Runs) -> Iterator[Figure]:
    for system in runs.original.values():
        yield from slots.position(system)


def _length(runs: _Runs) -> Iterator[Figure]:
    rows = runs.rows(ORIGINAL)
    for system in runs.original.values():
        yield from lengths.length(system, rows, runs.labels)


def _formatting(runs: _Runs) -> Iterator[Figure]:
    for kind in MARKDOWN:
        for _, system, rows in runs.asked(f"formatting_{kind}"):
            yield contrasts.formatted(system, kind, rows)
    for before, system, rows in runs.asked("formatting_all"):
        yield from changes.changes(before, system, "formatting", rows)


def _padding(runs: _Runs) -> Iterator[Figure]:
    for before, system, rows in runs.asked("padding"):
        yield from changes.changes(before, system, "padding", rows)


def _consistency(runs: _Runs) -> Iterator[Figure]:
    samples = [runs.systems(run)[JUDGE] for run in runs.config.sample_runs]
    if samples:
        yield from drawn.consistency(samples)
    for system in runs.original.values():
        is_judge = system.kind == "judge"
        why = "a reward model samples nothing"
        if is_judge:
            why = "verdict mode writes nothing, so nothing is drawn; it needs --mode justify"
        for name in () if is_judge and samples else drawn.NAMES:
            yield missing(name, system.name, why, applies=is_judge)


def _injection(runs: _Runs) -> Iterator[Figure]:
    for attack in ATTACKS:
        for before, system, rows in runs.asked(f"injection_{attack}"):
            yield changes.success(before, system, attack, rows)


def _null(runs: _Runs) -> Iterator[Figure]:
    for kind in NULL_ANSWERS:
        for _, system, rows in runs.asked(f"null_{kind}"):
            yield contrasts.null_wins(system, kind, rows)


def _identical(runs: _Runs) -> Iterator[Figure]:
    for _, system, rows in runs.asked("identical"):
        yield contrasts.preferred_copies(system, rows)


_MEASURES: dict[Probe, Callable[[_Runs], Iterator[Figure]]] = {
    "position": _position,
    "length": _length,
    "formatting": _formatting,
    "padding": _padding,
    "consistency": _consistency,
    "injection": _injection,
    "null": _null,
    "identical": _identical,
}

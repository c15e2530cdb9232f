"""Run folders, their inputs and labels, read and matched: all that a comparison works on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from judge.compare.config import COLUMN, CompareConfig
from judge.compare.labels import Labels, labels_of_column, labels_of_input, read_labels
from judge.compare.matching import Matched, Part, longer, match, name_apart
from judge.compare.metadata import PairMetadata, read_metadata
from judge.compare.systems import Origin, System, read_run
from judge.errors import UsageError

PEOPLE = "people"
STRENGTH = "strength"
_NUMBERED = re.compile(r"row-\d+")


@dataclass
class Gathered:
    """Systems over common pairs."""

    matched: Matched
    """Every run's systems, then people."""
    people: System
    """Whom accuracy is measured against; without decisions where there are no labels."""
    baseline: System
    """Without decisions where no texts can be read."""
    labels: str | None
    """Where the labels come from."""
    notes: list[str]


@dataclass
class _Run:
    name: str
    systems: list[System]
    metadata: dict[str, PairMetadata]

    @property
    def origin(self) -> Origin:
        origin = self.systems[0].origin
        assert origin is not None
        return origin


@dataclass
class _Reader:
    """Reads runs and labels; inputs that several runs share are read once."""

    config: CompareConfig
    notes: list[str] = field(default_factory=list)
    inputs: dict[str, dict[str, PairMetadata]] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """Return the columns of the inputs that are needed besides the usual ones."""
        labels = [n.removeprefix(COLUMN) for n in self.config.labels if n.startswith(COLUMN)]
        weights = self.config.weights
        return [*self.config.slice, *labels, *([] if weights in (None, STRENGTH) else [weights])]

    def run(self, text: str) -> _Run:
        """Read a run folder and its input, if that is there.

        ``NAME=DIR`` calls the folder's judge, or its reward model alone, ``NAME``.
        """
        name, given, folder = text.partition("=")
        named = bool(given) and not Path(text).exists()
        if not named:
            name, folder = Path(text).name or text, text
        if not name or not folder:
            raise UsageError(f"{text!r} is neither a folder nor NAME=DIR")
        systems = read_run(Path(folder))
        if named:
            systems[0].name = name
        run = _Run(name, systems, {})
        if not run.origin.complete:
            self.notes.append(
                f"{run.name}: the run is not complete; only what it holds is compared"
            )
        run.metadata = self._metadata(run)
        return run

    def _metadata(self, run: _Run) -> dict[str, PairMetadata]:
        identity = run.origin.identity
        if identity in self.inputs:
            return self.inputs[identity]
        try:
            metadata = read_metadata(run.origin, self.columns())
        except UsageError as error:
            self.notes.append(f"{run.name}: pairs are known by their ids alone: {error}")
            return {}
        if identity.startswith("sha256:"):
            self.inputs[identity] = metadata
        return metadata

    def labels(self, runs: list[_Run]) -> list[tuple[str, Labels]]:
        """Return each source of labels and what it says; nothing where there are none."""
        if not self.config.labels:
            return self._labels_of_inputs(runs)
        found = []
        for source in self.config.labels:
            name = PEOPLE
            if len(self.config.labels) > 1:
                name = re.split(r"[.:]", Path(source.removeprefix(COLUMN)).name)[0] or PEOPLE
            found.append((source, self._labels(source, name, runs)))
        return found

    def _labels(self, source: str, name: str, runs: list[_Run]) -> Labels:
        rule = self.config.label_rule
        if not source.startswith(COLUMN):
            return read_labels(source, rule, self.columns(), name)
        column = source.removeprefix(COLUMN)
        for run in runs:
            if any(column in known.columns for known in run.metadata.values()):
                labels = labels_of_column(run.metadata, column, rule, name)
                labels.metadata = run.metadata
                return labels
        raise UsageError(f"no input of the runs can be read that has a column {column!r}")

    def _labels_of_inputs(self, runs: list[_Run]) -> list[tuple[str, Labels]]:
        why = ""
        for run in runs:
            try:
                labels = labels_of_input(run.origin, self.config.label_rule, PEOPLE)
                return [(f"the input of {run.name}", labels)]
            except UsageError as error:
                why = why or str(error)
        self.notes.append(f"no labels: {why}")
        return []


def gather(config: CompareConfig) -> Gathered:
    """Read everything that ``config`` names and match the pairs.

    Raises:
        UsageError: when a run folder or labels file is missing or damaged, or one is named twice.
    """
    reader = _Reader(config)
    runs = [reader.run(text) for text in config.runs]
    seen: set[Path] = set()
    for run in runs:
        folder = Path(run.origin.folder)
        if folder.resolve() in seen:
            raise UsageError(f"{folder} is named twice")
        seen.add(folder.resolve())
    labels = reader.labels(runs)
    for _, of_people in labels:
        reader.notes += of_people.notes
    parts = [Part(run.name, tuple(run.systems), run.metadata) for run in runs]
    parts += [Part(s, (of.people,), of.metadata, adds_pairs=False) for s, of in labels]
    name_apart((part.name, system) for part in parts for system in part.systems)
    matched = match(parts)
    reader.notes += _doubts(matched)
    return Gathered(
        matched=matched,
        people=labels[0][1].people if labels else System(PEOPLE, "people"),
        baseline=longer(matched.metadata),
        labels=labels[0][0] if labels else None,
        notes=reader.notes,
    )


def _doubts(matched: Matched) -> list[str]:
    """Return what may be wrong with the matching."""
    notes = []
    for found in matched.matches:
        if found.unchecked and any(_NUMBERED.fullmatch(i) for i in matched.ids):
            notes.append(
                f"{found.name}: pairs are matched by their row numbers, unchecked; give the rows"
                " ids, or keep the inputs where they were judged"
            )
        if found.labels and not found.matched:
            notes.append(
                f"{found.name}: none of its {found.pairs:,} pairs was judged in these runs"
            )
        if found.other_content:
            notes.append(
                f"{found.name}: {found.other_content:,} ids stand for another pair than before;"
                " these pairs are kept apart"
            )
    return notes

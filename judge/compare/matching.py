"""Which pair of one run is which of another: by id, checked and mended by content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from judge.compare.metadata import PairMetadata
from judge.compare.systems import Decision, System

SHOWN = 5
"""Ids of each kind of mismatch that are named."""


class RunMatch(BaseModel):
    """How the pairs of a run, or of a labels file, found their place among the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The run folder or labels file."""
    labels: bool
    """Whether it is labels; their pairs that nobody judged are not compared."""
    pairs: int
    matched: int
    """Pairs that runs before it have, too, all the ways below together."""
    by_content: int
    """Matched though the ids differ: prompt and responses are the same."""
    exchanged: int
    """Matched to the same pair with its responses exchanged; the decisions are turned round."""
    unchecked: int
    """Matched by id alone: the text of one side is not there."""
    other_content: int
    """Same id as another pair, but another text: kept apart."""
    repeated: int
    """A pair that this run had already, under another id: left out."""
    only_here: int
    only_before: int
    """Pairs of the runs before that this one lacks."""
    only_here_ids: list[str]
    """The first of them, up to :data:`SHOWN`."""
    only_before_ids: list[str]


@dataclass(frozen=True)
class Part:
    """The systems of one run, or one file of labels, with what is known of its pairs."""

    name: str
    systems: tuple[System, ...]
    metadata: Mapping[str, PairMetadata]
    """By the part's own pair ids; empty where its texts are not there."""
    adds_pairs: bool = True
    """False for labels: pairs that nobody judged are not compared."""


@dataclass
class Matched:
    """Systems that call the same pair by the same id."""

    ids: list[str] = field(default_factory=list)
    """In the order of the first run, then what later ones add."""
    systems: list[System] = field(default_factory=list)
    metadata: dict[str, PairMetadata] = field(default_factory=dict)
    matches: list[RunMatch] = field(default_factory=list)


def match(parts: Iterable[Part]) -> Matched:
    """Return the systems of all parts over the pairs of those that add pairs.

    A pair is found under its own id where the texts agree or one of them is not known; else by its
    content, in either order of the responses; else it is a pair of its own. An id that two inputs
    give to different pairs (``row-3``) stands for the first; the other gets its content's hash
    behind it.
    """
    result = Matched()
    known: set[str] = set()
    by_content: dict[str, str] = {}
    for part in parts:
        _Joining(part, result, known, by_content).run()
        for pair_id in result.ids[len(known) :]:
            known.add(pair_id)
        for pair_id, metadata in result.metadata.items():
            if metadata.content is not None:
                by_content.setdefault(metadata.content, pair_id)
    return result


class _Joining:
    """One part on its way into the others."""

    def __init__(
        self, part: Part, into: Matched, known: set[str], by_content: Mapping[str, str]
    ) -> None:
        self._part, self._into = part, into
        self._known, self._by_content = known, by_content
        self._counts: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._new: list[str] = []

    def run(self) -> None:
        """Add the part's systems, metadata and pairs."""
        own_ids = dict.fromkeys(i for system in self._part.systems for i in system.decisions)
        # Ids first: another pair of the same content must not take a place before its owner.
        ordered = sorted(own_ids, key=lambda own: self._under_its_id(own) is None)
        places = {own: self._place(own) for own in ordered}
        for system in self._part.systems:
            _move(system, places)
            self._into.systems.append(system)
        self._into.matches.append(self._report(len(own_ids)))
        if self._part.adds_pairs:
            self._into.ids.extend(self._new)

    def _place(self, own: str) -> tuple[str, bool] | None:
        """Return the common id of a pair and whether it is exchanged there; None for no place."""
        metadata = self._part.metadata.get(own)
        pair_id, exchanged = self._find(own, metadata)
        if pair_id is None:
            pair_id = own
            if own in self._known:
                self._counts["other_content"] += 1
                pair_id = f"{own} [{metadata.content if metadata else None}]"
            if not self._part.adds_pairs:
                self._new.append(pair_id)
                return None
        if pair_id in self._taken:
            self._counts["repeated"] += 1
            return None
        self._taken.add(pair_id)
        if pair_id in self._known:
            there = self._into.metadata.get(pair_id)
            texts = (
                metadata is not None and metadata.content and there is not None and there.content
            )
            self._counts["matched"] += 1
            self._counts["exchanged"] += exchanged
            self._counts["unchecked"] += not texts
        else:
            self._new.append(pair_id)
        if metadata is not None:
            self._add_metadata(pair_id, metadata.flipped() if exchanged else metadata)
        return pair_id, exchanged

    def _find(self, own: str, metadata: PairMetadata | None) -> tuple[str | None, bool]:
        """Return the common id of a pair, None of a new one, and whether it is exchanged there."""
        exchanged = self._under_its_id(own)
        if exchanged is not None:
            return own, exchanged
        if metadata is not None:
            for content, exchanged in ((metadata.content, False), (metadata.exchanged, True)):
                if content is not None and content in self._by_content:
                    self._counts["by_content"] += 1
                    return self._by_content[content], exchanged
        return None, False

    def _under_its_id(self, own: str) -> bool | None:
        """Return whether the pair is exchanged under the same id; None where it is not there."""
        if own not in self._known:
            return None
        metadata, there = self._part.metadata.get(own), self._into.metadata.get(own)
        if metadata is None or there is None or None in (metadata.content, there.content):
            return False
        exchanged = {there.content: False, there.exchanged: True}
        return exchanged.get(metadata.content)

    def _add_metadata(self, pair_id: str, metadata: PairMetadata) -> None:
        there = self._into.metadata.get(pair_id)
        if there is None:
            self._into.metadata[pair_id] = metadata
            return
        columns = {**metadata.columns, **there.columns}
        known = there if there.content is not None else metadata
        self._into.metadata[pair_id] = PairMetadata(
            columns, known.content, known.exchanged, known.lengths, known.turns
        )

    def _report(self, pairs: int) -> RunMatch:
        missing = [i for i in self._into.ids if i not in self._taken]
        names = ("matched", "by_content", "exchanged", "other_content", "repeated", "unchecked")
        return RunMatch(
            name=self._part.name,
            labels=not self._part.adds_pairs,
            pairs=pairs,
            **{name: self._counts[name] for name in names},
            only_here=len(self._new),
            only_before=len(missing),
            only_here_ids=self._new[:SHOWN],
            only_before_ids=missing[:SHOWN],
        )


def _move(system: System, places: Mapping[str, tuple[str, bool] | None]) -> None:
    """Put a system's decisions under the common ids, in the common order of the responses."""
    decisions: dict[str, Decision] = {}
    for own, decision in system.decisions.items():
        place = places[own]
        if place is None:
            continue
        pair_id, exchanged = place
        decisions[pair_id] = decision.flipped() if exchanged else decision
        if pair_id != own:
            system.own_ids[pair_id] = own
        if exchanged:
            system.exchanged.add(pair_id)
    system.decisions = decisions


def name_apart(systems: Iterable[tuple[str, System]]) -> None:
    """Give systems of the same name their run's name, and where that does not do, a number.

    Args:
        systems: each with the name of its run.
    """
    systems = list(systems)
    steps: list[Callable[[str, str, int], str]] = [
        lambda run, name, _: f"{run}:{name}",
        lambda _, name, number: f"{name} {number}",
    ]
    for rename in steps:
        counts = Counter(system.name for _, system in systems)
        numbers: Counter[str] = Counter()
        for run, system in systems:
            if counts[system.name] > 1:
                numbers[system.name] += 1
                system.name = rename(run, system.name, numbers[system.name])


def longer(metadata: Mapping[str, PairMetadata]) -> System:
    """Return the system that always prefers the longer response, in characters: the baseline."""
    system = System("longer response", "baseline")
    for pair_id, known in metadata.items():
        if known.lengths is not None:
            one, two = known.lengths
            preference = None if one == two else ("response_1" if one > two else "response_2")
            system.decisions[pair_id] = Decision(preference)  # type: ignore[arg-type]
    return system

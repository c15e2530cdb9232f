"""How many pairs are left after each rule, by split and source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from judge.consensus import DropReason
from judge.data.statistics.numbers import share
from judge.data.statistics.report import StageCounts, StagesReport

FEW = 3
"""A pair with fewer useful annotations is counted as one of few (HelpSteer2-Preference)."""
SOURCES = 100
"""Sources counted by their names; those met later share one line, so memory stays flat."""
OTHER = "(other sources)"
DROPPED: tuple[DropReason, ...] = ("no_valid_annotation", "spread", "zero")


class Stages:
    """Counts pairs and annotations at every stage, from the row read to the pair kept."""

    def __init__(self) -> None:
        self._cells: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._sources: set[str] = set()

    def add(
        self, split: str, source: str, annotations: int, useful: int, dropped: DropReason | None
    ) -> None:
        """Count a pair, its annotations, those that are not -100, and why it is dropped."""
        if source not in self._sources:
            if len(self._sources) < SOURCES:
                self._sources.add(source)
            else:
                source = OTHER
        cell = self._cells[split, source]
        cell["read"] += 1
        cell["annotations"] += annotations
        cell["neither_valid"] += annotations - useful
        cell["few_annotations"] += useful < FEW
        cell[f"dropped.{dropped}" if dropped else "kept"] += 1

    def report(self) -> StagesReport:
        """Return the counts in all, by split, by source, and by both."""
        return StagesReport(
            all=_stages(sum(self._cells.values(), Counter())),
            by_split=self._by(lambda split, source: split),
            by_source=self._by(lambda split, source: source),
            by_split_and_source={
                split: {
                    source: _stages(counts)
                    for (of, source), counts in sorted(self._cells.items())
                    if of == split
                }
                for split in sorted({split for split, _ in self._cells})
            },
        )

    def _by(self, name: Callable[[str, str], str]) -> dict[str, StageCounts]:
        groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for key, counts in self._cells.items():
            groups[name(*key)].update(counts)
        return {group: _stages(counts) for group, counts in sorted(groups.items())}


def _stages(counts: Counter[str]) -> StageCounts:
    dropped = {reason: counts[f"dropped.{reason}"] for reason in DROPPED}
    with_consensus = counts["read"] - dropped["no_valid_annotation"] - dropped["spread"]
    return StageCounts(
        read=counts["read"],
        annotations=counts["annotations"],
        neither_valid=counts["neither_valid"],
        few_annotations=counts["few_annotations"],
        few_annotations_share=share(counts["few_annotations"], counts["read"]),
        dropped=dropped,
        with_consensus=with_consensus,
        kept=counts["kept"],
    )

"""Counts what became of every row: the part of the manifest that people read."""

from __future__ import annotations

from collections import Counter, defaultdict

from judge.annotated import Problem
from judge.data.justification import POSITIONS
from judge.data.manifest import PreparedRows, Problems, SideRows, SourceRows
from judge.data.outcome import Outcome

PROBLEMS_LISTED = 200
SOURCES_NAMED = 200
OTHER_SOURCES = "(other sources)"
JUSTIFIER_TABLES: dict[str, tuple[str, ...]] = {
    "statement_positions": POSITIONS,
    "statement_disagrees_with_strength": ("annotations",),
    "neutralised": ("pairs", "names"),
}
"""What a justifier's manifest says even where it is 0."""

RELEASED_TABLES = ("released_strength", "released_similar")
"""How often our consensus is the one the file came with."""


class Tally:
    """Counts by side (train, val, test) and source; every row read is either kept or dropped.

    Args:
        always: tables and entries that are listed even where they are 0.
    """

    def __init__(self, always: dict[str, tuple[str, ...]] | None = None) -> None:
        self._always = always or {}
        self._pairs: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._dropped: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._tables: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._sources: set[str] = set()
        self._problems: list[Problem] = []
        self._reasons: Counter[str] = Counter()

    def problem(self, problem: Problem) -> None:
        """Count a row or annotation that could not be read; the first ones are listed."""
        self._reasons[problem.reason] += 1
        if len(self._problems) < PROBLEMS_LISTED:
            self._problems.append(problem)

    def add(self, side: str, outcome: Outcome, lost: str | None = None) -> None:
        """Count a row that was read.

        Args:
            lost: the rule that dropped it because its prompt is on another side.
        """
        of = side, self._named(outcome.source)
        dropped = lost or outcome.dropped
        self._pairs[of]["read"] += 1
        if dropped is None:
            self._pairs[of]["kept"] += 1
        else:
            self._dropped[of][dropped] += 1
        for table, entry, number in outcome.counts:
            # What we say of the released consensus holds on any side.
            if lost is None or table in RELEASED_TABLES:
                self._tables[side][table][entry] += number

    def _named(self, source: str) -> str:
        """Return the source's name in the manifest: a file may have as many sources as rows."""
        if source not in self._sources:
            if len(self._sources) == SOURCES_NAMED:
                return OTHER_SOURCES
            self._sources.add(source)
        return source

    def summary(self) -> str:
        """Return one line for an error message: how many pairs went where."""
        dropped = sum(self._dropped.values(), Counter())
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(dropped.items()))
        read = sum(counts["read"] for counts in self._pairs.values())
        problems = self._reasons.total()
        return f"{read} rows read, {problems} problems, dropped: {rules or 'none'}"

    def report(self) -> PreparedRows:
        """Return all counts, in a fixed order."""
        sides: dict[str, SideRows] = {}
        for side in sorted({side for side, _ in self._pairs}):
            pairs = {
                source: SourceRows(
                    read=counts["read"],
                    kept=counts["kept"],
                    dropped=dict(sorted(self._dropped[side, source].items())),
                )
                for (of, source), counts in sorted(self._pairs.items())
                if of == side
            }
            tables = self._tables[side]
            for name, entries in self._always.items():
                tables[name].update(dict.fromkeys(entries, 0))
            ordered = {
                name: dict(sorted(counts.items())) for name, counts in sorted(tables.items())
            }
            sides[side] = SideRows.model_validate({"pairs": pairs, **ordered})
        counts = dict(sorted(self._reasons.items()))
        return PreparedRows(sides=sides, problems=Problems(counts=counts, listed=self._problems))

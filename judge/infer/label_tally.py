"""Counts how often each system of a run agrees with the labels in the run's input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from judge.errors import UsageError
from judge.formats.labels import UNLABELLED, RowLabel
from judge.metrics.label_agreement import JUDGE, LabelAgreement, SystemAgreement, of_counts
from judge.reward import Preference

_SHOW_LABELS = {
    "tie",
    "no_valid_annotation",
    "spread",
    "bad_label",
    "strength_off_scale",
    "no_annotations",
}
"""Reasons for no preference which only an input with labels gives."""


class LabelTally:
    """Counts agreement in one pass over a run folder, beside its input.

    Judgments do not say their line; a row is judged exactly where no failure is recorded on its
    line, and both files are in input order.

    Args:
        rows: what the input's rows say.
        failures: lines of ``failures.jsonl``.
        names: the systems of the run: ``judge``, where one takes part, and the reward models.
    """

    def __init__(
        self,
        rows: Iterator[RowLabel],
        failures: Iterable[Mapping[str, Any]],
        names: Iterable[str],
    ) -> None:
        self._rows = rows
        self._failures = iter(failures)
        self._failure = next(self._failures, None)
        self._systems = {name: _SystemTally() for name in names}
        self._preferred: Counter[Preference] = Counter()
        self._without: Counter[str] = Counter()
        self._problem: str | None = None
        self._broken = False

    def judged(self, judgment: Mapping[str, Any]) -> None:
        """Count the next judgment."""
        label = self._next(str(judgment["pair_id"]))
        if label is None or not self._count(label):
            return
        if JUDGE in self._systems:
            self._systems[JUDGE].add(label, judgment["preference"], False)
        for name, scored in judgment.get("scorers", {}).items():
            failed = scored.get("failure") is not None
            system = self._systems.setdefault(name, _SystemTally())
            system.add(label, scored["preference"], failed)

    def result(self) -> LabelAgreement | None:
        """Return what was counted; None where the input has no label."""
        while self._failure is not None and not self._broken:
            self._next(None)
        if self._broken:
            return LabelAgreement(
                labelled=0, prefer_response_1=0, without={}, problem=self._problem, systems={}
            )
        if not self._preferred and not self._without.keys() & _SHOW_LABELS:
            return None
        return LabelAgreement(
            labelled=self._preferred.total(),
            prefer_response_1=self._preferred["response_1"],
            without=dict(sorted(self._without.items())),
            problem=self._problem,
            systems={name: system.agreement() for name, system in self._systems.items()},
        )

    def _next(self, pair_id: str | None) -> RowLabel | None:
        """Return the label of the next row that is no failure, and count the failures before it.

        Args:
            pair_id: the pair of that row; None: go on to the last failure alone.
        """
        try:
            while not self._broken and (pair_id is not None or self._failure is not None):
                label = next(self._rows, None)
                if label is None:
                    self._break(f"the input ends before {pair_id or 'the last failed row'!r}")
                elif self._failure is not None and self._failure["line"] == label.line:
                    self._failed(label, self._failure)
                    self._failure = next(self._failures, None)
                elif pair_id is not None:
                    if label.pair_id in (None, pair_id):
                        return label
                    self._break(
                        f"line {label.line} is {label.pair_id!r}, but {pair_id!r} was judged"
                    )
        except UsageError as error:
            self._break(str(error))
        return None

    def _break(self, why: str) -> None:
        """Count no more: from here on rows and judgments do not belong together."""
        self._broken, self._problem = True, f"the labels cannot be read: {why}"

    def _count(self, label: RowLabel) -> bool:
        """Count a row; return whether its label prefers a response."""
        if label.problem is not None and self._problem is None:
            self._problem = f"line {label.line}: {label.problem}"
        if label.preference is None:
            self._without[label.why_not or UNLABELLED] += 1
            return False
        self._preferred[label.preference] += 1
        return True

    def _failed(self, label: RowLabel, failure: Mapping[str, Any]) -> None:
        """Count a row that failed: of the judge alone where it failed in one of its orders."""
        if failure["reason"] == "duplicate_id":  # no pair of its own
            label = RowLabel(label.line, label.pair_id, None, "duplicate_id")
        if not self._count(label):
            return
        of_judge = JUDGE in self._systems and failure["order"] is not None
        for system in [self._systems[JUDGE]] if of_judge else self._systems.values():
            system.add(label, None, True)


class _SystemTally:
    def __init__(self) -> None:
        self.agreed = self.disagreed = self.ties = self.failed = 0
        self.longer = 0.0

    def add(self, label: RowLabel, preference: Preference | None, failed: bool) -> None:
        if failed:
            self.failed += 1
        elif preference is None:
            self.ties += 1
        elif preference == label.preference:
            self.agreed += 1
        else:
            self.disagreed += 1
        self.longer += 0.5 if label.longer is None else label.longer == label.preference

    def agreement(self) -> SystemAgreement:
        return of_counts(self.agreed, self.disagreed, self.ties, self.failed, self.longer)

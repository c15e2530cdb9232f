"""What a run's report says of the labels in its input; nothing where it has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judge.metrics.formatting import share
from judge.metrics.label_agreement import JUDGE, LabelAgreement
from judge.report.tables import Table


class RunLabels:
    """The labels of a run, as parts of a page.

    Args:
        found: how its systems agree with them; None where its input has none.
        asked: its configuration.
        who: what its judge, or its reward model alone, is called.
    """

    def __init__(self, found: LabelAgreement | None, asked: Mapping[str, Any], who: str) -> None:
        self._labels = found
        self._both_orders = asked.get("orders") != "given"
        self._who = who

    def sentences(self) -> Iterator[str]:
        """Yield what the labels say of every system, in plain words."""
        labels = self._labels
        if labels is None or not labels.labelled:
            return
        (name, first), *others = labels.systems.items()
        who = self._who if name == JUDGE else name
        agree = [f"{who} agrees on {share(first.agreement)} of them"]
        agree += [f"{name} on {share(system.agreement)}" for name, system in others]
        yield (
            f"{labels.labelled:,} pairs have a label that prefers a response: {', '.join(agree)};"
            f" the longer response alone would on {share(first.longer)}."
        )

    def tiles(self) -> Iterator[tuple[str, str, str]]:
        """Yield the agreement of the judge, or of the reward model alone."""
        if self._labels is None or not self._labels.labelled:
            return
        first = next(iter(self._labels.systems.values()))
        yield (
            share(first.agreement),
            "agrees with the labels",
            f"of {first.pairs:,} pairs; longer response: {share(first.longer)}",
        )

    def tables(self) -> Iterator[Table]:
        """Yield every system beside the labels."""
        if self._labels is None:
            return
        columns, rows = self._labels.table()
        if not rows:
            columns, rows = ("", "rows"), [("labelled", f"{self._labels.labelled:,}")]
        notes = "\n".join(self._labels.notes(self._both_orders))
        yield Table("labels", "Systems beside the labels", columns, tuple(rows), notes)

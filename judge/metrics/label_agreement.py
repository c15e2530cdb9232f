"""How often each system of a run agrees with the labels in its input, and that in words."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from judge.metrics.accuracy import Accuracy
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import share, share_and_interval

JUDGE = "judge"
"""What the judge of a run is called; reward models have names of their own."""
TITLE = "Agreement with the labels in the input"
_REASONS = {
    "unlabelled": "without a label",
    "tie": "with a tie or no preference",
    "no_valid_annotation": "with neither response valid",
    "spread": "on which the annotators differ too much",
}


class SystemAgreement(BaseModel):
    """One system beside the labels. Pairs whose label prefers no response do not count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int
    """Labelled pairs that it was asked of: ``agreed + disagreed + ties + failed``."""
    agreed: int
    disagreed: int
    ties: int
    """Pairs on which it has no preference: half an agreement each."""
    failed: int
    """Pairs on which it failed: never an agreement."""
    agreement: Estimate
    """Of all ``pairs``, with Wilson's interval."""
    agreement_judged: Estimate
    """The same, failed pairs left out."""
    longer: Estimate
    """What always choosing the longer response, in characters, would reach on the same ``pairs``;
    two of the same length count half."""


class LabelAgreement(BaseModel):
    """The labels in a run's input, and how often each system agrees with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labelled: int
    """Rows of the run whose label prefers a response."""
    prefer_response_1: int
    """Those that prefer Response 1: of ``chosen`` and ``rejected`` all."""
    without: dict[str, int]
    """The other rows by reason: ``unlabelled``, ``tie``, ``no_valid_annotation`` (neither response
    is valid), ``spread`` (the annotators differ too much), or why the row could not be read."""
    problem: str | None = None
    """The first label that could not be read, or why none could."""
    systems: dict[str, SystemAgreement]
    """:data:`JUDGE` and every reward model, by name."""

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return names of columns and rows of cells, a row a system; empty where no pair counts."""
        systems = self.systems.values()
        if not self.labelled:
            return (), []
        ties, failed = any(s.ties for s in systems), any(s.failed for s in systems)
        columns = ["", "pairs", "agreement, 95 %", "longer response"]
        columns += ["ties"] if ties else []
        columns += ["failed", "of the judged"] if failed else []
        rows = []
        for name, s in self.systems.items():
            row = [name, f"{s.pairs:,}", share_and_interval(s.agreement), share(s.longer)]
            row += [f"{s.ties:,}"] if ties else []
            row += [f"{s.failed:,}", share(s.agreement_judged)] if failed else []
            rows.append(tuple(row))
        return tuple(columns), rows

    def notes(self, both_orders: bool) -> Iterator[str]:
        """Yield, a sentence each, how this was counted and what to beware of.

        Args:
            both_orders: whether the judge saw every pair in both orders.
        """
        if self.labelled or self.without:
            rows = self.labelled + sum(self.without.values())
            others = ", ".join(f"{n:,} {_REASONS.get(r, r)}" for r, n in self.without.items())
            more = f"; not counted: {others}" if others else ""
            yield f"{self.labelled:,} of {rows:,} rows have a label that prefers a response{more}."
        if self.labelled:
            yield "Longer response: what always choosing it would reach on the same pairs."
        if self.problem is not None:
            yield f"{self.problem}."
        if any(s.ties for s in self.systems.values()):
            yield "A system's tie counts half."
        if any(s.failed for s in self.systems.values()):
            yield "A failed pair counts as no agreement; of the judged: failed pairs left out."
        alike = self.prefer_response_1 in (0, self.labelled)
        if self.labelled and alike and not both_orders and JUDGE in self.systems:
            yield (
                f"Every label prefers Response {1 if self.prefer_response_1 else 2} and only the"
                " given order was judged: this may be where it stands, not what it says."
            )


def of_counts(
    agreed: int, disagreed: int, ties: int, failed: int, longer: float
) -> SystemAgreement:
    """Return a system's agreement.

    Args:
        longer: labelled pairs whose longer response is the preferred one, of equal lengths half.
    """
    judged = agreed + disagreed + ties
    earned = agreed + ties / 2
    return SystemAgreement(
        pairs=judged + failed,
        agreed=agreed,
        disagreed=disagreed,
        ties=ties,
        failed=failed,
        agreement=Accuracy(earned, judged + failed).estimate("no labelled pair"),
        agreement_judged=Accuracy(earned, judged).estimate("no labelled pair was judged"),
        longer=Accuracy(longer, judged + failed).estimate("no labelled pair"),
    )

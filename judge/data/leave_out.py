"""Rows that ``judge data check`` found and ``judge data prepare`` leaves out.

Source of the rows: ``findings.jsonl``, a line a finding with the ids of the rows that it connects.
Of rows that say the same, the first by its id stays; of prompts that stand in two splits, only what
would be trained on goes, so that a test set stays whole. All other rows of a finding go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from judge.annotated import Split
from judge.data.checks.findings import CHECKS, CheckName, Finding
from judge.errors import UsageError

UNUSED: tuple[CheckName, ...] = ("duplicate_id", "unreadable_row")
"""Their rows are used by no training anyway, and an id of theirs is that of a row that is."""
_FIRST_STAYS: tuple[CheckName, ...] = ("duplicate_row", "near_row", "same_prompt", "near_prompt")
_OF_TRAINING: tuple[CheckName, ...] = ("prompt_in_two_splits", "near_prompt_in_two_splits")


@dataclass
class LeftOut:
    """Which rows go, and why."""

    rows: dict[str, CheckName] = field(default_factory=dict)
    """The check that found a row first, by the row's id."""
    of_training: dict[str, CheckName] = field(default_factory=dict)
    """The same of rows that go only where their split is ``train``."""
    seen: int = 0
    """Rows that were left out."""

    def reason(self, ids: Collection[str], split: Split) -> str | None:
        """Return the rule that drops what was made of these rows; None where it stays."""
        for row_id in ids:
            found = self.rows.get(row_id)
            if found is None and split == "train":
                found = self.of_training.get(row_id)
            if found is not None:
                self.seen += 1
                return f"check_{found}"
        return None


def read_findings(path: Path, checks: Collection[CheckName]) -> LeftOut:
    """Return what these checks found; of all serious ones where none is named.

    Raises:
        UsageError: when the file cannot be read, or is none of ``judge data check``.
    """
    wanted = set(checks) or {name for name, check in CHECKS.items() if check.severity == "serious"}
    left = LeftOut()
    for finding in _findings(path):
        if finding.check in wanted:
            ids = finding.ids[1:] if finding.check in _FIRST_STAYS else finding.ids
            into = left.of_training if finding.check in _OF_TRAINING else left.rows
            for row_id in ids:
                into.setdefault(row_id, finding.check)
    return left


def _findings(path: Path) -> Iterator[Finding]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            finding = Finding.of_line(line)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(
                f"{path} line {number}: not a finding; expected findings.jsonl of judge data check"
            ) from None
        if finding.check not in CHECKS or not all(isinstance(i, str) for i in finding.ids):
            raise UsageError(f"{path} line {number}: no check is called {finding.check!r}")
        yield finding

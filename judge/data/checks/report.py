"""What ``judge data check`` finds, as types; their fields, in this order, are ``check.json``'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer

from judge.data.checks.findings import CHECKS, CheckName, Finding, Findings, Severity


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckedInput(_Part):
    """What was checked."""

    name: str
    files: dict[str, str]
    """Its files and the digests of their bytes."""


class Identity(_Part):
    """What a report depends on."""

    input: CheckedInput
    options: Mapping[str, Any]
    """The configuration, but for where the input and the report lie."""
    against_files: dict[str, dict[str, str]]
    """The evaluation sets' files and the digests of their bytes."""


class RowCounts(_Part):
    """The rows of the input."""

    pairs: int
    ratings: int
    problems: int
    """Rows, or parts of rows, that could not be read."""


class ComparedSet(_Part):
    """An evaluation set that the input was compared with."""

    name: str
    rows: int
    overlapping: tuple[str, ...]
    """Its rows that share more than a template with a prompt of the input."""


class Severities(_Part):
    """Findings by severity."""

    serious: int
    warning: int
    note: int


class CheckOutcome(_Part):
    """What one check found."""

    severity: Severity
    rule: str
    """When a row is found, in a few words."""
    findings: int
    rows: int
    examples: tuple[Finding, ...]
    """The first findings by their row ids."""

    @field_serializer("examples")
    def _as_lines(self, examples: tuple[Finding, ...]) -> list[dict[str, Any]]:
        return [finding.row() for finding in examples]


class CheckReport(Identity):
    """``check.json``: what was checked, and what each check found."""

    rows: RowCounts
    rows_seen: int
    """Those of ``rows`` that hold something, and those that could not be used at all."""
    against: tuple[ComparedSet, ...]
    severities: Severities
    checks: dict[CheckName, CheckOutcome]
    """Those that were not skipped, in their order."""

    @property
    def is_serious(self) -> bool:
        """Whether there is any finding of the serious kind."""
        return self.severities.serious > 0


def outcomes_of(findings: Findings, examples: int) -> dict[CheckName, CheckOutcome]:
    """Return what each check that was not skipped found, with its first ``examples`` findings."""
    return {
        name: CheckOutcome(
            severity=CHECKS[name].severity,
            rule=CHECKS[name].rule,
            findings=findings.count(name),
            rows=findings.rows(name),
            examples=findings.first(name, examples),
        )
        for name in CHECKS
        if name not in findings.skip
    }


def severities_of(outcomes: Mapping[CheckName, CheckOutcome]) -> Severities:
    """Return how many findings of each severity there are."""
    totals = {"serious": 0, "warning": 0, "note": 0}
    for outcome in outcomes.values():
        totals[outcome.severity] += outcome.findings
    return Severities(**totals)

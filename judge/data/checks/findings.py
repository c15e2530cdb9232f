"""The checks with their severity and rule, and the findings of a run, counted and in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import orjson

from judge.idset import IdSet

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""``serious``: a model would learn something wrong or private, or a test of it would be worth
nothing. ``warning``: look before training. ``note``: good to know."""

CheckName = Literal[
    "wording_against_strength",
    "contradicting_duplicate",
    "prompt_in_two_splits",
    "contamination",
    "identical_responses",
    "empty_text",
    "email",
    "phone",
    "payment_card",
    "duplicate_row",
    "near_row",
    "near_prompt_in_two_splits",
    "duplicate_id",
    "unreadable_row",
    "foreign_language",
    "addresses_judge",
    "chat_token",
    "thinking",
    "control_character",
    "html_entity",
    "long_row",
    "no_statement",
    "no_justification",
    "one_response_named",
    "shared_template",
    "same_prompt",
    "near_prompt",
    "ip_address",
]


class Check(NamedTuple):
    """What a check is."""

    severity: Severity
    rule: str
    """When a row is found, in a few words."""


CHECKS: dict[CheckName, Check] = {
    "wording_against_strength": Check(
        "serious", "the statement names one response as better, the strength the other"
    ),
    "contradicting_duplicate": Check(
        "serious", "the same prompt and responses twice, with labels that contradict each other"
    ),
    "prompt_in_two_splits": Check("serious", "the same prompt in two splits"),
    "contamination": Check("serious", "the prompt shares an n-gram of words with a benchmark's"),
    "identical_responses": Check("serious", "both responses are the same but for white space"),
    "empty_text": Check("serious", "the last message or a response has nothing to read"),
    "email": Check("serious", "an e-mail address"),
    "phone": Check("serious", "a phone number"),
    "payment_card": Check("serious", "the number of a payment card"),
    "duplicate_row": Check("warning", "the same prompt and responses twice"),
    "near_row": Check("warning", "prompt and responses nearly those of another row"),
    "near_prompt_in_two_splits": Check("warning", "nearly the same prompt in two splits"),
    "duplicate_id": Check("warning", "the id was read before; the row is not used"),
    "unreadable_row": Check("warning", "the row or a part of it cannot be read and is not used"),
    "foreign_language": Check("warning", "a language other than the expected one"),
    "addresses_judge": Check(
        "warning", "a response addresses its judge: a name, a claim, an imitated turn"
    ),
    "chat_token": Check("warning", "a control token of a chat template inside a text"),
    "thinking": Check("warning", "a response with what a reasoning model wrote before it"),
    "control_character": Check("warning", "characters that cannot be seen or were not decoded"),
    "html_entity": Check("warning", "an HTML entity in a text that is not HTML"),
    "long_row": Check("warning", "prompt and responses together are extremely long"),
    "no_statement": Check("note", 'a justification without "@Response 1 (or 2) ... better"'),
    "no_justification": Check("note", "an annotation without a written reason"),
    "one_response_named": Check("note", "a statement that names one response only"),
    "shared_template": Check(
        "note", "the prompt shares an n-gram with a benchmark's, but only of its template"
    ),
    "same_prompt": Check("note", "one prompt in several pairs of a split"),
    "near_prompt": Check("note", "prompts of one split that are nearly the same"),
    "ip_address": Check("note", "a public IPv4 address"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, in one row or in the rows that it connects."""

    check: CheckName
    ids: tuple[str, ...]
    """pair_id or rating_id of each row, ascending; ``FILE:LINE`` of a row that was not read."""
    where: tuple[str, ...] = ()
    """``prompt``, ``response_1``, ``response_2``, ``response``, ``justification N`` from 1 ..."""
    detail: str = ""
    excerpt: str = ""
    """Masked; of the first row."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What only this check knows, as JSON values."""

    def row(self) -> dict[str, Any]:
        """Return the finding as ``findings.jsonl`` has it; what is empty is left out."""
        row = {"check": self.check, "ids": self.ids, "severity": CHECKS[self.check].severity}
        rest = {"where": self.where, "detail": self.detail, "excerpt": self.excerpt, **self.more}
        return row | {key: value for key, value in rest.items() if value}

    def line(self) -> bytes:
        """Return the finding as a line of ``findings.jsonl``, without the newline."""
        return orjson.dumps(self.row())

    @classmethod
    def of_line(cls, line: bytes) -> Finding:
        """Return the finding that :meth:`line` wrote."""
        row = orjson.loads(line)
        check, ids, where = row.pop("check"), tuple(row.pop("ids")), tuple(row.pop("where", ()))
        del row["severity"]
        return cls(check, ids, where, row.pop("detail", ""), row.pop("excerpt", ""), row)


class Findings:
    """All findings of a run: their lines and what they count.

    Memory: the length of the line (about 300 bytes) a finding, and 16 to 32 bytes a row found.

    Args:
        skip: checks whose findings do not count.
    """

    def __init__(self, skip: Iterable[CheckName] = ()) -> None:
        self.skip = frozenset(skip)
        self._lines: dict[CheckName, list[bytes]] = {name: [] for name in CHECKS}
        self._rows: dict[CheckName, IdSet] = {}

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add ``findings``."""
        for finding in findings:
            if finding.check in self.skip:
                continue
            self._lines[finding.check].append(finding.line())
            rows = self._rows.setdefault(finding.check, IdSet())
            for row_id in finding.ids:
                rows.add(row_id)

    def lines(self) -> list[bytes]:
        """Return all lines: the checks in their order, the findings of each by their row ids."""
        return [line for lines in self._lines.values() for line in sorted(lines)]

    def count(self, check: CheckName) -> int:
        """Return how many findings of a check there are."""
        return len(self._lines[check])

    def rows(self, check: CheckName) -> int:
        """Return in how many rows a check found something."""
        return len(self._rows[check]) if check in self._rows else 0

    def first(self, check: CheckName, most: int) -> tuple[Finding, ...]:
        """Return the first findings of a check by their row ids."""
        return tuple(map(Finding.of_line, sorted(self._lines[check])[:most]))

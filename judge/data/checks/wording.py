"""What the annotators wrote: wording against number, missing statements, names left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import Finding
from judge.data.checks.rows import CheckedRow
from judge.data.justification import Justification, split_justification
from judge.verdict import NEITHER_VALID

_NAMED = re.compile(r"@\s?response\s?([12])(?!\d)", re.IGNORECASE)
# Between the name and "better": then nobody is plainly called the better one.
_NOT_PLAIN = re.compile(
    r"\b(?:not|no|never|neither|nor|none|hardly|barely|cannot|could|would|should|might|may|can|if"
    r"|worse|bad|lacks?|fails?|but|than|both|equally)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_BETTER = re.compile(r"\bbetter\b", re.IGNORECASE)


def wording_findings(row: CheckedRow) -> Iterator[Finding]:
    """Yield what is wrong with the justifications of ``row``; -100 needs no statement."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, annotation in enumerate(row.annotations, 1):
        text, strength = annotation.justification, annotation.strength
        if strength == NEITHER_VALID:
            continue
        if not text.strip():
            found.setdefault("no_justification", []).append((number, ""))
            continue
        parts = split_justification(text)
        if parts.position == "none":
            found.setdefault("no_statement", []).append((number, text))
            continue
        if len(set(_NAMED.findall(parts.statement))) == 1:
            found.setdefault("one_response_named", []).append((number, parts.statement))
        if (better := _plainly_better(parts)) and (better == 1) != (strength < 0):
            shown = f"strength {strength}: {parts.statement}"
            found.setdefault("wording_against_strength", []).append((number, shown))
    for check, cases in found.items():
        yield Finding(
            check=check,  # type: ignore[arg-type]  # the four names above
            ids=(row.row_id,),
            where=tuple(f"justification {number}" for number, _ in cases),
            detail=_detail(row, cases) if check == "wording_against_strength" else "",
            excerpt=excerpt(cases[0][1]),
        )


def _plainly_better(parts: Justification) -> int | None:
    """Return the response that the statement calls better without an if or but."""
    better = _BETTER.search(parts.statement)
    name = _NAMED.match(parts.statement)
    if better is None or name is None or _NOT_PLAIN.search(parts.statement, 0, better.start()):
        return None
    return parts.better


def _detail(row: CheckedRow, cases: list[tuple[int, str]]) -> str:
    return f"{len(cases)} of {len(row.annotations)} annotations"

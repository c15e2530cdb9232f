"""Traces of machines in texts: control characters, entities, chat tokens, nothing, too much."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import CheckName, Finding
from judge.data.checks.personal import find_personal
from judge.data.checks.rows import CheckedRow
from judge.thinking import part_response

MAX_CHARACTERS = 50_000
"""A row above this is extremely long: about 12,000 tokens, three times what reward models take."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffd]"
)
_ENTITY = re.compile(
    r"&(?:#\d{2,6}|#[xX][\da-fA-F]{2,6}|amp|lt|gt|quot|apos|nbsp|hellip|[mn]dash|[lr][sd]quo);"
)
# An answer about HTML, or with code in it, needs its entities.
_HTML_OR_CODE = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,10}[\s/>]|```|`[^`\n]{0,80}&|\bHTML\b|&\w+=")
_CHAT_TOKEN = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_.-]{1,40}\|>|<\uff5c[^<>\n]{1,40}\uff5c>|\[/?INST\]|<</?SYS>>"
    r"|<extra_id_\d{1,3}>|<(?:start|end)_of_turn>|<\|?(?:bos|eos|unk)\|?>"
)
_SEEN = re.compile(r"\S")


@dataclass
class _Found:
    """What one check found in a row: the first place as an excerpt, where else, how often."""

    excerpt: str
    where: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def artefact_findings(row: CheckedRow, max_characters: int = MAX_CHARACTERS) -> Iterator[Finding]:
    """Yield what machines left in the texts of ``row``: at most one finding a check."""
    found: dict[CheckName, _Found] = {}

    def note(check: CheckName, where: str, text: str, span: tuple[int, int], what: str) -> None:
        entry = found.setdefault(check, _Found(excerpt(text, *span)))
        entry.where[where] = None
        entry.counts[what] += 1

    for where, text in row.texts():
        for match in _CONTROL.finditer(text):
            note("control_character", where, text, match.span(), _character(match[0]))
        if "&" in text and not _HTML_OR_CODE.search(text):
            for match in _ENTITY.finditer(text):
                note("html_entity", where, text, match.span(), match[0])
        if "<" in text or "[" in text:
            for match in _CHAT_TOKEN.finditer(text):
                note("chat_token", where, text, match.span(), match[0])
        for span in find_personal(text):
            note(span.kind, where, text, (span.start, span.end), "")
    for check, entry in found.items():
        detail = _counted(entry.counts)
        yield Finding(check, (row.row_id,), tuple(entry.where), detail, entry.excerpt)
    yield from _whole_row(row, max_characters)


def _whole_row(row: CheckedRow, max_characters: int) -> Iterator[Finding]:
    named = [
        ("prompt", row.prompt[-1].content),
        *zip(row.response_names, row.responses, strict=True),
    ]
    empty = tuple(name for name, text in named if not _has_something(text))
    if empty:
        yield Finding("empty_text", (row.row_id,), empty)
    elif row.is_pair and row.responses[0].split() == row.responses[1].split():
        same = row.responses[0] == row.responses[1]
        yield Finding(
            "identical_responses",
            (row.row_id,),
            row.response_names,
            "identical" if same else "differ in white space only",
            excerpt(row.responses[0]),
        )
    yield from _thinking(row)
    length = sum(len(m.content) for m in row.prompt) + sum(map(len, row.responses))
    if length > max_characters:
        yield Finding("long_row", (row.row_id,), (), f"{length} characters")


def _thinking(row: CheckedRow) -> Iterator[Finding]:
    found = dict(zip(row.response_names, map(part_response, row.responses), strict=True))
    found = {name: parts for name, parts in found.items() if parts.thinking is not None}
    if found:
        details = {
            name: f"{len(parts.thinking or '')} characters{'' if parts.ended else ', never closed'}"
            for name, parts in found.items()
        }
        detail = ", ".join(f"{name}: {said}" for name, said in details.items())
        first = next(iter(found.values())).thinking or ""
        yield Finding("thinking", (row.row_id,), tuple(found), detail, excerpt(first))


def _has_something(text: str) -> bool:
    """Return whether anything in ``text`` can be seen: white space and format characters cannot."""
    return any(unicodedata.category(m[0]) not in ("Cc", "Cf") for m in _SEEN.finditer(text))


def _character(character: str) -> str:
    return "NUL" if character == "\0" else f"U+{ord(character):04X}"


def _counted(counts: Counter[str]) -> str:
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    texts = [f"{what} x{count}" if what else f"{count} found" for what, count in shown]
    return ", ".join(texts) + (" ..." if len(counts) > 5 else "")

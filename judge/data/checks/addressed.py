"""Responses that speak to whoever judges them, instead of answering."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import Finding
from judge.data.checks.rows import CheckedRow
from judge.hostile import places_of
from judge.prompt import neutralise


def addressed_findings(row: CheckedRow) -> Iterator[Finding]:
    """Yield one finding where a response of ``row`` does what :mod:`judge.hostile` flags, or holds
    a literal ``@Response``, in whatever disguise."""
    found: dict[str, tuple[str, int]] = {}
    where: dict[str, None] = {}
    for name, text in zip(row.response_names, row.responses, strict=True):
        places: dict[str, int] = {str(flag): place for flag, place in places_of(text).items()}
        harmless, names = neutralise(text)
        if names:
            pairs = enumerate(zip_longest(text, harmless))
            places["name"] = next(place for place, (a, b) in pairs if a != b)
        for what, place in places.items():
            found.setdefault(what, (text, place))
            where[name] = None
    if found:
        text, place = next(iter(found.values()))
        place = min(place, len(text))
        yield Finding(
            "addresses_judge",
            (row.row_id,),
            tuple(where),
            ", ".join(found),
            excerpt(text, place, min(place + 40, len(text))),
        )

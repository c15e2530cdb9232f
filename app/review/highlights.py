"""Spans that an annotator marks in the responses, or in the judge's explanation once it is shown.

Offsets count Unicode code points of the text as it was given, whatever it looks like on a page.
Spans of one text do not overlap, whatever they say of it: each character is wrong, good or unclear,
or nothing was said of it; one span may begin where another ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.review.written import Note, Written
from judge.verdict import flip_names

MarkedField = Literal["response_1", "response_2", "explanation"]
"""``explanation``: the judge's elaboration."""
HighlightKind = Literal["wrong", "good", "unclear"]
MOST_HIGHLIGHTS = 100
"""Of one person in one task."""
LONGEST_QUOTE = 200
LONGEST_GIVEN_TEXT = 2**31 - 1
_OTHER: dict[MarkedField, MarkedField] = {
    "response_1": "response_2",
    "response_2": "response_1",
    "explanation": "explanation",
}
NAMES: dict[MarkedField, str] = {
    "response_1": "Response 1",
    "response_2": "Response 2",
    "explanation": "the judge's explanation",
}


def digest_of(text: str) -> str:
    """Return what tells a text from every other, as 32 hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Highlight(BaseModel):
    """One marked span of a text, ``text[start:end]``, never empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: MarkedField
    start: Annotated[int, Field(ge=0, le=LONGEST_GIVEN_TEXT)]
    end: Annotated[int, Field(ge=1, le=LONGEST_GIVEN_TEXT)]
    kind: HighlightKind
    note: Note = ""
    quote: Annotated[Written, Field(max_length=LONGEST_QUOTE)]
    """The first characters of the span, so that it can be found again in a text that changed."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Of the whole text in the pair's own order: :func:`digest_of`."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"a span begins before it ends; got {self.start} to {self.end}")
        return self

    def flipped(self) -> Self:
        """Return it for the flipped pair; twice is the identity. Names in the explanation change,
        its length does not."""
        quote = flip_names(self.quote) if self.field == "explanation" else self.quote
        return self.model_copy(
            update={
                "field": _OTHER[self.field],
                "note": flip_names(self.note),
                "quote": quote,
            }
        )


Highlights = Annotated[tuple[Highlight, ...], Field(max_length=MOST_HIGHLIGHTS)]


def flipped(highlights: Sequence[Highlight]) -> tuple[Highlight, ...]:
    """Return all of them for the flipped pair."""
    return tuple(one.flipped() for one in highlights)


@dataclass(frozen=True)
class Source:
    """A text in which spans may be marked, as a person sees it."""

    text: str
    digest: str
    """Of the text in the pair's own order."""


def objection(highlights: Sequence[Highlight], sources: Mapping[MarkedField, Source]) -> str | None:
    """Return why these spans cannot be stored, in one sentence; None where they can.

    Args:
        highlights: as the person sees the pair, as are ``sources``, which has only what the person
            has seen.
    """
    last: dict[MarkedField, Highlight] = {}
    for one in sorted(highlights, key=lambda one: (one.field, one.start, one.end)):
        where, source = NAMES[one.field], sources.get(one.field)
        if source is None:
            return f"“{_short(one)}” is highlighted in {where}, which this task does not show you"
        if one.digest != source.digest:
            return (
                f"the text of {where} changed since you highlighted “{_short(one)}”: highlight it"
                " anew in the text as it is now, or remove it; it is kept until then"
            )
        if one.end > len(source.text) or not _quotes(one, source.text):
            return (
                f"the highlight “{_short(one)}” ({one.start:,} to {one.end:,}) does not lie in the"
                f" text of {where}, which has {len(source.text):,} characters: highlight it anew"
            )
        before = last.get(one.field)
        if before is not None and one.start < before.end:
            return (
                f"the highlights “{_short(before)}” and “{_short(one)}” in {where} overlap: shorten"
                " one of them, or remove it"
            )
        last[one.field] = one
    return None


def quoted(one: Highlight, text: str) -> Highlight:
    """Return it with the quote of the text that it is stored with."""
    return one.model_copy(update={"quote": text[one.start : one.end][:LONGEST_QUOTE]})


def _quotes(one: Highlight, text: str) -> bool:
    """Return whether the quote is what stands there: offsets of another unit would show."""
    return text[one.start : one.end][:LONGEST_QUOTE].replace("\0", "") == one.quote


def _short(one: Highlight) -> str:
    text = " ".join(one.quote.split())
    return text if len(text) <= 40 else f"{text[:39]}…"

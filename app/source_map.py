"""Where each character of a rendered text stands in its source: exact, or not said at all.

Markdown's parser does not say where its characters come from. So the text is rendered a second time
with each letter replaced by a private character that stands for its place in the source. Where both
renderings say the same (they do unless a letter mattered to the parser), each letter of the page
has exactly one place. What stands between two letters is found in what stands between their places,
where it fits in one way only. A formula is taken as a whole, with its dollars or brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html.parser import HTMLParser

from pydantic import BaseModel, ConfigDict

from app.render import LONGEST_MARKDOWN, Parts, markdown_parts

FIRST = 0xF0000
"""The private characters: plane 15, of which a text of the longest kind needs five in six."""
_PRIVATE = re.compile(f"[{chr(FIRST)}-{chr(FIRST + 0xFFFF)}]")
assert LONGEST_MARKDOWN <= 0xFFFD
_KEPT = re.compile(
    r"\\(?:begin|end)\{[^{}\n]*\}"  # an environment of a formula
    r"|<[^<>\s]*>"  # an address in angle brackets has a scheme
    r"|&#?\w+;"
    r"|\]\([^\s)]*"  # where a link leads
    r"|^ {0,3}\[[^\[\]\n]+\]:.*$",  # what a name in brackets stands for
    re.MULTILINE,
)
_NAMES = re.compile(r"\[[^\[\]\n]*\]")
_DEFINITION = re.compile(r"^ {0,3}\[[^\[\]\n]+\]:", re.MULTILINE)
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
Span = tuple[int, int]
"""Place and length in the source."""
Item = str | int
"""A character that is seen, or a formula's number."""


class SourceMap(BaseModel):
    """Pieces of what is seen, in order; everything counts code points.

    What is in no piece was made by the rendering, or its place is not certain.
    """

    model_config = ConfigDict(frozen=True)

    runs: tuple[tuple[int, int, int], ...]
    """``(seen, source, length)``: these characters are the same here and there."""
    formulas: tuple[tuple[int, int, int, int], ...]
    """``(seen, seen_length, source, source_length)``: taken as a whole."""


@lru_cache(maxsize=500)
def source_map(text: str) -> SourceMap | None:
    """Return where the characters of ``app.render.render_markdown(text)`` come from; None where it
    shows the source itself, and where the parser tells letters apart."""
    parts = None if _PRIVATE.search(text) else markdown_parts(text)
    if parts is None:
        return None
    marked = markdown_parts(_mark_letters(text), formulas=False)
    if marked is None or len(marked.formulas) != len(parts.formulas):
        return None
    pieces, twins = _pieces(parts), _pieces(marked)
    if _plain(twins, text) != pieces:
        return None
    return _assemble(text, parts, pieces, twins)


def seen_text(html: str) -> str:
    """Return the text that a browser has of HTML of :mod:`app.render`."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.found)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._after_pre = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._after_pre = tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._after_pre = False

    def handle_data(self, data: str) -> None:
        text = data.replace("\r\n", "\n").replace("\r", "\n")
        # Browsers drop a line break right after the opening tag.
        self.found.append(text.removeprefix("\n") if self._after_pre else text)
        self._after_pre = False


def _mark_letters(text: str) -> str:
    """Return ``text`` with a private character for each letter that the parser need not know."""
    kept: set[int] = set()
    patterns = [_KEPT, _NAMES] if _DEFINITION.search(text) else [_KEPT]
    for pattern in patterns:
        for found in pattern.finditer(text):
            kept.update(range(found.start(), found.end()))
    return "".join(
        chr(FIRST + place) if char.isalpha() and place not in kept else char
        for place, char in enumerate(text)
    )


def _pieces(parts: Parts) -> list[str]:
    """Return what is seen between the formulas: one piece more than there are formulas."""
    return re.split(parts.mark + r"-\d+;", seen_text(parts.html))


def _plain(pieces: Sequence[str], text: str) -> list[str]:
    return [_PRIVATE.sub(lambda found: text[ord(found[0]) - FIRST], piece) for piece in pieces]


def _assemble(text: str, parts: Parts, pieces: Sequence[str], twins: Sequence[str]) -> SourceMap:
    """Put the pieces together; ``twins`` are the same with private characters."""
    items: list[Item] = []
    spans: list[Span | None] = []
    for number, (piece, twin) in enumerate(zip(pieces, twins, strict=True)):
        if number:
            items.append(number - 1)
            spans.append(None)
        items += piece
        spans += [(ord(char) - FIRST, 1) if _PRIVATE.fullmatch(char) else None for char in twin]
    latex = [formula for formula, _ in parts.formulas]
    start, source = 0, 0
    for place, span in enumerate([*spans, (len(text), 0)]):
        if span is not None:
            spans[start:place] = _between(items[start:place], latex, text, source, span[0])
            start, source = place + 1, span[0] + 1
    sizes = [len(seen_text(mathml)) for _, mathml in parts.formulas]
    return _collected(items, spans, sizes)


def _collected(
    items: Sequence[Item], spans: Sequence[Span | None], sizes: Sequence[int]
) -> SourceMap:
    runs: list[tuple[int, int, int]] = []
    formulas: list[tuple[int, int, int, int]] = []
    seen = 0
    for item, span in zip(items, spans, strict=True):
        if isinstance(item, int):
            if span is not None:
                formulas.append((seen, sizes[item], *span))
            seen += sizes[item]
            continue
        if span is not None:
            last = runs[-1] if runs else (0, 0, 0)
            if last[2] and (last[0] + last[2], last[1] + last[2]) == (seen, span[0]):
                runs[-1] = (last[0], last[1], last[2] + 1)
            else:
                runs.append((seen, span[0], 1))
        seen += 1
    return SourceMap(runs=tuple(runs), formulas=tuple(formulas))


def _between(
    items: Sequence[Item], latex: Sequence[str], text: str, low: int, high: int
) -> list[Span | None]:
    """Return where what is seen between two letters stands between their places."""
    found: list[Span | None] = [None] * len(items)
    numbers = [place for place, item in enumerate(items) if isinstance(item, int)]
    wanted = [latex[item] for item in items if isinstance(item, int)]
    formulas = _formulas(wanted, text, low, high)
    if formulas is None:
        return found
    start = low
    for before, place, span in zip(
        [-1, *numbers], [*numbers, len(items)], [*formulas, (high, 0)], strict=True
    ):
        part = "".join(str(item) for item in items[before + 1 : place])
        for i, where in enumerate(_embed(part, text[start : span[0]])):
            found[before + 1 + i] = None if where is None else (start + where, 1)
        if place < len(items):
            found[place] = span
        start = span[0] + span[1]
    return found


def _formulas(wanted: Sequence[str], text: str, low: int, high: int) -> list[Span] | None:
    """Return where these formulas stand, with what opens and closes them; None where that is not
    certain."""
    forward: list[Span] = []
    start = low
    for latex in wanted:
        there = [(text.find(one, start, high), len(one)) for one in _written(latex)]
        there = [span for span in there if span[0] >= 0]
        if not there:
            return None
        forward.append(min(there))
        start = sum(forward[-1])
    for latex, span in zip(reversed(wanted), reversed(forward), strict=True):
        last = [(text.rfind(one, low, high), len(one)) for one in _written(latex)]
        if max(sum(where) for where in last if where[0] >= 0) != sum(span):
            return None
        high = span[0]
    return forward


def _written(latex: str) -> list[str]:
    """Return how a formula may be written, with what opens and closes it."""
    found = [opening + latex + closing for opening, closing in _DELIMITERS]
    return [*found, latex] if latex.startswith(r"\begin") else found


def _embed(seen: str, source: str) -> list[int | None]:
    """Return where each character stands in ``source``; None where it could be elsewhere."""
    if seen == source:
        return list(range(len(seen)))
    fitted = _fit(seen, source)
    if fitted is not None:
        return fitted
    # Blank space between paragraphs is the rendering's own.
    dark = [place for place, char in enumerate(seen) if not char.isspace()]
    fitted = _fit("".join(seen[place] for place in dark), source) or [None] * len(dark)
    where = dict(zip(dark, fitted, strict=True))
    return [where.get(place) for place in range(len(seen))]


def _fit(seen: str, source: str) -> list[int | None] | None:
    """Return the places that are the same from the left and from the right; None where ``seen`` is
    not in ``source``, in its order."""
    forward = _leftmost(seen, source)
    if forward is None:
        return None
    backward = _leftmost(seen[::-1], source[::-1])
    assert backward is not None
    last = len(source) - 1
    return [
        one if one == last - other else None
        for one, other in zip(forward, reversed(backward), strict=True)
    ]


def _leftmost(seen: str, source: str) -> list[int] | None:
    found, place = [], -1
    for char in seen:
        place = source.find(char, place + 1)
        if place < 0:
            return None
        found.append(place)
    return found

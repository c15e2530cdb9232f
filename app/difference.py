"""The words in which two rendered responses differ, marked in both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

_PIECE = re.compile(r'<math.*?</math>|<[^<>"]*(?:"[^"]*"[^<>"]*)*>|[^<]+', re.DOTALL)
_WORD = re.compile(r"\S+")
LONGEST_COMPARED = 3_000
"""Words of each response; what comes after them is not compared."""


def mark_differences(html_1: str, html_2: str) -> tuple[str, str]:
    """Return both texts of :mod:`app.render` with ``<mark>`` around the words that the other lacks.

    Taking the marks out gives what was passed in.
    """
    words_1, words_2 = (list(_words(html))[:LONGEST_COMPARED] for html in (html_1, html_2))
    # With its notion of popular words it stays fast on long texts.
    matches = SequenceMatcher(None, words_1, words_2).get_matching_blocks()
    shared_1 = {match.a + i for match in matches for i in range(match.size)}
    shared_2 = {match.b + i for match in matches for i in range(match.size)}
    return (
        _mark(html_1, set(range(len(words_1))) - shared_1),
        _mark(html_2, set(range(len(words_2))) - shared_2),
    )


def _words(html: str) -> Iterator[str]:
    for piece in _PIECE.findall(html):
        if piece.startswith("<math"):
            yield piece
        elif not piece.startswith("<"):
            yield from _WORD.findall(piece)


def _mark(html: str, changed: set[int]) -> str:
    """Return ``html`` with marks around the words of these places, neighbours in one mark."""
    marked: list[str] = []
    place = 0
    for piece in _PIECE.findall(html):
        if piece.startswith("<math"):
            marked.append(f"<mark>{piece}</mark>" if place in changed else piece)
            place += 1
        elif piece.startswith("<"):
            marked.append(piece)
        else:
            words = list(_WORD.finditer(piece))
            marked.append(
                _mark_words(piece, words, [place + i in changed for i in range(len(words))])
            )
            place += len(words)
    return "".join(marked)


def _mark_words(text: str, words: list[re.Match[str]], changed: list[bool]) -> str:
    parts: list[str] = []
    end = 0
    for i, word in enumerate(words):
        parts.append(_gap(text[end : word.start()], changed, i))
        parts.append(word[0])
        end = word.end()
    if words and changed[-1]:
        parts.append("</mark>")
    return "".join([*parts, text[end:]])


def _gap(space: str, changed: list[bool], i: int) -> str:
    """Return the white space before word ``i``, with the mark that ends or begins there."""
    before, now = i > 0 and changed[i - 1], changed[i]
    if before == now:
        return space
    return f"{space}<mark>" if now else f"</mark>{space}"

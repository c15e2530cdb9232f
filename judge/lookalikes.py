"""Names that look the same though they are not, written so that a reader sees what differs.

In a table "oak" and "oak " are two rows of the same name: the blank is lost on a page and unseen on
a screen. Names that look like no other stay as they are.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from judge.disguise import letter_like

_BLANK = "\N{OPEN BOX}"
"""Stands for a space."""


def told_apart(names: Iterable[str]) -> dict[str, str]:
    """Return how each name is written, different names differently.

    Of names that look the same spaces become ``␣``, and whatever is neither ASCII nor visible is
    written as its code (``\\u200b``), where that tells them apart.
    """
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[looks(name)].add(name)
    written = {
        name: name if len(group) == 1 else _spelt(name)
        for group in alike.values()
        for name in group
    }
    if len(set(written.values())) < len(written):  # a name that looks as another is spelt
        return {name: _spelt(name) for name in written}
    return written


def looks(name: str) -> str:
    """Return the same text for names that look the same: blanks are one, unseen characters none,
    and forms of a letter, and letters of other alphabets that look like it, the same one."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    folded = unicodedata.normalize("NFKC", name)
    seen = (c for c in folded if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(map(letter_like, seen)).split())


def _spelt(name: str) -> str:
    return "".join(_written(character) for character in name)


def _written(character: str) -> str:
    if character == " ":
        return _BLANK
    if character == "\\":
        return "\\\\"
    plain = character.isascii() and character.isprintable()
    return character if plain else character.encode("unicode_escape").decode()

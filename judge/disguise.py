"""What a text says once its disguise is off: for tests only, the text itself is never changed.

A tokenizer's normalizer, or the model itself, may read through look-alikes (Cyrillic "e"), styled
letters, accents and characters that nobody sees; so do these tests. Look-alikes are those of
Unicode Technical Standard 39 (in the package confusable-homoglyphs), invisible characters those
of the property Default_Ignorable_Code_Point (in the package regex) and blank ones that it lacks.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

_UNSEEN = {"Cc", "Cf", "Mn", "Me"}
_BLANK = "\u2800\U0001d159"
"""Braille without a dot and a note without a head: symbols by their category, blank to the eye."""
_TAGS = 0xE0000
"""Tag characters are an invisible ASCII from here on."""
_STYLED = ("LATIN", "NEGATIVE", "REGIONAL", "SQUARED", "CIRCLED", "MODIFIER")


@cache
def readings(character: str) -> frozenset[str]:
    """Return what a character may be read as: lower-case ASCII, itself, or nothing at all."""
    if character.isascii() and character.isprintable():
        return frozenset({"o", "0"}) if character == "0" else frozenset({character.lower()})
    found = {character}
    if _is_unseen(character):
        found.add("")
    if _TAGS + 0x20 <= ord(character) < _TAGS + 0x7F:
        found.add(chr(ord(character) - _TAGS).lower())
    folded = unicodedata.normalize("NFKC", character).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not _is_unseen(c))
    found |= {folded, bare}
    for text in (character, folded, bare):
        if text and (letter := _look_alikes().get(text)):
            found.add(letter)
    words = unicodedata.name(character, "").split()
    if words and words[0] in _STYLED and words[-2:-1] in (["LETTER"], ["CAPITAL"]):
        found.add(words[-1].lower() if len(words[-1]) == 1 else character)
    return frozenset(found)


def says(text: str, start: int, word: str) -> bool:
    """Say whether ``text`` goes on with ``word`` at ``start``, however it is written.

    White space may stand before the word, invisible characters anywhere.

    Args:
        word: lower-case ASCII.
    """
    places = {0}
    for index in range(start, len(text)):
        character = text[index]
        if character.isspace():
            places &= {0}
        else:
            places = {
                place + len(read)
                for read in readings(character)
                for place in places
                if word.startswith(read[: len(word) - place], place)
            }
        if not places:
            return False
        if max(places) >= len(word):
            return True
    return False


def letter_like(character: str) -> str:
    """Return the ASCII letter that a character looks like, in its case; else the character."""
    letter = _look_alikes().get(character, character)
    return letter.upper() if character.isupper() else letter


def unmasked(text: str) -> str:
    """Return a text as it may be read, in lower case: the likeliest reading of each character."""
    if text.isascii():
        return text.lower()
    return "".join(map(_plainest, text))


@cache
def _plainest(character: str) -> str:
    if character.isspace():
        return character
    ascii_ones = sorted(read for read in readings(character) if read.isascii() and read)
    if ascii_ones:
        return ascii_ones[-1]
    return "" if "" in readings(character) else character.casefold()


def _is_unseen(character: str) -> bool:
    return (
        unicodedata.category(character) in _UNSEEN
        or character in _BLANK
        or _ignorable().match(character) is not None
    )


@cache
def _ignorable() -> Any:
    import regex  # type: ignore[import-untyped]

    return regex.compile(r"\p{Default_Ignorable_Code_Point}")


@cache
def _look_alikes() -> dict[str, str]:
    """Return the ASCII letter, in lower case, of each character that looks like one."""
    from confusable_homoglyphs.confusables import (  # type: ignore[import-untyped]
        confusables_data,
    )

    return {
        bare: letter.lower()
        for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for other in confusables_data.get(letter, ())
        if len(bare := other["c"].replace("\u200e", "")) == 1 and not bare.isascii()
    }

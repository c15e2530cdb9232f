"""Whose words stand for an annotation: nobody's that the person did not write or call right."""

from __future__ import annotations

import re
import unicodedata

from app.review.task import Choice, Final
from judge.verdict import NEITHER_VALID

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, Burmese, Khmer, kana, Han: written without blanks, so each character is a word."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
RUN = 6
"""So many words in a row that stand in two texts are taken over, not found twice."""


def same_side(one: int, other: int) -> bool:
    """Return whether two strengths prefer the same response, or both find neither valid."""
    if NEITHER_VALID in (one, other):
        return one == other
    return (one > 0) == (other > 0)


def objection(
    final: Final, first: Choice, judges_strength: int | None, judges: str, blind: bool
) -> str | None:
    """Return why the words of a final decision cannot be the person's; None where they can.

    Everything is in the same order. What a person wrote before anything of the judge was shown is
    theirs, whatever it is like.

    Args:
        judges: the judge's elaboration; empty where there is none.
        blind: whether the first choice was made before the judge was shown.
    """
    text = final.elaboration if final.words == "edited" else first.justification
    if final.words == "judge":
        return _no_taking(final, judges_strength, judges)
    if (final.words == "own" and blind) or same_words(text, first.justification if blind else ""):
        return None
    if judges and same_words(text, judges):
        if final.explanation == "right":
            return _no_taking(final, judges_strength, judges)
        return (
            "these are the judge's words, and you did not call them right: write your own, keep"
            " your first reason, or call the explanation right"
        )
    if final.explanation == "wrong" and mostly_theirs(text, judges):
        return (
            "you called the judge's explanation wrong, and most of this text is the judge's:"
            " write why in your own words, or keep your first reason"
        )
    return None


def settled(final: Final, first: Choice, judges: str) -> Final:
    """Return the decision as it is stored: the judge's words filled in where they were taken, and
    an edited text that is the first reason or the judge's under that name."""
    unchanged = final.elaboration.strip() == first.justification.strip()
    if final.words == "edited" and unchanged and same_side(final.strength, first.strength):
        return final.model_copy(update={"words": "own", "elaboration": ""})
    if final.words == "judge" or same_words(final.elaboration, judges):
        return final.model_copy(update={"words": "judge", "elaboration": judges})
    return final


def same_words(one: str, other: str) -> bool:
    """Return whether two texts have the same words, whatever stands between them."""
    words = _words(one)
    return bool(words) and words == _words(other)


def shares_a_run(text: str, theirs: str) -> bool:
    """Return whether six words in a row, or all of the shorter text, stand in both."""
    one, other = _words(text), _words(theirs)
    size = min(RUN, len(one), len(other))
    return size > 0 and not _runs(one, size).isdisjoint(_runs(other, size))


def mostly_theirs(text: str, theirs: str) -> bool:
    """Return whether more than half of a text's runs of six words stand in another text."""
    one, other = _words(text), _words(theirs)
    size = min(RUN, len(one), len(other))
    if size == 0:
        return False
    found = _runs(one, size)
    return len(found & _runs(other, size)) * 2 > len(found)


def _no_taking(final: Final, judges_strength: int | None, judges: str) -> str | None:
    if not judges:
        return "the judge gave no explanation that could be taken"
    if final.explanation != "right":
        return "only an explanation that you call right can be taken as yours (key R)"
    if not judges_strength or not same_side(final.strength, judges_strength):
        return "the judge's explanation is for another choice than yours: keep or write your own"
    return None


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _runs(words: list[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}

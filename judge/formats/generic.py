"""Rows of one's own: a prompt, two responses and, where there are any, labels or annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats import fields as checks
from judge.formats.benchmarks import is_chosen_rejected
from judge.formats.responses import has_pair
from judge.formats.rows import (
    BETTER,
    Row,
    Unusable,
    annotations_of,
    pair_of,
    whole_number,
)
from judge.pair import Annotation
from judge.verdict import NEITHER_VALID, STRENGTHS

LABEL_FIELDS = ("label", "preference", "winner")
STRENGTH_FIELDS = ("strength", "preference_strength", "margin")
LABELS = ("annotations", "chosen", *LABEL_FIELDS, *STRENGTH_FIELDS)
"""The fields that say which response is better."""
_TIE = 0
_MEANINGS = {
    **dict.fromkeys(("1", "response_1", "response 1", "a", "response_a", "model_a", "a>b"), 1),
    **dict.fromkeys(("2", "response_2", "response 2", "b", "response_b", "model_b", "b>a"), 2),
    **dict.fromkeys(("tie", "a=b"), _TIE),
    **dict.fromkeys(("neither", "-100"), NEITHER_VALID),
}


def is_generic(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are a prompt and two responses."""
    return has_pair(fields, "prompt", "response_1", "response_2") or is_chosen_rejected(fields)


def generic(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a row with ``response_1`` and ``response_2``, or ``chosen``, ``rejected``.

    Its annotations are the list ``annotations`` (``strength``, ``justification``); else one made of
    a label (``label``, ``preference`` or ``winner``) and a strength (``strength``,
    ``preference_strength`` or ``margin``). A label alone means "better"; a tie and a strength of 0
    mean an undecided pair (``released_strength`` 0); without any of them there is no annotation.
    """
    chosen = is_chosen_rejected(row.fields)
    names = ("chosen", "rejected") if chosen else ("response_1", "response_2")
    pair = pair_of(row, *row.two("prompt", *names))
    released = None
    if _given(row, "annotations") is not None:
        annotations = annotations_of(row, "annotations")
        released = whole_number(row.fields.get("preference_strength"))
    else:
        strength = strength_of(row, 1 if chosen else label_of(row))
        annotations = () if not strength else (_annotation(row, strength),)
        released = 0 if strength == _TIE else None
    return [
        AnnotatedPair(
            split=row.own_split("train"),
            pair=pair,
            annotations=annotations,
            source=row.source(),
            released_strength=released,
            columns=row.columns(),
        )
    ]


def _given(row: Row, *names: str) -> Any:
    """Return the first of these fields that holds something."""
    values = (row.fields.get(name) for name in names)
    return next((value for value in values if value is not None and value != ""), None)


def label_of(row: Row) -> int | None:
    """Return what the row's label says: 1 or 2, 0 for a tie, -100; None without a label.

    Raises:
        Unusable: ``bad_label``, for any other word or number.
    """
    value = _given(row, *LABEL_FIELDS)
    if value is None:
        return None
    word = whole_number(value)
    meaning = _MEANINGS.get(str(value if word is None else word).strip().lower())
    if meaning is None:
        found = checks.shown(value)
        raise Unusable("bad_label", f"label is {found}; expected one of {', '.join(_MEANINGS)}")
    return meaning


def strength_of(row: Row, label: int | None) -> int | None:
    """Return the signed strength, 0 for a tie, or None where nothing says which is better.

    Raises:
        Unusable: ``bad_label``, when the row's strength contradicts ``label``.
    """
    value = _given(row, *STRENGTH_FIELDS)
    if value is None or label in (_TIE, NEITHER_VALID):
        return {1: -BETTER, 2: BETTER}.get(label, label) if label is not None else None
    strength = whole_number(value)
    if strength is None or strength not in (*STRENGTHS, _TIE, NEITHER_VALID):
        row.problems.append(("strength_off_scale", f"strength {checks.shown(value)}"))
        return None
    if label is None or strength == NEITHER_VALID:
        return strength
    # With a label, a strength may come without its sign: negative and "2" is a contradiction.
    if strength == _TIE or (strength < 0 and label == 2):
        raise Unusable("bad_label", f"label says {label}, but strength is {strength}")
    return -abs(strength) if label == 1 else abs(strength)


def _annotation(row: Row, strength: int) -> Annotation:
    reason = _given(row, "justification")
    text = "" if reason is None else checks.text("justification", reason)
    return Annotation(strength=strength, justification=text.strip())

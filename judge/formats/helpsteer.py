"""Rows of NVIDIA's preference data: HelpSteer2-Preference and HelpSteer3-Preference.

Sources: data set cards of nvidia/HelpSteer2 and nvidia/HelpSteer3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats.rows import (
    Row,
    Unusable,
    annotations_of,
    listed,
    pair_of,
    whole_number,
)
from judge.pair import Annotation

_RAW, _SIMILAR = "all_preferences_unprocessed", "three_most_similar_preferences"
_BARE_NAME = re.compile(r"(?<!@)(?<!@\s)\b(response\s?[12])(?!\d)", re.IGNORECASE)


def is_helpsteer2(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are those of HelpSteer2-Preference."""
    return "response_1" in fields and (_RAW in fields or _SIMILAR in fields)


def helpsteer2(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a HelpSteer2-Preference row.

    The annotations are the raw ones; where a file has none, the released three stand in.
    """
    raw = row.fields.get(_RAW) is not None
    pair = pair_of(row, *row.two("prompt", "response_1", "response_2"))
    if raw:
        annotations = annotations_of(row, _RAW, texts=("justification", "statement", "elaboration"))
    elif row.fields.get(_SIMILAR) is None:
        raise Unusable("missing_field", f"{_RAW} is missing")
    else:
        annotations = annotations_of(row, _SIMILAR, texts=("statement", "elaboration"))
    if not annotations:
        raise Unusable("no_annotations", "no annotation with a strength on the scale")
    return [
        AnnotatedPair(
            split=row.own_split("train"),
            pair=pair,
            annotations=annotations,
            source=row.source(),
            released_strength=whole_number(row.fields.get("preference_strength")),
            released_similar=_similar(row),
            columns=row.columns(),
        )
    ]


def _similar(row: Row) -> tuple[int, ...] | None:
    """Return the strengths of the released annotations, where each of them has one."""
    entries = listed(row.fields.get(_SIMILAR)) or []
    kept = [whole_number(e.get("strength")) if isinstance(e, dict) else None for e in entries]
    found = tuple(strength for strength in kept if strength is not None)
    return found if found and len(found) == len(kept) else None


def is_helpsteer3(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are those of HelpSteer3's preference part."""
    return {"context", "response1", "response2"} <= fields.keys()


def helpsteer3(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a HelpSteer3-Preference row.

    Its scale has a 0, "about the same", which no annotation can say: such an entry becomes a
    problem, and a row without any other is an undecided pair (``released_strength`` 0).
    """
    if not isinstance(row.required("context"), list):
        raise Unusable("wrong_type", "context is not a list of messages")
    pair = pair_of(row, *row.two("context", "response1", "response2"))
    annotations = annotations_of(row, "individual_preference", "score", ("reasoning",))
    overall = whole_number(row.fields.get("overall_preference"))
    if not annotations and overall != 0:
        raise Unusable("no_annotations", "no annotation with a score on the scale")
    return [
        AnnotatedPair(
            split=row.own_split("train"),
            pair=pair,
            annotations=tuple(map(_with_names, annotations)),
            source=row.source("helpsteer3"),
            released_strength=overall,
            columns=row.columns(),
        )
    ]


def _with_names(annotation: Annotation) -> Annotation:
    """Write "Response 1" as the name "@Response 1", so that flipping the pair flips it, too."""
    named = _BARE_NAME.sub(r"@\1", annotation.justification)
    return Annotation(strength=annotation.strength, justification=named)

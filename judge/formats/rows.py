"""What every format's function works with: a row's fields, pairs and annotations out of them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from judge.annotated import UNNAMED, AnnotatedPair, ProblemReason, Split
from judge.errors import RowError
from judge.formats import fields as checks
from judge.formats.responses import Texts, prompt_field, texts_of
from judge.formats.values import listed as listed
from judge.pair import Annotation, Message, Pair
from judge.pair import content_id as content_id
from judge.verdict import NEITHER_VALID, STRENGTHS

SPLITS: dict[str, Split] = {"train": "train", "val": "val", "validation": "val", "test": "test"}
"""What data sets call the three splits; HelpSteer2's preference file says ``val``."""
BETTER = 2
"""The degree of a label that says which response is better, but not how much: "better"."""
COLUMNS = ("domain", "language", "subset", "category", "model_a", "model_b")
"""Fields that any format may carry along as columns."""


class Unusable(Exception):
    """A row that becomes one problem.

    Args:
        reason: one of :data:`judge.annotated.ProblemReason`.
        detail: one line for people: what was found and what was expected.
    """

    def __init__(self, reason: ProblemReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: ProblemReason = reason


@dataclass(slots=True)
class Row:
    """The fields of one row, and where it stands."""

    fields: Mapping[str, Any]
    split: Split | None = None
    """What the file's name or the hub says; a field ``split`` of the row goes before it."""
    subset: str | None = None
    """What the name of the file's folder says, where a format has its subsets in folders."""
    problems: list[tuple[ProblemReason, str]] = field(default_factory=list)
    """What was lost of the row without losing the row."""
    empty: bool = False
    """Whether a response without a word is one (``--empty-responses``)."""
    file: str = ""
    """The name of its file, where a format says there what rows do not (RM-Bench's domains)."""

    def required(self, name: str) -> Any:
        """Return a field that must be there.

        Raises:
            Unusable: ``missing_field``, also where it is null.
        """
        value = self.fields.get(name)
        if value is None:
            raise Unusable("missing_field", f"{name} is missing")
        return value

    def prompt(self, name: str) -> tuple[Message, ...]:
        """Return the messages of the field ``name``."""
        return checks.prompt(name, self.required(name))

    def response(self, name: str) -> str:
        """Return the response in the field ``name``."""
        return checks.response(name, self.required(name), self.empty)

    def two(self, prompt: str, one: str, two: str) -> Texts:
        """Return the prompt and the responses in these fields, however the row writes them."""
        try:
            asked = prompt_field(self.fields, prompt, one, two)
        except KeyError:
            asked = prompt
        for name in (asked, one, two):
            if name is not None:
                self.required(name)
        return texts_of(self.fields, asked, one, two, self.empty)

    def list_of(self, name: str) -> list[Any]:
        """Return the list in the field ``name``, also where it came as the text of one."""
        value = listed(self.required(name))
        if value is None:
            raise Unusable("wrong_type", f"{name} is not a list")
        return value

    def own_split(self, default: Split) -> Split:
        """Return the row's split: its own, its file's or the default.

        Raises:
            Unusable: ``bad_split``.
        """
        name = self.fields.get("split")
        if name is None or name == "":
            return self.split or default
        if not isinstance(name, str) or name not in SPLITS:
            found = checks.shown(name)
            raise Unusable(
                "bad_split", f"split is {found}; expected train, val, validation or test"
            )
        return SPLITS[name]

    def source(self, default: str = UNNAMED) -> str:
        """Return the row's field ``source``, or the default where it has none."""
        name = self.fields.get("source")
        return checks.text("source", name) if isinstance(name, str) and name else default

    def columns(self, names: Iterable[str] = (), **more: str) -> dict[str, str]:
        """Return those fields of :data:`COLUMNS` and ``names`` that the row has, and ``more``."""
        found = {}
        for name in (*COLUMNS, *names):
            value = self.fields.get(name)
            if isinstance(value, str | int) and value != "":
                found[name] = checks.text(name, str(value))
        return {**found, **more}


def pair_of(row: Row, messages: tuple[Message, ...], one: str, two: str, suffix: str = "") -> Pair:
    """Return the pair with the row's own id, or else one made of its content.

    Args:
        suffix: what tells this pair from the others of its row.
    """
    checks.check_length(messages, one, two)
    own = checks.given_id(row.fields)
    pair_id = content_id(messages, one, two) if own is None else own + suffix
    return Pair(pair_id=pair_id, prompt=messages, response_1=one, response_2=two)


def labelled(better: int | None, degree: int = BETTER) -> tuple[Annotation, ...]:
    """Return the annotation of a label: response ``better`` (1 or 2) is better; none for None."""
    if better is None:
        return ()
    return (Annotation(strength=-degree if better == 1 else degree),)


def better_of(row: Row, name: str, meanings: Mapping[Any, int]) -> int | None:
    """Return which response the label in the field ``name`` prefers; None without a label.

    Raises:
        Unusable: ``bad_label``, for any other label than those of ``meanings``.
    """
    value = row.fields.get(name)
    if value is None or value == "":
        return None
    try:
        return meanings[value]
    except (KeyError, TypeError):
        expected = ", ".join(dict.fromkeys(map(str, meanings)))
        found = checks.shown(value)
        raise Unusable("bad_label", f"{name} is {found}; expected {expected}") from None


def labelled_pair(row: Row, pair: Pair, better: int | None, **columns: str) -> AnnotatedPair:
    """Return a benchmark's pair: its split is ``test`` where nothing says otherwise."""
    return AnnotatedPair(
        split=row.own_split("test"),
        pair=pair,
        annotations=labelled(better),
        source=row.source(),
        columns=row.columns(**columns),
    )


def annotations_of(
    row: Row, name: str, strength: str = "strength", texts: Iterable[str] = ("justification",)
) -> tuple[Annotation, ...]:
    """Return the annotations on the scale in the list ``name``; the others become problems.

    Args:
        strength: the field of an entry that holds its strength.
        texts: the fields that make up its justification; HTML entities are resolved.
    """
    entries = row.list_of(name)
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise Unusable("wrong_type", f"{name} is not a list of objects")
        value = whole_number(entry.get(strength))
        if value is None or value not in (*STRENGTHS, NEITHER_VALID):
            shown = checks.shown(entry.get(strength))
            row.problems.append(("strength_off_scale", f"{strength} {shown} in {name}"))
            continue
        parts = [entry.get(key) for key in texts]
        text = " ".join(part for part in parts if isinstance(part, str) and part)
        text = checks.text("justification", html.unescape(text).strip())
        found.append(Annotation(strength=value, justification=text))
    return tuple(found)


def number(value: object) -> float | None:
    """Return a finite number given as int, float or text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None


def whole_number(value: object) -> int | None:
    """Return a whole number given as int, float or text, else None."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def reason_of(error: RowError) -> ProblemReason:
    """Return the reason of a problem for that of a failure: the former are fewer."""
    reasons: dict[str, ProblemReason] = {
        "bad_json": "bad_json",
        "bad_encoding": "bad_encoding",
        "nul_character": "bad_encoding",
        "missing_field": "missing_field",
        "empty_response": "empty_response",
        "duplicate_id": "duplicate_id",
        "line_too_long": "line_too_long",
        "bad_prompt": "bad_prompt",
    }
    return reasons.get(error.reason, "wrong_type")

"""Rows of HelpSteer2's ratings: released means, and lists of what every annotator gave.

Source: data set card of nvidia/HelpSteer2. An attribute that is null or not there was not rated: it
is absent here and masked in training, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.annotated import ATTRIBUTES, MAX_RATING, Attribute, RatedResponse
from judge.formats.fields import check_length, given_id, shown
from judge.formats.rows import Row, Unusable, content_id, listed, number


def is_ratings(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are those of ``train.jsonl.gz`` and ``validation.jsonl.gz``."""
    return {"prompt", "response"} <= fields.keys() and any(name in fields for name in ATTRIBUTES)


def is_disagreements(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are those of ``disagreements.jsonl.gz``."""
    return is_ratings(fields) and any(listed(fields.get(name)) is not None for name in ATTRIBUTES)


def ratings(row: Row) -> list[RatedResponse]:
    """Return the response of a row with one rating an attribute."""
    found: dict[Attribute, tuple[float, ...]] = {}
    for name in ATTRIBUTES:
        value = row.fields.get(name)
        if value is not None and value != "" and (given := _on_scale(row, name, [value])):
            found[name] = given
    return _rated(row, found)


def disagreements(row: Row) -> list[RatedResponse]:
    """Return the response of a row with a list of ratings an attribute, one an annotator."""
    lists = {name: _list(row, name) for name in ATTRIBUTES if row.fields.get(name) is not None}
    if len({len(values) for values in lists.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in lists.items())
        raise Unusable(
            "unequal_lengths", f"expected every annotator to rate every attribute, found: {lengths}"
        )
    found: dict[Attribute, tuple[float, ...]] = {}
    for name, values in lists.items():
        if given := _on_scale(row, name, values):
            found[name] = given
    return _rated(row, found)


def _list(row: Row, name: str) -> list[Any]:
    values = listed(row.fields.get(name))
    if values is None:
        raise Unusable("wrong_type", f"{name} is {shown(row.fields.get(name))}, expected a list")
    return values


def _on_scale(row: Row, name: str, values: list[Any]) -> tuple[float, ...]:
    """Return the ratings, nothing where one of them is off the scale: that costs the attribute."""
    given = []
    for value in values:
        rating = number(value)
        if rating is None or not 0 <= rating <= MAX_RATING:
            row.problems.append(("rating_off_scale", f"{name} {shown(value)}"))
            return ()
        given.append(rating)
    return tuple(given)


def _rated(row: Row, found: dict[Attribute, tuple[float, ...]]) -> list[RatedResponse]:
    messages, answer = row.prompt("prompt"), row.response("response")
    check_length(messages, answer)
    if not found:
        raise Unusable("no_ratings", "no attribute has a rating on the scale 0 to 4")
    own = given_id(row.fields)
    return [
        RatedResponse(
            split=row.own_split("train"),
            rating_id=content_id(messages, answer) if own is None else own,
            prompt=messages,
            response=answer,
            ratings=found,
            source=row.source(),
        )
    ]

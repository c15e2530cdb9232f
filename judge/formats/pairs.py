"""Rows to the pairs that a judge sees: labels and all other fields are never looked at.

A row's id is its ``pair_id``, else its ``id``, else ``row-<line>``. An id may stand once in an
input, whatever becomes of its row. The fields' names are those of
:data:`judge.formats.tables.SCHEMAS`. RewardBench's names give the position away (``chosen`` becomes
``response_1`` in every row), so such files should be judged in both orders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from judge.errors import RowError
from judge.formats.fields import (
    check_length,
    ends_with_the_user,
    given_id,
    response,
    row_fields,
    shown,
    text,
)
from judge.formats.records import Record, Source
from judge.formats.responses import prompt_field, texts_of
from judge.formats.tables import EXPECTED, SCHEMAS
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Pair
from judge.thinking import answer_of


def read_pairs(
    records: Iterable[Record],
    seen: IdSet,
    strip_thinking: bool = False,
    empty_responses: bool = False,
) -> Iterator[tuple[int, Pair | Failure]]:
    """Yield each record's line and its pair, or the failure that it is.

    Args:
        seen: the ids of earlier rows; those of ``records`` are added.
        strip_thinking: as :func:`read_row`, and so is ``empty_responses``.
    """
    for record in records:
        yield record.line, read_row(record, seen, strip_thinking, empty_responses)


def read_row(
    record: Record, seen: IdSet, strip_thinking: bool = False, empty_responses: bool = False
) -> Pair | Failure:
    """Return the pair of ``record`` or what is wrong with it; add its id to ``seen``.

    Args:
        strip_thinking: leave out what a reasoning model wrote before each response.
        empty_responses: take a response without a word for one, beside another that has some.
    """
    pair_id: str | None = None
    try:
        fields = row_fields(record.row)
        pair_id = id_of(fields, record.line)
        if not seen.add(pair_id):
            raise RowError("duplicate_id", f"id {shown(pair_id)} was used before; expected once")
        pair = _pair(pair_id, fields, empty_responses)
        return _without_thinking(pair, empty_responses) if strip_thinking else pair
    except RowError as error:
        return Failure(line=record.line, pair_id=pair_id, reason=error.reason, detail=error.detail)


def check_pair(
    line: int, pair: Pair, strip_thinking: bool = False, empty_responses: bool = False
) -> Pair | Failure:
    """Return a pair that did not come out of a row, or what a row with its texts would be.

    Args:
        line: what a failure names as its place.
        strip_thinking: as :func:`read_row`, and so is ``empty_responses``.
    """
    try:
        ends_with_the_user("prompt", pair.prompt)
        for message in pair.prompt:
            text("prompt", message.content)
        for name in ("response_1", "response_2"):
            response(name, getattr(pair, name), empty_responses)
        _check_texts(pair, "response_1", "response_2")
        return _without_thinking(pair, empty_responses) if strip_thinking else pair
    except RowError as error:
        return Failure(line=line, pair_id=pair.pair_id, reason=error.reason, detail=error.detail)


def row_id(record: Record) -> str | None:
    """Return the id of a record, None where it has none that can be read."""
    try:
        return id_of(row_fields(record.row), record.line)
    except RowError:
        return None


def find_pairs(
    source: Source,
    ids: Collection[str],
    strip_thinking: bool = False,
    empty_responses: bool = False,
) -> dict[str, Pair]:
    """Return the pairs with these ids, reading ``source`` no further than the last of them."""
    found: dict[str, Pair] = {}
    records = source.records() if ids else ()
    for _, row in read_pairs(records, IdSet(), strip_thinking, empty_responses):
        if isinstance(row, Pair) and row.pair_id in ids:
            found[row.pair_id] = row
            if len(found) == len(ids):
                break
    return found


def id_of(fields: Mapping[str, Any], line: int) -> str:
    """Return the id of the row with these fields on this line of an input.

    Raises:
        RowError: when its own id is none.
    """
    own = given_id(fields)
    return f"row-{line}" if own is None else own


def responses_of(fields: Mapping[str, Any], empty: bool = False) -> tuple[str, str]:
    """Return ``response_1`` and ``response_2`` of a row, thinking included.

    Raises:
        RowError: when it has not both.
    """
    found = texts_of(fields, *_names(fields), empty)
    return found.response_1, found.response_2


def _pair(pair_id: str, fields: Mapping[str, Any], empty: bool) -> Pair:
    asked, one, two = _names(fields)
    found = texts_of(fields, asked, one, two, empty)
    pair = Pair(
        pair_id=pair_id,
        prompt=found.prompt,
        response_1=found.response_1,
        response_2=found.response_2,
    )
    _check_texts(pair, one, two)
    return pair


def _check_texts(pair: Pair, one: str, two: str) -> None:
    check_length(pair.prompt, pair.response_1, pair.response_2)
    if _same(pair.response_1, pair.response_2):
        raise RowError("identical_responses", f"{one} and {two} are the same text")


def _same(one: str, two: str) -> bool:
    """Say whether two responses are the same text; those without a word are."""
    return one == two or not (one.strip() or two.strip())


def _without_thinking(pair: Pair, empty: bool) -> Pair:
    answers = {
        name: answer_of(name, getattr(pair, name), empty) for name in ("response_1", "response_2")
    }
    if _same(*answers.values()):
        raise RowError("identical_responses", "both responses are the same after their thinking")
    return pair.model_copy(update=answers)


def _names(fields: Mapping[str, Any]) -> tuple[str | None, str, str]:
    """Return the field names of this row: of the first schema that is whole.

    The prompt's is None where the responses are whole conversations.
    """
    for needs_prompt in (True, False):
        for asked, one, two in SCHEMAS:
            if one in fields and two in fields and (asked in fields or not needs_prompt):
                with suppress(KeyError):
                    return prompt_field(fields, asked, one, two), one, two
    begun = next((n for n in SCHEMAS if n[1] in fields or n[2] in fields), SCHEMAS[0])
    missing = ", ".join(name for name in begun if name not in fields)
    raise RowError("missing_field", f"no {missing}; expected {EXPECTED}")

"""Annotated data as a stream of rows and problems: pairs with annotations, rated responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from judge.annotated import AnnotatedPair, Problem, ProblemReason, RatedResponse, Split
from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.inputs import Input, Wanted, files_of, is_hub_id, open_inputs
from judge.formats.records import DamagedInput, Record
from judge.formats.registry import AUTO, PAIRS, RATINGS, Parser
from judge.formats.rows import Row, Unusable, reason_of
from judge.idset import IdSet

LONGEST_DETAIL = 200
"""Characters of a problem's detail."""


class _Item(Protocol):
    @property
    def split(self) -> Split: ...


T = TypeVar("T", bound=_Item)


class RowParser(Protocol[T]):
    """Rows to what they hold, as a :class:`judge.formats.registry.Parser`."""

    def parse(self, row: Row) -> list[T] | None:
        """Return what the row holds; None where it is of no known format."""
        ...

    def names(self) -> str:
        """Return the names of the formats, for people."""
        ...


def read_annotated(
    path_or_hub_id: str,
    *,
    format: str = AUTO,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    empty_responses: bool = False,
) -> Iterator[AnnotatedPair | Problem]:
    """Yield every pair with its annotations, and every problem where it occurs, in file order.

    Memory holds one row and 16 to 32 bytes an id, but for ``.json``, which is read as a whole.

    Args:
        path_or_hub_id: a file, a folder (docs/formats.md says which of its files), ``-`` for JSON
            lines on the standard input, or ``owner/name`` on the hub.
        format: a name of :data:`judge.formats.registry.PAIRS`, or ``auto``: by each row's fields.
        split: only the rows of this split; of the hub, also any other name of a split there.
        subset: the configuration of a hub data set.
        revision: the commit, tag or branch of a hub data set.
        empty_responses: take a response without a word for one.

    Raises:
        UsageError: when there is nothing to read, no such format or split, or when no row at all is
            of a known format.
    """
    wanted = Wanted(False, format, split, subset, revision)
    return read_rows(path_or_hub_id, wanted, Parser(PAIRS, format), _pair_id, empty_responses)


def read_rated(
    path_or_hub_id: str,
    *,
    format: str = AUTO,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
) -> Iterator[RatedResponse | Problem]:
    """Yield every rated response, and every problem where it occurs, in file order.

    As :func:`read_annotated`; formats are those of :data:`judge.formats.registry.RATINGS`. Of
    HelpSteer2's folder, ``disagreements`` reads every annotator's ratings, anything else the
    released means: they are the same responses.
    """
    wanted = Wanted(True, format, split, subset, revision)
    return read_rows(path_or_hub_id, wanted, Parser(RATINGS, format), _rating_id)


def input_files(path: str | Path, *, rated: bool = False, format: str = AUTO) -> list[Path]:
    """Return the files that ``path`` means: what is read of it, for digests.

    None for a hub id and for ``-``.

    Args:
        rated: whether :func:`read_rated` reads it, or :func:`read_annotated`.

    Raises:
        UsageError: when there is no such path, or nothing in the folder that would be read.
    """
    if str(path) == "-" or is_hub_id(str(path)):
        return []
    return files_of(Path(path), rated, format)


def _pair_id(item: AnnotatedPair) -> str:
    return item.pair.pair_id


def _rating_id(item: RatedResponse) -> str:
    return item.rating_id


def read_rows(
    name: str,
    wanted: Wanted,
    parser: RowParser[T],
    id_of: Callable[[T], str | None],
    empty: bool = False,
) -> Iterator[T | Problem]:
    """Yield what the rows of an input hold, and every problem where it occurs, in file order.

    Args:
        name: as of :func:`read_annotated`.
        id_of: what may be there once only; None where it may be there again.
        empty: take a response without a word for one.

    Raises:
        UsageError: as of :func:`read_annotated`.
    """
    seen = IdSet()
    rows = unknown = 0
    fields = ""
    for there in open_inputs(name, wanted):
        for record, problem in _records(there):
            rows += 1
            if problem is not None:
                yield problem
                continue
            try:
                row = Row(row_fields(record.row), there.split, there.subset, empty=empty)
            except RowError as error:
                yield _problem(there, record, reason_of(error), error.detail)
                continue
            found = _parse(row, parser, id_of, seen)
            for reason, detail in row.problems:
                yield _problem(there, record, reason, detail)
            if found is None:
                unknown += 1
                fields = fields or ", ".join(map(str, row.fields))[:LONGEST_DETAIL]
            else:
                yield from (f for f in found if wanted.rows_of in (None, f.split))
    if not rows:
        raise UsageError(f"{name} has no rows")
    if unknown == rows:
        raise UsageError(
            f"{name}: no row has a known format; the first has the fields {fields};"
            f" expected those of {parser.names()} (docs/formats.md)"
        )


def _records(there: Input) -> Iterator[tuple[Record, Problem | None]]:
    """Yield the input's records; where it breaks off, a last one with the problem."""
    last = Record(0, b"")
    try:
        for last in there.records():
            yield last, None
    except DamagedInput as error:
        detail = f"damaged after row {error.row}: {error.why}"
        yield last, _problem(there, Record(error.row + 1, b""), "unreadable", detail)
    except UsageError as error:
        yield last, _problem(there, Record(0, b""), "unreadable", str(error))


def _parse(
    row: Row, parser: RowParser[T], id_of: Callable[[T], str | None], seen: IdSet
) -> list[T] | None:
    """Return what the row holds; None where it is of no known format.

    What is wrong with it is added to its problems; then the list is empty.
    """
    try:
        found = parser.parse(row)
        if found is None:
            expected = f"no known format has these fields; expected {parser.names()}"
            row.problems.append(("missing_field", expected))
        for item in found or ():
            key = id_of(item)
            if key is not None and not seen.add(key):
                raise Unusable("duplicate_id", f"{key!r} was read before")
        return found
    except Unusable as bad:
        row.problems.append((bad.reason, str(bad)))
    except RowError as error:
        row.problems.append((reason_of(error), error.detail))
    return []


def _problem(there: Input, record: Record, reason: ProblemReason, detail: str) -> Problem:
    return Problem(
        file=there.label, line=record.line, reason=reason, detail=detail[:LONGEST_DETAIL]
    )

"""Rows of CSV and Parquet files, in bounded memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from judge.errors import RowError, UsageError
from judge.formats.cells import fields_of
from judge.formats.lines import LONGEST_LINE, TooLong, too_long
from judge.formats.values import CONVERSATIONS, ID_FIELDS

SCHEMAS: tuple[tuple[str, str, str], ...] = (
    ("prompt", "response_1", "response_2"),
    ("prompt", "chosen", "rejected"),
    ("question", "response_A", "response_B"),
)
"""Names of prompt, response_1 and response_2: ours and HelpSteer2-Preference's, RewardBench's,
JudgeBench's. No label is among them, so none can reach the judge."""
EXPECTED = "; or ".join(", ".join(names) for names in SCHEMAS) + (
    "; or chosen, rejected with whole conversations"
)
_KNOWN = tuple(
    dict.fromkeys([*ID_FIELDS, *(name for names in SCHEMAS for name in names), *CONVERSATIONS])
)
_AT_ONCE = 4 << 20
# Stands for the content of an overlong line; a private-use character keeps it out of real text.
_SKIPPED = "\ue000overlong line\ue000"


def check_columns(columns: Sequence[str], path: Path) -> None:
    """Refuse a table none of whose rows could be judged.

    Beside ``chosen`` and ``rejected`` there need be no prompt: they may be whole conversations.

    Raises:
        UsageError: when no schema of :data:`SCHEMAS` is whole.
    """
    prompts = {*CONVERSATIONS} & {*columns}
    if not any(
        {one, two} <= {*columns} and (prompt in columns or prompts or one == "chosen")
        for prompt, one, two in SCHEMAS
    ):
        found = ", ".join(columns)[:200] or "none"
        raise UsageError(f"{path} has the columns {found}; expected {EXPECTED}")


def csv_rows(
    lines: Iterable[bytes | TooLong], path: Path, labels: bool = False, usual: str = ","
) -> Iterator[Mapping[str, Any] | RowError]:
    """Yield the records after the header, blank ones left out; a damaged one is a RowError.

    Bytes that are no UTF-8 become lone surrogates, which :mod:`judge.formats.fields` reports. Where
    quotation marks do not stand as CSV has them, one is missing somewhere: the record is no row.

    Args:
        labels: whether the rows are read with their labels, whatever columns there are.
        usual: what stands between cells, unless the header or a line ``sep=;`` before it says
            otherwise.

    Raises:
        UsageError: when the header has no known columns, one twice, or there is none.
        EOFError: when a quotation mark is never closed, so the rest of the file is one record.
    """
    skipped: list[int] = []
    texts, delimiter = _delimited(_texts(lines, skipped), usual)
    reader = csv.reader(texts, strict=True, delimiter=delimiter)
    header: list[str] | None = None
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        while True:
            row = _next(reader)
            if row is None:
                break
            if skipped:
                row = too_long(max(skipped))
                skipped.clear()
            if header is None and not isinstance(row, RowError):
                header = _header(row, path, labels)
            elif row:
                yield row if isinstance(row, RowError) else _cells(header or [], row)
    finally:
        csv.field_size_limit(before)
    if header is None:
        raise UsageError(f"{path} has no header; expected the names of columns")


def _header(row: Sequence[str], path: Path, labels: bool) -> list[str]:
    header = [name.strip() for name in row]
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{path} has two columns {twice}; expected every name once")
    if not labels:
        check_columns(header, path)
    return header


def _delimited(texts: Iterator[str], usual: str) -> tuple[Iterator[str], str]:
    """Return the lines from the header on, and what stands between its names.

    Spreadsheets write what their country writes: a comma, a semicolon, a tab. A first line
    ``sep=;`` is theirs, too, and says it.
    """
    first = next(texts, "")
    said = re.fullmatch(r"sep=([^\w\s]|\t)\s*", first, re.IGNORECASE)
    if said:
        return texts, said[1]
    names = {mark: _count(first, mark) for mark in dict.fromkeys((usual, ",", ";", "\t"))}
    return chain([first] if first else [], texts), max(names, key=names.__getitem__)


def _count(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _texts(lines: Iterable[bytes | TooLong], skipped: list[int]) -> Iterator[str]:
    """Yield lines as text; an overlong one gives a placeholder with the same parity of quotes."""
    for number, line in enumerate(lines):
        if isinstance(line, TooLong):
            skipped.append(line.length)
            yield '"' * (line.quotes % 2) + _SKIPPED + "\n"
        else:
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix("\ufeff") if number == 0 else text


def _next(reader: Any) -> list[str] | RowError | None:
    """Return the next record, None after the last; one that cannot be read is a RowError.

    Raises:
        EOFError: when the file ends inside quotation marks.
    """
    first = reader.line_num + 1
    try:
        row: list[str] | None = next(reader, None)
        return row
    except csv.Error as error:
        if "field limit" in str(error):
            return RowError("line_too_long", f"a field over {LONGEST_LINE:,} bytes: quote missing?")
        if "unexpected end" in str(error):
            raise EOFError(
                f"a quotation mark in the record of line {first} is never closed"
            ) from None
        last = reader.line_num
        where = f"line {first}" if last == first else f"lines {first} to {last}"
        return RowError("bad_json", f"{where}: no CSV record: {error}; a quotation mark missing?")


def _cells(header: Sequence[str], row: Sequence[str]) -> Mapping[str, Any] | RowError:
    try:
        return fields_of(header, row)
    except RowError as error:
        return error


def parquet_file(path: Path) -> Any:
    """Open a Parquet file.

    Raises:
        UsageError: when it is none, or pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as parquet
        from pyarrow import ArrowException
    except ModuleNotFoundError:
        raise UsageError(f"reading {path} needs `pip install pyarrow`") from None
    try:
        return parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path} is not a Parquet file: {' '.join(str(error).split())}") from None


def parquet_rows(path: Path, labels: bool = False) -> Iterator[Mapping[str, Any] | RowError]:
    """Yield the rows of a Parquet file; unless asked for, labels are not even read from the disk.

    Args:
        labels: whether the rows are read with their labels, whatever columns there are.

    Raises:
        UsageError: as :func:`parquet_file`, and when no known columns are there.
        OSError: for a damaged page.
    """
    file = parquet_file(path)
    columns = list(file.schema_arrow.names)
    if not labels:
        check_columns(columns, path)
        columns = [name for name in columns if name in _KNOWN]
    for batch in _batches(file, columns):
        try:
            rows = batch.to_pylist()
        except UnicodeDecodeError:
            rows = [_parquet_row(batch, index) for index in range(batch.num_rows)]
        yield from rows
        del rows  # before the next ones are made


def _batches(file: Any, columns: list[str]) -> Iterator[Any]:
    from pyarrow import ArrowException

    """Yield pieces of a file that hold about 4 MiB, or one row."""
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    longest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    size = max(1, min(64, _AT_ONCE // max(longest, 1)))
    try:
        for batch in file.iter_batches(batch_size=size, columns=columns):
            rows = max(1, batch.num_rows * _AT_ONCE // max(batch.nbytes, 1))
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)
    except ArrowException as error:
        raise OSError(str(error)) from None


def _parquet_row(batch: Any, index: int) -> Mapping[str, Any] | RowError:
    try:
        row: dict[str, Any] = batch.slice(index, 1).to_pylist()[0]
        return row
    except UnicodeDecodeError as error:
        return RowError("bad_encoding", f"a text of the row is not valid UTF-8: {error.reason}")

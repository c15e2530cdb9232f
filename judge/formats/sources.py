"""Where rows come from: files, stdin and the hub, read as a stream of raw records.

Everything that says what a row *is* (a non-blank line, a CSV record) lies here, and nothing that
says whether it is any good (:mod:`judge.formats.fields`).

Rule for damage inside a file (a truncated gzip member, a broken Parquet page, a quotation mark of a
CSV that is never closed): the whole rows before it are used, a line that the damage cuts is no row,
and then comes a :class:`DamagedInput` that says after which row it broke. Judging ends there;
annotated data goes on with the next file.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from judge.errors import RowError, UsageError
from judge.formats.encodings import as_utf8, is_gzipped, unpacked
from judge.formats.hub import HubSource
from judge.formats.lines import TooLong, bounded_lines, too_long
from judge.formats.records import DamagedInput, Record, Source
from judge.formats.tables import csv_rows, parquet_file, parquet_rows

_BOM = b"\xef\xbb\xbf"
PAIRS = "pairs"
_READ_ERRORS = (OSError, EOFError, zlib.error)


def open_source(
    name: str,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    rows: str = PAIRS,
) -> Source:
    """Return the source of rows that ``name`` means: ``-``, a file or else a hub data set id.

    Args:
        rows: what they are; a table of anything but pairs may have any columns.

    Raises:
        UsageError: when it is none of them, or a file that cannot be opened.
    """
    if name == "-":
        return StdinSource()
    path = Path(name)
    if path.is_dir():
        raise UsageError(f"{name} is a folder; expected a file of {rows} in it")
    if path.exists() or table_format(path):
        return FileSource.open(path, labels=rows != PAIRS)
    return HubSource(name, split, subset, revision)


def doubtful_end(source: Source) -> str | None:
    """Return why nobody can tell whether the last row of ``source`` is whole; None where one can.

    JSON closes its objects, a gzipped file has a checksum, a Parquet file its footer. A CSV ends
    with a line end or a quotation mark, or anywhere: some programs write no last line end.
    """
    if not isinstance(source, FileSource) or source.format not in _SEPARATED or source.compressed:
        return None
    with source.path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 4))
        if file.read().rstrip(b"\0")[-1:] in (b"", b"\n", b"\r", b'"'):
            return None
    return f"{source.path} ends without a line end: if it was cut there, its last row is not whole"


def table_format(path: Path) -> str:
    """Return the format that a file's name says (``.jsonl`` also of ``.NDJSON.gz``), else ""."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return _SUFFIXES.get(suffix, "")


def unknown_format(path: Path) -> UsageError:
    """Return what is wrong with a file of another kind, and what to do about it."""
    suffix = path.suffix.lower()
    cure = _CURES.get(suffix)
    hint = f"; {cure}" if cure else ""
    return UsageError(f"{path}: unknown format; expected {KNOWN_SUFFIXES}, each also .gz{hint}")


@dataclass(frozen=True)
class FileSource:
    """A file: ``.jsonl``, ``.json`` (an array), ``.csv``, ``.tsv``, all also gzipped; Parquet."""

    path: Path
    format: str
    labels: bool = False
    """Whether a table is read with its labels, whatever columns it has."""

    @classmethod
    def open(cls, path: Path, labels: bool = False) -> FileSource:
        known = table_format(path)
        if not known:
            raise unknown_format(path)
        try:
            path.open("rb").close()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        return cls(path, known, labels)

    def identity(self) -> str:
        with self.path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:32]

    def count(self) -> int | None:
        if self.format == ".parquet":
            return int(parquet_file(self.path).metadata.num_rows)
        try:
            if self.format == ".jsonl":
                with self._stream() as stream:
                    return sum(1 for _ in _jsonl_lines(stream))
            return sum(1 for _ in self.records())
        except (UsageError, *_READ_ERRORS):
            return None

    def records(self) -> Iterator[Record]:
        last = 0
        try:
            with self._stream() as stream:
                for record in _FORMATS[self.format](stream, self):
                    last = record.line
                    yield record
        except _READ_ERRORS as error:
            raise DamagedInput(self.path, last, error) from None

    @property
    def compressed(self) -> bool:
        """Whether it is gzipped, by its name or its content."""
        with self.path.open("rb") as file:
            return self.path.name.lower().endswith(".gz") or is_gzipped(file.read(2))

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        with ExitStack() as opened:
            stream: IO[bytes] = opened.enter_context(self.path.open("rb", buffering=1 << 20))
            if self.format != ".parquet":
                if self.compressed:
                    stream = opened.enter_context(unpacked(stream))
                stream = as_utf8(stream)
            yield stream


@dataclass(frozen=True)
class StdinSource:
    """JSON lines on the standard input. To resume, pipe in the same lines again."""

    def identity(self) -> str:
        return "stdin"

    def count(self) -> int | None:
        return None

    def records(self) -> Iterator[Record]:
        try:
            yield from _jsonl_records(as_utf8(sys.stdin.buffer))
        except EOFError as error:
            raise UsageError(f"the standard input breaks off: {error}") from None


def _jsonl_records(stream: IO[bytes], file: FileSource | None = None) -> Iterator[Record]:
    for number, line in _jsonl_lines(stream):
        yield Record(number, too_long(line.length) if isinstance(line, TooLong) else line)


def _jsonl_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | TooLong]]:
    """Yield the lines that are no blank ones, with their numbers."""
    for number, line in enumerate(bounded_lines(stream), start=1):
        if isinstance(line, bytes):
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line or line.isspace():
                continue
        yield number, line


def _json_records(stream: IO[bytes], file: FileSource) -> Iterator[Record]:
    try:
        rows = json.loads(stream.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        hint = " (JSON lines? name it .jsonl)" if "Extra data" in str(error) else ""
        raise UsageError(
            f"{file.path} is not valid JSON{hint}: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(rows, list):
        raise UsageError(f"{file.path} holds {type(rows).__name__}; expected an array of rows")
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield Record(number, row)
        else:
            found = type(row).__name__
            yield Record(number, RowError("wrong_type", f"row is {found}, expected an object"))


def _csv_records(stream: IO[bytes], file: FileSource) -> Iterator[Record]:
    usual = "\t" if file.format == ".tsv" else ","
    rows = csv_rows(bounded_lines(stream), file.path, file.labels, usual)
    for number, row in enumerate(rows, start=1):
        yield Record(number, row)


def _parquet_records(stream: IO[bytes], file: FileSource) -> Iterator[Record]:
    for number, row in enumerate(parquet_rows(file.path, file.labels), start=1):
        yield Record(number, row)


_FORMATS: dict[str, Callable[[IO[bytes], FileSource], Iterator[Record]]] = {
    ".jsonl": _jsonl_records,
    ".json": _json_records,
    ".csv": _csv_records,
    ".tsv": _csv_records,
    ".parquet": _parquet_records,
}
_SEPARATED = (".csv", ".tsv")
_SUFFIXES = {**{suffix: suffix for suffix in _FORMATS}, ".ndjson": ".jsonl", ".tab": ".tsv"}
KNOWN_SUFFIXES = ".jsonl (.ndjson), .json, .csv, .tsv or .parquet"
_CURES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "save it as CSV"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".zst", ".bz2", ".xz", ".7z"), "unpack it"),
    **dict.fromkeys((".arrow", ".feather", ".pkl", ".pickle"), "write it as Parquet"),
    ".txt": "name it after what it holds",
}

"""Where rows come from: files, stdin and the hub, read as a stream of raw records.

A record is one row before anyone looked at its fields. A resumed run skips records without
parsing them, so everything that says what a row *is* (a non-blank line, a CSV record) lies here,
and nothing that says whether it is any good (:mod:`judge.infer.pairs`).

Rule for damage inside a file (a truncated gzip member, a broken Parquet page): the whole rows
before it are judged and kept, a line that the damage cuts is no row, and then the run ends with a
:class:`~judge.errors.UsageError` that says after which row it broke.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from judge.errors import RowError, UsageError
from judge.infer.lines import bounded_lines, too_long
from judge.infer.tables import csv_rows, parquet_file, parquet_rows

_BOM = b"\xef\xbb\xbf"
_READ_ERRORS = (OSError, EOFError, zlib.error)

RawRow = bytes | Mapping[str, Any] | RowError
"""A line of JSON, the cells of a table's row, or why there is neither."""


class Record(NamedTuple):
    """One row of the input."""

    line: int
    """From 1: line of a JSON-lines file (blank ones count, but are no records), else row."""
    row: RawRow


class Source(Protocol):
    """An input of pairs."""

    def identity(self) -> str:
        """Return what tells this input from another one (a hash of the content, where it can)."""
        ...

    def count(self) -> int | None:
        """Return how many records there are; None where only reading them all would tell."""
        ...

    def records(self) -> Iterator[Record]:
        """Yield the records; memory holds one at a time, but for ``.json``."""
        ...


def open_source(name: str, split: str | None = None, subset: str | None = None) -> Source:
    """Return the source that ``name`` means: ``-``, a file or else a hub data set id.

    Raises:
        UsageError: when it is none of them, or a file that cannot be opened.
    """
    if name == "-":
        return StdinSource()
    path = Path(name)
    if path.is_dir():
        raise UsageError(f"{name} is a folder; expected a file of pairs in it")
    if path.exists() or _format(path):
        return FileSource.open(path)
    return HubSource(name, split, subset)


def _format(path: Path) -> str:
    suffix = Path(path.name.removesuffix(".gz")).suffix
    return suffix if suffix in (".jsonl", ".json", ".csv", ".parquet") else ""


@dataclass(frozen=True)
class FileSource:
    """A file: ``.jsonl``, ``.json`` (an array), ``.csv``, each also gzipped, or ``.parquet``."""

    path: Path
    format: str

    @classmethod
    def open(cls, path: Path) -> FileSource:
        known = _format(path)
        if not known:
            raise UsageError(
                f"{path}: unknown format; expected .jsonl, .jsonl.gz, .json, .csv or .parquet"
            )
        try:
            path.open("rb").close()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        return cls(path, known)

    def identity(self) -> str:
        with self.path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:32]

    def count(self) -> int | None:
        if self.format == ".parquet":
            return int(parquet_file(self.path).metadata.num_rows)
        try:
            return sum(1 for _ in self.records())
        except UsageError:
            return None

    def records(self) -> Iterator[Record]:
        last = 0
        try:
            with self._stream() as stream:
                for record in _FORMATS[self.format](stream, self.path):
                    last = record.line
                    yield record
        except _READ_ERRORS as error:
            raise UsageError(_damage(self.path, last, error)) from None

    def _stream(self) -> IO[bytes]:
        if self.path.name.endswith(".gz"):
            return cast("IO[bytes]", gzip.open(self.path, "rb"))
        return self.path.open("rb", buffering=1 << 20)


@dataclass(frozen=True)
class StdinSource:
    """JSON lines on the standard input. To resume, pipe in the same lines again."""

    def identity(self) -> str:
        return "stdin"

    def count(self) -> int | None:
        return None

    def records(self) -> Iterator[Record]:
        return _jsonl_records(sys.stdin.buffer, Path("stdin"))


@dataclass(frozen=True)
class HubSource:
    """A data set of the Hugging Face hub, streamed: ``owner/name`` or ``owner/name/folder``."""

    name: str
    split: str | None
    subset: str | None

    def identity(self) -> str:
        return f"hub:{self.name}:{self.subset}:{self.split}"

    def count(self) -> int | None:
        return None

    def records(self) -> Iterator[Record]:
        number = 0
        try:
            for number, row in enumerate(self._rows(), start=1):
                yield Record(number, row)
        except (*_READ_ERRORS, ValueError) as error:
            raise UsageError(_damage(self.name, number, error)) from None

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        try:
            from datasets import load_dataset
        except ModuleNotFoundError:
            raise UsageError(
                f"no file {self.name}; reading from the hub needs"
                " `pip install 'pairwise-justifier[hub]'`"
            ) from None
        owner_and_name, folder = _hub_folder(self.name)
        try:
            found = load_dataset(
                owner_and_name, name=self.subset, data_dir=folder, split=self.split, streaming=True
            )
        except Exception as error:  # the hub's client raises a dozen kinds, network ones included
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"{self.name} is neither a file nor a data set that the hub gives out: {reason}"
            ) from None
        if isinstance(found, dict):
            if len(found) > 1:
                raise UsageError(f"{self.name} has splits {', '.join(found)}; choose with --split")
            found = next(iter(found.values()))
        yield from found


def _hub_folder(name: str) -> tuple[str, str | None]:
    owner, slash, rest = name.partition("/")
    short, _, folder = rest.partition("/")
    return owner + slash + short, folder or None


def _damage(name: Path | str, last: int, error: BaseException) -> str:
    why = " ".join(str(error).split()) or type(error).__name__
    return f"{name} is damaged after row {last}: {why[:200]}; the rows before it are judged"


def _jsonl_records(stream: IO[bytes], path: Path) -> Iterator[Record]:
    for number, line in enumerate(bounded_lines(stream), start=1):
        data = line.data.removeprefix(_BOM) if number == 1 else line.data
        if line.too_long:
            yield Record(number, too_long(line.length))
        elif data and not data.isspace():
            yield Record(number, data)


def _json_records(stream: IO[bytes], path: Path) -> Iterator[Record]:
    try:
        rows = json.loads(stream.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        hint = " (JSON lines? name it .jsonl)" if "Extra data" in str(error) else ""
        raise UsageError(f"{path} is no JSON{hint}: {' '.join(str(error).split())}") from None
    if not isinstance(rows, list):
        raise UsageError(f"{path} holds {type(rows).__name__}; expected an array of rows")
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield Record(number, row)
        else:
            found = type(row).__name__
            yield Record(number, RowError("wrong_type", f"row is {found}, expected an object"))


def _csv_records(stream: IO[bytes], path: Path) -> Iterator[Record]:
    for number, row in enumerate(csv_rows(bounded_lines(stream), path), start=1):
        yield Record(number, row)


def _parquet_records(stream: IO[bytes], path: Path) -> Iterator[Record]:
    for number, row in enumerate(parquet_rows(path), start=1):
        yield Record(number, row)


_FORMATS = {
    ".jsonl": _jsonl_records,
    ".json": _json_records,
    ".csv": _csv_records,
    ".parquet": _parquet_records,
}

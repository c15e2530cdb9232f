"""What a path or a hub id means: the files, or the splits of a hub data set, that are read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from judge.annotated import Split
from judge.errors import UsageError
from judge.formats.hub import HubSource, Rows, fetched_files, hub_folder, rows_as_records
from judge.formats.records import Record, Source
from judge.formats.registry import DISAGREEMENTS
from judge.formats.rmb import is_rmb_file
from judge.formats.rows import SPLITS
from judge.formats.sources import KNOWN_SUFFIXES, FileSource, StdinSource, table_format

HELPSTEER2 = "nvidia/HelpSteer2"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(/[\w.-]+)*")
_RATINGS = ("train", "validation", "val", "test", "ratings")


@dataclass(frozen=True)
class Input:
    """One file, or one split of a hub data set."""

    label: str
    """Its name in a problem."""
    source: Source | _HubSplit
    split: Split | None
    """What its name says of its rows."""
    subset: str | None = None
    """The name of its folder, where that is the subset (LLMBar's ``dataset.json``)."""

    def records(self) -> Iterator[Record]:
        """Yield its rows."""
        return self.source.records()


@dataclass(frozen=True)
class _HubSplit:
    name: str
    rows: Rows

    def records(self) -> Iterator[Record]:
        return rows_as_records(self.name, self.rows)


@dataclass(frozen=True)
class Wanted:
    """What of a path or a hub id is read."""

    rated: bool
    """Ratings rather than pairs."""
    format: str
    split: str | None = None
    subset: str | None = None
    revision: str | None = None

    @property
    def rows_of(self) -> Split | None:
        """The split that rows must have; None for all of them."""
        return SPLITS.get(self.split or "")


def open_inputs(name: str, wanted: Wanted) -> list[Input]:
    """Return the inputs that ``name`` means: ``-``, a file, a folder or a hub id.

    Raises:
        UsageError: when there is nothing of the kind, or no such split.
    """
    if name == "-":
        return [Input("stdin", StdinSource(), None)]
    if is_hub_id(name):
        return _hub_inputs(name, wanted)
    return _local_inputs(Path(name), wanted)


def _local_inputs(root: Path, wanted: Wanted) -> list[Input]:
    files = files_of(root, wanted.rated, wanted.format)
    if wanted.split is not None and wanted.rows_of is None:
        files = [file for file in files if stem_of(file) == wanted.split]
        if not files:
            raise UsageError(f"{root} has no split {wanted.split}: no file is named after it")
    return [
        Input(
            label=file.name if file.parent == root or file == root else str(file.relative_to(root)),
            source=FileSource.open(file, labels=True),
            split=SPLITS.get(stem_of(file)),
            subset=_folder(file) if file.name.startswith("dataset.json") else None,
        )
        for file in files
    ]


def is_hub_id(name: str) -> bool:
    """Return whether ``name`` is no path here, but looks like ``owner/name`` on the hub."""
    path = Path(name)
    return not (path.exists() or table_format(path)) and bool(_HUB_ID.fullmatch(name))


def files_of(path: Path, rated: bool, format: str) -> list[Path]:
    """Return the files of ``path``: itself, or those of a data set's folder.

    Pairs: all of its folder ``preference``, else what is named ``preference*``, else all tables in
    it or in its folder ``data``, else LLMBar's ``dataset.json`` and the files of RMB's two folders
    at any depth. Ratings: ``train``, ``validation``, ``val``, ``test`` and ``ratings``, for the
    format ``disagreements`` those of the folder of this name, else all tables.

    Raises:
        UsageError: when there is no such path or no such file in it.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    try:
        found = _rated_files(path, format) if rated else _pair_files(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if not found:
        what = "ratings" if rated else "preference"
        raise UsageError(f"{path}: holds no {what}: no file named {KNOWN_SUFFIXES}, each also .gz")
    return found


def _pair_files(path: Path) -> list[Path]:
    if (path / "preference").is_dir():
        return _tables(path / "preference")
    tables = _tables(path)
    named = [file for file in tables if file.name.startswith("pref")]
    return named or tables or _tables(path / "data") or _deeper(path)


def _deeper(path: Path) -> list[Path]:
    there = (file for file in path.rglob("*") if table_format(file))
    return sorted(f for f in there if f.name.startswith("dataset.json") or is_rmb_file(f))


def _rated_files(path: Path, format: str) -> list[Path]:
    if format == DISAGREEMENTS and (path / DISAGREEMENTS).is_dir():
        return _tables(path / DISAGREEMENTS)
    tables = _tables(path)
    named = [file for name in _RATINGS for file in tables if stem_of(file) == name]
    return named or tables


def _tables(folder: Path) -> list[Path]:
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(file for file in files if file.is_file() and table_format(file))


def _folder(file: Path) -> str:
    """Return the name of a file's folder, also where it was given as ``.`` from inside."""
    return Path(os.path.abspath(file)).parent.name


def stem_of(file: Path) -> str:
    """Return the first part of a file's name: ``train`` of ``train-00000-of-00001.parquet``."""
    return re.split(r"[.-]", file.name)[0]


def _hub_inputs(name: str, wanted: Wanted) -> list[Input]:
    repository, folder = hub_folder(name)
    if repository == HELPSTEER2 and folder is None:
        folder = DISAGREEMENTS if wanted.format == DISAGREEMENTS else None
        folder = folder if wanted.rated else "preference"
        name = f"{repository}/{folder}" if folder else name
    fetched = fetched_files(repository, folder or wanted.subset, wanted.revision)
    if fetched is not None:
        return _local_inputs(fetched, wanted)
    there = HubSource(name, None, wanted.subset, wanted.revision).splits()
    return [
        Input(f"{name}:{split}", _HubSplit(name, there[split]), _hub_split(split, there, wanted))
        for split in _chosen(name, list(there), wanted)
    ]


def _chosen(name: str, there: list[str], wanted: Wanted) -> list[str]:
    """Return the splits of the hub that are read.

    All of them where their names are those of a training set. Where there is one only, its name
    says nothing (HelpSteer2's validation pairs stand in ``train``): the rows' own ``split`` does.
    """
    if wanted.split in there:
        exact = [wanted.split]
    elif wanted.rows_of is not None:
        exact = [s for s in there if SPLITS.get(s) == wanted.rows_of]
    else:
        exact = []
    if exact or (len(there) == 1 and (wanted.split is None or wanted.rows_of is not None)):
        return exact or there
    if wanted.split is None and all(split in SPLITS for split in there):
        return there
    known = f"{name} has the splits {', '.join(there)}"
    if wanted.split is None:
        raise UsageError(f"{known}; choose one")
    raise UsageError(f"{known}; expected one of them, not {wanted.split}")


def _hub_split(split: str, there: dict[str, Rows], wanted: Wanted) -> Split | None:
    return SPLITS.get(split) if len(there) > 1 or wanted.split == split else None

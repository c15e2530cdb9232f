"""Writes a prepared folder: whole or not at all, and never over another configuration's."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from judge.errors import UsageError
from judge.runs.identity import ANEW, refuse_another
from judge.runs.training import OutputFile
from judge.runs.whole import write_whole

MANIFEST, DISAGREEMENTS = "manifest.json", "disagreements.jsonl"
SET_FILES = ("train.jsonl", "val.jsonl", DISAGREEMENTS)
UNFINISHED = ".unfinished"
_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def digest(file: Path) -> str:
    """Return the sha256 of a file's bytes, in hex.

    Raises:
        UsageError: when it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None


def refuse_another_config(output: Path, identity: dict[str, Any]) -> None:
    """Raise UsageError when ``output`` holds training sets that ``identity`` would not reproduce.

    The message names the fields that differ.
    """
    manifest = output / MANIFEST
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; expected a folder")
    if not manifest.exists():
        found = [name for name in SET_FILES if (output / name).exists()]
        if found:
            raise UsageError(f"{output}: holds {found[0]} without a manifest. {ANEW}")
        return
    try:
        before = orjson.loads(manifest.read_bytes())
        old = {f"{p}.{k}": v for p in identity for k, v in before[p].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise UsageError(f"{manifest}: is not a manifest. {ANEW}") from None
    new = {
        f"{part}.{key}": value for part, values in identity.items() for key, value in values.items()
    }
    refuse_another(output, old, new, "training sets", ANEW)


class SetFile:
    """A file of JSON lines under way, with what the manifest says of it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", 1 << 20)
        self._hash = hashlib.sha256()
        self.rows = 0

    def write(self, lines: Sequence[bytes]) -> None:
        """Add lines, which have no line ends yet."""
        data = b"".join(line + b"\n" for line in lines)
        self._file.write(data)
        self._hash.update(data)
        self.rows += len(lines)

    def close(self) -> OutputFile:
        """Wait until the file is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return OutputFile(rows=self.rows, sha256=self._hash.hexdigest())


class Workshop:
    """The hidden folder inside ``output`` in which its files are made; use in a ``with`` statement.

    :meth:`publish` moves them out. Without it, as after an error or Ctrl-C, ``output`` is left as
    it was found. What a killed process left there is cleared by the next one.

    Raises:
        UsageError: when the disk refuses, or another process prepares the same folder.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._made = not output.exists()
        self._lock = -1
        self.folder = output / UNFINISHED

    def __enter__(self) -> Workshop:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self.folder.iterdir():
                left.unlink()
        except BlockingIOError:
            os.close(self._lock)
            raise UsageError(f"{self._output}: is being prepared by another process") from None
        except OSError as error:
            raise UsageError(f"{self._output}: cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        if self._made:
            with suppress(OSError):
                self._output.rmdir()  # refused where it holds the files
        if isinstance(error, OSError):
            raise UsageError(f"{self._output}: cannot be written: {error.strerror}") from None

    def publish(self, names: Sequence[str], manifest: dict[str, Any]) -> None:
        """Move the files ``names`` out, then write the manifest.

        The old manifest goes first: a folder with a manifest is always a complete one.
        """
        write_whole(self.folder / MANIFEST, orjson.dumps(manifest, option=_INDENTED))
        (self._output / MANIFEST).unlink(missing_ok=True)
        for name in SET_FILES:
            if name not in names:
                (self._output / name).unlink(missing_ok=True)
        for name in (*names, MANIFEST):
            (self.folder / name).replace(self._output / name)

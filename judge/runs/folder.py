"""A run folder: what a run was asked to do, what it found, and how it goes on after a kill.

    config.json      version, resolved configuration, the identity that a resumed run must match
    judgments.jsonl  one line a judged pair, in input order
    failures.jsonl   one line a row without a usable verdict, in input order
    summary.json     written when a run ends; the only file with timings
    .lock            held while a process writes to the folder

A run of answers has ``responses.jsonl`` in place of the judgments (:mod:`judge.runs.responses`);
such a difference is a :class:`Layout`.

Rows come in windows. A window's failures are written and synced before its judgments, so that after
a kill the two files always show how far the last window got (see :meth:`RunDir.scan`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from judge import __version__
from judge.errors import UsageError
from judge.judgment import Failure, Judgment
from judge.runs.identity import ANEW, plain, refuse_another
from judge.runs.index import RunIndex, Scanned
from judge.runs.jsonlines import append_synced, read_rows, repair_tail
from judge.runs.layout import FAILURES as FAILURES
from judge.runs.layout import JUDGED, Key, Layout
from judge.runs.layout import JUDGMENTS as JUDGMENTS
from judge.runs.layout import RESPONSES as RESPONSES
from judge.runs.whole import refused_in_one_line, replace_json

CONFIG = "config.json"
INPUT_FROM_HERE = "input_from_here"
"""The field of ``config.json`` that says where the input lies, seen from the run folder: whoever
reads the run elsewhere, or after both were moved together, finds it."""
SUMMARY, REPORT, LOCK = "summary.json", "report.html", ".lock"
_RESULTS = (JUDGMENTS, RESPONSES)
# config.json goes last: while any other file of a run exists, it does too.
_FILES = (*_RESULTS, FAILURES, SUMMARY, REPORT, CONFIG)


class RunDir:
    """A run folder held by this process.

    Use :meth:`open` in a ``with`` statement; nothing is changed before :meth:`begin`.
    """

    def __init__(self, path: Path, lock: int, fresh: bool, made: bool, layout: Layout) -> None:
        self.path = path
        self.layout = layout
        self._lock = lock
        self._fresh = fresh
        self._made = made
        self.config = None if fresh else self._read_config()

    @classmethod
    def open(cls, path: Path, fresh: bool = False, layout: Layout | None = None) -> RunDir:
        """Lock the folder at ``path``, making it where there is none.

        Args:
            fresh: begin again: :meth:`begin` removes the files of the run that lies there.
            layout: of the run's files; None: judgments.

        Raises:
            UsageError: when another process holds it, it is no folder, cannot be written to, holds
                a run of another kind, or files of these names without a readable ``config.json``.
        """
        made = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = _lock(path)
        except OSError as error:
            raise UsageError(f"cannot use the run folder {path}: {error.strerror}") from None
        try:
            return cls(path, lock, fresh, made, layout or JUDGED)
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> RunDir:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock; a folder made for a run that never began is removed again."""
        if self._made and not (self.path / CONFIG).exists():
            with suppress(OSError):
                (self.path / LOCK).unlink()
                self.path.rmdir()
        os.close(self._lock)

    def check(self, identity: Mapping[str, Any]) -> None:
        """Compare ``identity`` with the folder's; fields that only one of them has are left out.

        Raises:
            UsageError: naming every field that differs, with its value there and now.
        """
        if self.config is None:
            return
        refuse_another(self.path, self.config["identity"], identity, "a run", ANEW, shared=True)

    def begin(self, config: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        """Make the folder this run's: clear it when fresh, write ``config.json`` where none is.

        Raises:
            UsageError: when the disk refuses (full, read-only).
        """
        if self._fresh:
            with refused_in_one_line(self.path):
                for name in _FILES:
                    (self.path / name).unlink(missing_ok=True)
            self._fresh = False
        if self.config is None:
            own = plain(identity)
            canonical = json.dumps(own, sort_keys=True).encode()
            self.config = {
                "version": __version__,
                "digest": hashlib.sha256(canonical).hexdigest()[:16],
                "identity": own,
                "config": plain(config),
                **self._input_from_here(config),
            }
            replace_json(self.path / CONFIG, self.config)
        with refused_in_one_line(self.path):
            for name in (self.layout.results, FAILURES):
                (self.path / name).touch()

    def _input_from_here(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return the way from the folder to an input that was named from where the run began."""
        named = str(config.get("input", "-"))
        if named == "-" or os.path.isabs(named) or not os.path.exists(named):
            return {}
        return {INPUT_FROM_HERE: os.path.relpath(os.path.realpath(named), self.path.resolve())}

    def scan(self, keep: int) -> RunIndex:
        """Repair torn tails and read what is recorded; nothing for a fresh run.

        A torn tail is a last line that lost its newline or is no whole JSON object: a killed
        process or machine leaves one, and the window it belongs to is judged again.

        Args:
            keep: how many of the last lines of each file to keep in full, ids included.

        Raises:
            UsageError: for damage anywhere else.
        """
        recorded = RunIndex(keep)
        if self._fresh or self.config is None:
            return recorded
        recorded.add_judgments(self._scan_file(self.layout.results, self.layout.result))
        recorded.add_failures(self._scan_file(FAILURES, self.layout.failure))
        return recorded

    def append(self, failures: Sequence[bytes], results: Sequence[bytes]) -> None:
        """Append a window's lines (newline included) and sync them, failures first.

        Raises:
            UsageError: when the disk refuses (full, read-only).
        """
        for name, lines in ((FAILURES, failures), (self.layout.results, results)):
            try:
                append_synced(self.path / name, b"".join(lines))
            except OSError as error:
                raise UsageError(
                    f"cannot write {self.path / name}: {error.strerror}; what is written is kept,"
                    " run the same command again to continue"
                ) from None

    def cut(self, failures: int, results: int) -> None:
        """Cut both files to these lengths in bytes, results first."""
        with refused_in_one_line(self.path):
            os.truncate(self.path / self.layout.results, results)
            os.truncate(self.path / FAILURES, failures)

    def read_back(self, name: str, offset: int) -> list[bytes]:
        """Return the lines of ``name`` from byte ``offset`` on."""
        with open(self.path / name, "rb") as file:
            file.seek(offset)
            return file.readlines()

    def read_summary(self) -> dict[str, Any] | None:
        """Return ``summary.json``, or None where there is none or it is unreadable."""
        try:
            summary = json.loads((self.path / SUMMARY).read_bytes())
        except (OSError, ValueError):
            return None
        return summary if isinstance(summary, dict) else None

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json`` in one step."""
        replace_json(self.path / SUMMARY, summary)

    def drop_summary(self) -> None:
        """Remove the summary and the report: rows are about to be added that they do not count."""
        with refused_in_one_line(self.path):
            for name in (SUMMARY, REPORT):
                (self.path / name).unlink(missing_ok=True)

    def _read_config(self) -> dict[str, Any] | None:
        file = self.path / CONFIG
        others = [n for n in _RESULTS if n != self.layout.results and (self.path / n).exists()]
        if others:
            raise UsageError(f"{self.path} holds a run of another kind ({others[0]}). {ANEW}")
        if not file.exists():
            strays = [name for name in _FILES if (self.path / name).exists()]
            if strays:
                raise UsageError(
                    f"{self.path} holds {', '.join(strays)} but no {CONFIG}, so it is not a run"
                    " folder"
                )
            return None
        try:
            config = json.loads(file.read_bytes())
            config["identity"].items()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(f"{file} is unreadable; start again with --fresh") from None
        return dict(config)

    def _scan_file(self, name: str, key: Key) -> Iterator[Scanned]:
        path = self.path / name
        if not path.exists():
            return
        with refused_in_one_line(path):
            repair_tail(path)
        offset = 0
        with open(path, "rb", buffering=1 << 20) as file:
            for number, line in enumerate(file, start=1):
                try:
                    row, pair_id = key(line)
                except (ValueError, KeyError, TypeError):
                    raise UsageError(
                        f"line {number} of {path} is damaged; start again with --fresh"
                    ) from None
                yield offset, row, pair_id
                offset += len(line)


def inputs_of(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return where the input of a run may be, the likeliest place first: as it was named, as seen
    from the run folder, and below the folders that the run folder is in (older runs)."""
    named = str(config["config"].get("input", "-"))
    if named == "-" or os.path.isabs(named):
        return [named]
    folder = folder.resolve()
    places = [folder / config[INPUT_FROM_HERE]] if INPUT_FROM_HERE in config else []
    places += [above / named for above in folder.parents]
    return [named, *(os.path.normpath(place) for place in places if place.exists())]


def read_judgments(folder: Path) -> Iterator[Judgment]:
    """Yield the judgments of a run folder in input order; a torn last line is left out.

    Raises:
        UsageError: when the folder has none or a line is damaged.
    """
    return read_rows(folder / JUDGMENTS, Judgment.from_json)


def read_failures(folder: Path, every: int = 1) -> Iterator[Failure]:
    """Yield the failures of a run folder in input order; as :func:`read_judgments`.

    Args:
        every: only the first of each so many is read.
    """
    return read_rows(folder / FAILURES, Failure.model_validate, every)


def _lock(path: Path) -> int:
    """Return the descriptor of the folder's lock, which ends with the process that holds it."""
    file = path / LOCK
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise UsageError(
                f"{path} is in use by another judge process (pid {holder or 'unknown'});"
                " wait for it to end"
            ) from None
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == os.stat(file).st_ino:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        os.close(descriptor)  # its holder removed the file while we waited to open it

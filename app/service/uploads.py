"""Run folders and files of pairs that a manager sends: laid out, looked at, then imported as
``judge review`` and ``judge project import`` do it.

An import reads the files that were sent and no others: a run folder names its input by a path, and
whoever made the folder chose that path.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import BoundedSemaphore
from typing import IO, Any, Literal

from app.errors import NotAllowed, NotFound, Refused, ReviewError
from app.review.project import Content, Person
from app.service.access import allow
from app.service.importing import Imported, Importing
from app.store.database import Store
from app.unpacking import Unpacked
from judge.compare.systems import read_config
from judge.errors import JudgeError
from judge.formats.records import DamagedInput
from judge.formats.sources import FileSource, open_source, unknown_format
from judge.runs.folder import CONFIG, FAILURES, JUDGMENTS, SUMMARY

AT_ONCE = 2
"""Uploads that are read at the same time; each may hold a run's judgments in memory."""
MOST_ROWS = 200_000
UNPACKED = 4
"""So many times the limit of an upload may come out of its archives."""
LARGEST_ARRAY = 64 << 20
"""Bytes of a .json file, which is read as a whole."""
_OF_A_RUN = (CONFIG, JUDGMENTS, FAILURES, SUMMARY)


_PREFIX = "review-upload-"
"""Of the folders for temporary files; the process's number follows."""


def remove_leftovers() -> int:
    """Remove what processes that were killed left in the folder for temporary files; return how
    many uploads. Called when a server starts, which has none of its own yet."""
    removed = 0
    for path in Path(gettempdir()).glob(f"{_PREFIX}*-*"):
        number = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not number.isdecimal() or (int(number) != os.getpid() and _runs(int(number))):
            continue
        shutil.rmtree(path, ignore_errors=True)  # another person's stays
        removed += not path.exists()
    return removed


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # it is another person's, or cannot be told
    return True


@dataclass(frozen=True)
class Sent:
    """A file that a browser sent."""

    name: str
    """With its folders, where a folder was chosen."""
    content: IO[bytes]


class Uploads:
    """What managers send from a browser."""

    def __init__(self, store: Store, importing: Importing) -> None:
        self._store = store
        self._importing = importing
        self._reading = BoundedSemaphore(AT_ONCE)

    def check(self, who: Person, project_id: int) -> None:
        """Do nothing where the person may send files; asked before any of them is taken.

        Raises:
            NotFound, NotAllowed: no such project, or the person does not manage it.
        """
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")

    def add(
        self,
        who: Person,
        project_id: int,
        sent: Sequence[Sent],
        limit: int,
        content: Content = "tasks",
        evaluation: bool = False,
    ) -> Imported:
        """Add what was sent to a project. Nothing of it is kept but the tasks.

        Args:
            limit: bytes of an upload; :data:`UNPACKED` times as many may come out of it.
            evaluation: as :meth:`app.service.importing.Importing.run`.

        Raises:
            Refused: files that are damaged, hostile, too large or not what was said; nothing of
                them is added then.
            NotFound, NotAllowed: as :meth:`check`.
        """
        self.check(who, project_id)
        if not self._reading.acquire(timeout=30):
            raise Refused("other files are being read; please send yours again in a minute")
        try:
            with TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as made:
                folder = Path(made)
                with _in_one_line(folder):
                    files = _laid_out(folder, sent, limit * UNPACKED)
                    add = _Adding(self._importing, who, project_id, folder, evaluation)
                    return add.run(files) if content == "tasks" else add.other(files, content)
        finally:
            self._reading.release()


def _laid_out(folder: Path, sent: Sequence[Sent], limit: int) -> list[Path]:
    unpacked = Unpacked(folder, limit)
    for one in sent:
        unpacked.add(one.name, one.content)
    if not unpacked.files:
        if unpacked.ignored:
            raise unknown_format(folder / unpacked.ignored[0])
        raise Refused(
            "no file was sent; choose a run folder, an archive of one, or a file of pairs"
        )
    for path in unpacked.files:
        _check_size(path, limit)
    return unpacked.files


@dataclass(frozen=True)
class _Adding:
    importing: Importing
    who: Person
    project_id: int
    folder: Path
    evaluation: bool

    def run(self, files: Sequence[Path]) -> Imported:
        """Add a run folder, or files of pairs."""
        runs = [path.parent for path in files if path.name == CONFIG]
        if len(runs) > 1:
            raise Refused(f"{len(runs)} run folders at once; please send one after another")
        if not runs:
            strays = [path.name for path in files if path.name in (JUDGMENTS, FAILURES)]
            if strays:
                raise Refused(f"{strays[0]} came without {CONFIG}: send the whole run folder")
            return self._each(files, lambda path: self._pairs(path))
        pairs = _input_of(runs[0], [path for path in files if path.name not in _OF_A_RUN])
        _check_rows(pairs)
        done = self.importing.run(
            self.project_id, self._named(runs[0]), str(pairs), self.evaluation, self.who
        )
        if not (done.added or done.known or done.refused):
            raise Refused(f"the run judged no pair of {pairs.name}; send the file that it judged")
        return _naming(done, pairs)

    def other(self, files: Sequence[Path], content: Content) -> Imported:
        """Add gold tasks, attention checks, or the order of a queue."""
        if content == "queue":
            if len(files) != 1:
                raise Refused("please send one file: the disagreements.jsonl of judge compare")
            found = self.importing.informative(self.project_id, files[0], self.who)
            return Imported(added=0, known=found, judged=0, refused=0, reasons=())
        kind: Literal["gold", "attention"] = "gold" if content == "gold" else "attention"
        return self._each(
            files,
            lambda path: self.importing.checks(self.project_id, str(path), kind, self.who),
        )

    def _pairs(self, path: Path) -> Imported:
        return self.importing.pairs(self.project_id, str(path), self.evaluation, self.who)

    def _each(self, files: Sequence[Path], add: Any) -> Imported:
        for path in files:  # all of them, before anything of the first is added
            _check_rows(path)
        done = [_naming(add(path), path) for path in files]
        return Imported(
            **{name: sum(getattr(one, name) for one in done) for name in _COUNTS},
            reasons=tuple(reason for one in done for reason in one.reasons),
        )

    def _named(self, run: Path) -> Path:
        """Return the run folder under a name of its own: it is what the source is called."""
        if run != self.folder:
            return run
        named = self.folder / "run"
        named.mkdir()
        for name in _OF_A_RUN:
            if (self.folder / name).exists():
                (self.folder / name).rename(named / name)
        return named


_COUNTS = ("added", "known", "judged", "refused")


def _input_of(run: Path, others: Sequence[Path]) -> Path:
    """Return which of the files the run judged."""
    config = read_config(run)
    judged = str(config["identity"].get("input"))
    asked = Path(str(config["config"].get("input", "-"))).name
    named = next((path for path in others if path.name == asked), None)
    for path in others:
        if isinstance(found := open_source(str(path)), FileSource) and found.identity() == judged:
            return path
    if named is not None:
        raise Refused(f"{asked} has changed since the run judged it; send it as it was")
    if len(others) == 1:
        return others[0]
    known = f", {asked}," if asked not in ("", "-") else ""
    raise Refused(f"the pairs that the run judged{known} are missing; send that file along")


def _check_size(path: Path, limit: int) -> None:
    """Refuse a file that becomes too large when it is read: a gzipped one, or an array."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            if ".json" in path.suffixes and path.stat().st_size > LARGEST_ARRAY:
                raise Refused(f"{path}: an array of {LARGEST_ARRAY >> 20} MiB at most; write lines")
            return
    size = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 16):
                size += len(block)
                if size > limit or (".json" in path.suffixes and size > LARGEST_ARRAY):
                    raise Refused(f"{path} holds more than {limit >> 20:,} MiB")
    except (EOFError, OSError, ValueError) as error:
        raise Refused(f"{path} is damaged or cut: {error}") from None


def _check_rows(path: Path) -> None:
    """Read a file to its end: one that breaks off somewhere adds nothing.

    Raises:
        Refused: it does, or it holds more rows than one upload may.
    """
    try:
        for number, _ in enumerate(open_source(str(path)).records(), start=1):
            if number > MOST_ROWS:
                raise Refused(f"{path}: more than {MOST_ROWS:,} rows; send it in parts")
    except DamagedInput as error:
        raise Refused(f"{path}: damaged after row {error.row}: {error.why}") from None


def _naming(done: Imported, path: Path) -> Imported:
    """Return the result with the file's name before each line that was refused."""
    return done.model_copy(
        update={"reasons": tuple(f"{path.name}, {reason}" for reason in done.reasons)}
    )


@contextmanager
def _in_one_line(folder: Path) -> Iterator[None]:
    """Turn what is wrong with files into a refusal that names them as they were sent."""
    try:
        yield
    except (NotAllowed, NotFound):
        raise
    except (JudgeError, ReviewError, OSError) as error:
        text = str(error).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
        raise Refused(text.replace("; name a file with its pairs (--pairs)", "")) from None

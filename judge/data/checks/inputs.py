"""What a name means to the checks: its pairs and its ratings, readable as often as needed; and the
prompts of an evaluation set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from judge.annotated import AnnotatedPair, Problem, RatedResponse
from judge.data.checks.rows import CheckedRow, row_of
from judge.data.output import digest
from judge.errors import RowError, UsageError
from judge.formats.annotated import input_files, read_annotated, read_rated
from judge.formats.questions import question_of
from judge.formats.sources import open_source
from judge.pair import Message

_LOOKED_AT = 200
_Item = AnnotatedPair | RatedResponse | Problem


class Rows:
    """The rows of a file, a folder or a hub data set.

    A folder may hold pairs, ratings or both. Which kind it is shows in the first 200 rows.

    Args:
        name: the path or hub id.
        options: ``format``, ``split``, ``subset``, ``revision`` of the reading functions; None is
            left out.

    Raises:
        UsageError: for the standard input, which cannot be read again; when nothing can be read.
    """

    def __init__(self, name: str, **options: str | None) -> None:
        if name == "-":
            raise UsageError("-: the standard input cannot be checked: rows are read twice")
        self.name = name
        self._options = {key: value for key, value in options.items() if value is not None}
        self._rated = [rated for rated in (False, True) if self._holds(rated)]
        self.known = bool(self._rated)
        """Whether there are pairs or ratings."""
        if not self.known:  # reads it as pairs: each row is a problem, or the error says why
            self._rated = [False]

    def __iter__(self) -> Iterator[CheckedRow | Problem]:
        """Yield the rows, and every problem where it occurs: pairs, then ratings."""
        for rated in self._rated:
            for item in self._read(rated):
                yield item if isinstance(item, Problem) else row_of(item)

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every file that is read, by its path below the folder."""
        root = Path(self.name)
        files = {
            file
            for rated in self._rated
            for file in input_files(self.name, rated=rated, **self._format())
        }
        base = root if root.is_dir() else root.parent
        return {file.relative_to(base).as_posix(): digest(file) for file in sorted(files)}

    def _holds(self, rated: bool) -> bool:
        try:
            first = islice(self._read(rated), _LOOKED_AT)
            return any(not isinstance(item, Problem) for item in first)
        except UsageError:
            return False

    def _read(self, rated: bool) -> Iterator[_Item]:
        read: Callable[..., Iterator[Any]] = read_rated if rated else read_annotated
        return read(self.name, **self._options)

    def _format(self) -> dict[str, str]:
        return {key: value for key, value in self._options.items() if key == "format"}


class Prompts:
    """The prompts of an evaluation set: of pairs, of ratings, or questions alone.

    Questions are in a layout that ``judge respond`` takes, as MT-Bench, AlpacaEval or Arena-Hard;
    all turns of one are looked at.

    Raises:
        UsageError: when nothing can be read.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows = Rows(name)
        self._asked = not self._rows.known and any(True for _ in self._questions())

    def __iter__(self) -> Iterator[tuple[str, tuple[Message, ...]]]:
        """Yield an id and the messages of each row that can be read."""
        if self._asked:
            yield from self._questions()
        else:
            yield from (
                (row.row_id, row.prompt) for row in self._rows if isinstance(row, CheckedRow)
            )

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every file that is read, as :meth:`Rows.digests`."""
        path = Path(self.name)
        if self._asked:
            return {path.name: digest(path)} if path.is_file() else {}
        return self._rows.digests()

    def _questions(self) -> Iterator[tuple[str, tuple[Message, ...]]]:
        for record in open_source(self.name, rows="prompts").records():
            try:
                found = question_of(record)
            except RowError:
                continue
            yield found.id, found.messages

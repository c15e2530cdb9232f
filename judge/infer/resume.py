"""Where a run goes on: which windows of the input a run folder already holds.

Windows are cut from the input alone, so a window can be told finished by counting: it has as many
failures as are recorded on its lines, and all its other rows are results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import Any

from judge.errors import UsageError
from judge.formats.records import Record
from judge.runs.folder import FAILURES, RunDir
from judge.runs.index import RunIndex

WINDOW_LENGTH = 16 << 20
"""Bytes of the lines of a window: 64 of the longest lines would be half a gigabyte, more than once.
As a window's size it follows from the input alone."""


def windows_of(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """Yield the records ``size`` at a time, fewer where they are long: a window is held in memory.

    Whoever has read a window may empty it, so that its records are not held beside what they say.

    Raises:
        UsageError: from a damaged input, after the last, shorter window of what could be read.
    """
    window: list[Record] = []
    held = 0
    damage: UsageError | None = None
    try:
        for record in records:
            length = _length(record.row)
            if window and held + length > WINDOW_LENGTH:
                yield window
                window, held = [], 0
            window.append(record)
            held += length
            if len(window) == size:
                yield window
                window, held = [], 0
    except UsageError as error:
        damage = error
    if window:
        yield window
    if damage is not None:
        raise damage


def _length(value: Any) -> int:
    """Return the bytes of a line, or the characters of a table's row at any depth."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_length, value.values()))
    return sum(map(_length, value)) if isinstance(value, list) else 0


def limited(records: Iterator[Record], limit: int | None, reach: int) -> Iterator[Record]:
    """Yield the first ``limit`` records, and those up to line ``reach`` in any case.

    Args:
        reach: the last line with a recorded failure. A window is written failures first, so a
            killed run may have failures beyond a limit that the next one sets.
    """
    if limit is None:
        yield from records
        return
    line = 0
    for record in islice(records, limit):
        line = record.line
        yield record
    if line < reach:
        yield from takewhile(lambda record: record.line <= reach, records)


IdOf = Callable[[Record], str | None]


@dataclass
class Position:
    """Where a run stands in its input."""

    rows: int
    """Rows of the windows that are finished."""
    rest: Iterator[list[Record]] | None
    """The windows still to do, the first perhaps partly recorded; None when there are none."""
    judged: int = 0
    """RunIndex judgments of the first of them."""
    failed: int = 0
    """RunIndex failures of the first of them."""


def skip_finished(
    windows: Iterator[list[Record]], recorded: RunIndex, cut: bool, id_of: IdOf
) -> Position:
    """Pass over the windows that ``recorded`` holds, and settle their ids.

    Args:
        id_of: what the folder calls a record; None where it cannot be read.
        cut: a limit cuts the input, so the folder may hold more rows from an earlier run.

    Raises:
        UsageError: when the rows in the folder cannot have come from this input.
    """
    rows, judged_left, failed_left = 0, recorded.judged, len(recorded.failed_rows)
    previous: list[Record] = []
    for window in windows:
        failed = recorded.failed_between(window[0].line, window[-1].line)
        wanted = len(window) - failed
        if judged_left < wanted:
            if failed_left > failed:
                raise _foreign(f"failures are recorded after line {window[-1].line}")
            _check_ids(previous, recorded, judged_left, id_of)
            recorded.settle(judged_left, failed)
            return Position(rows, chain([window], windows), judged_left, failed)
        rows += len(window)
        judged_left -= wanted
        failed_left -= failed
        previous = window
    if not cut:
        if judged_left or failed_left:
            raise _foreign(f"the input ends after {rows} rows, the folder holds more")
        _check_ids(previous, recorded, 0, id_of)
    return Position(rows, None)


def _check_ids(window: list[Record], recorded: RunIndex, after: int, id_of: IdOf) -> None:
    """Compare the ids of the last finished window with those recorded ``after`` from the end."""
    wanted = [record for record in window if not recorded.failed_between(record.line, record.line)]
    start = len(recorded.judgments) - after - len(wanted)
    for record, line in zip(wanted, islice(recorded.judgments, max(start, 0), None), strict=False):
        if start < 0 or id_of(record) != line.pair_id:
            raise _foreign(f"row {record.line} is {id_of(record)!r}, recorded {line.pair_id!r}")


def unrecorded(
    folder: RunDir,
    recorded: RunIndex,
    ids: Collection[str | None],
    failures: list[bytes],
    results: list[bytes],
) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of a partly recorded window that the folder lacks.

    Where its recorded lines are not what the window gives now (an engine whose sums depend on the
    batch, a limit that had cut the window), they are cut off and the whole window is returned: a
    window's lines always come from one computation.

    Args:
        ids: of the window's rows.

    Raises:
        UsageError: when a recorded result is of no row of this window.
    """
    strays = [line.pair_id for line in recorded.judgments if line.pair_id not in ids]
    if strays:
        raise _foreign(f"row {strays[0]!r} is recorded where the input has others")
    starts, same = [], True
    for name, old, new in (
        (FAILURES, recorded.failures, failures),
        (folder.layout.results, recorded.judgments, results),
    ):
        size = (folder.path / name).stat().st_size
        starts.append(old[0].offset if old else size)
        same = same and folder.read_back(name, starts[-1]) == new[: len(old)]
    if same:
        return failures[len(recorded.failures) :], results[len(recorded.judgments) :]
    folder.cut(failures=starts[0], results=starts[1])
    return failures, results


def _foreign(found: str) -> UsageError:
    return UsageError(
        f"the run folder does not belong to this input: {found}."
        " Choose another --out, or start again with --fresh"
    )

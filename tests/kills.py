"""What a run appends to its files, and the folder of one that was killed at any byte of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from judge.runs import folder as rundir
from judge.runs.jsonlines import append_synced

Writes = list[tuple[str, bytes]]
"""Names of files and what was appended to them, in order."""


def writes_of(run: Callable[[], object]) -> Writes:
    """Return what an uninterrupted run appends."""
    log: Writes = []

    def logged(path: Path, data: bytes) -> None:
        log.append((path.name, data))
        append_synced(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rundir, "append_synced", logged)
        run()
    return log


def append_until(writes: Writes, cut: int, out: Path) -> None:
    """Append the first ``cut`` bytes to the files in ``out``, as a killed run has."""
    for name, data in writes:
        with (out / name).open("ab") as file:
            file.write(data[:cut])
        cut = max(0, cut - len(data))


def size_of(writes: Writes) -> int:
    """Return how many bytes were appended."""
    return sum(len(data) for _, data in writes)


def whole(writes: Writes, *names: str) -> tuple[bytes, ...]:
    """Return what the files of those names hold in the end."""
    return tuple(b"".join(data for file, data in writes if file == name) for name in names)

"""Files of JSON lines that survive a kill: encode, append and sync, cut a torn tail, read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import ValidationError

from judge.errors import UsageError

T = TypeVar("T")


def encode_line(row: Mapping[str, Any]) -> bytes:
    """Return ``row`` as one line of a run folder: UTF-8 JSON, fields in their order, newline.

    Raises:
        ValueError: for NaN or an infinity, which JSON has no words for.
    """
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def append_synced(path: Path, data: bytes) -> None:
    """Append ``data`` to the file (made where there is none) and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def repair_tail(path: Path) -> None:
    """Cut a file of JSON lines after its last whole object."""
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = _line_start(file, end)
            file.seek(start)
            if _is_object_line(file.read(end - start)):
                break
            end = start
        file.truncate(end)


def _line_start(file: IO[bytes], end: int) -> int:
    """Return where the last line of ``file[:end]`` starts; its own newline does not count."""
    block = 1 << 16
    position = end - 1
    while position > 0:
        low = max(0, position - block)
        file.seek(low)
        newline = file.read(position - low).rfind(b"\n")
        if newline >= 0:
            return low + newline + 1
        position = low
    return 0


def _is_object_line(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def read_rows(path: Path, parse: Callable[[dict[str, Any]], T], every: int = 1) -> Iterator[T]:
    """Yield what ``parse`` makes of each object of the file; a torn last line is left out.

    Args:
        every: only the first of each so many lines is read.

    Raises:
        UsageError: when the file cannot be read or a line before the last is damaged.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below; opened here for a clear error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            if (number - 1) % every:
                continue
            try:
                yield parse(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
                raise UsageError(f"line {number} of {path} is damaged") from None

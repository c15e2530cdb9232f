"""Files and folders that are there whole or not at all, whatever ends the process that writes them.

They are written beside their place, waited for until they are on the disk, and then renamed: a
reader meets the old one or the whole new one, and a kill leaves at most a ``.part`` that the next
write replaces.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from judge.errors import UsageError

PART = ".part"
"""The ending of what is not whole yet."""


@contextmanager
def refused_in_one_line(path: Path) -> Iterator[None]:
    """Turn what the disk refuses (full, read-only, no folder) into one line that names ``path``."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def part_of(path: Path) -> Path:
    """Return where a file lies while it is being written."""
    return path.with_name(f"{path.name}{PART}")


@contextmanager
def replacing(paths: Sequence[Path], parts: Sequence[Path] | None = None) -> Iterator[list[Path]]:
    """Yield the places to write files at that afterwards take the names ``paths``, all of them.

    After an error the files are as they were. For what says itself what the disk refuses, or opens
    its file itself (a database).

    Args:
        parts: where they are written; by default :func:`part_of` each.

    Raises:
        OSError: when the disk refuses.
    """
    places = [part_of(path) for path in paths] if parts is None else list(parts)
    try:
        yield places
        for place, path in zip(places, paths, strict=True):
            os.replace(place, path)
    finally:
        for place in places:
            with suppress(OSError):
                place.unlink(missing_ok=True)


@contextmanager
def whole_files(
    paths: Sequence[Path],
    parts: Sequence[Path] | None = None,
    check: Callable[[], None] | None = None,
) -> Iterator[list[IO[bytes]]]:
    """Yield files to write that take the names ``paths`` when everything is in them.

    Args:
        parts: as in :func:`replacing`.
        check: called before the names are given; what it raises leaves the old files.

    Raises:
        UsageError: in one line, when the disk refuses.
    """
    where = paths[0] if len(paths) == 1 else paths[0].parent
    with refused_in_one_line(where), replacing(paths, parts) as places:
        with ExitStack() as stack:
            files: list[IO[bytes]] = [stack.enter_context(open(p, "wb")) for p in places]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        if check is not None:
            check()


@contextmanager
def whole_file(path: Path, part: Path | None = None) -> Iterator[IO[bytes]]:
    """Yield a file to write that takes the name ``path`` when everything is in it.

    Raises:
        UsageError: in one line, when the disk refuses.
    """
    with whole_files([path], None if part is None else [part]) as (file,):
        yield file


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file in one step: it is always the old one or the whole new one.

    Args:
        content: bytes, or text that becomes UTF-8; half a surrogate pair is written as its escape.

    Raises:
        UsageError: in one line, when the disk refuses.
    """
    with whole_file(path) as file:
        file.write(content if isinstance(content, bytes) else _utf8(content))


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value`` as JSON in one step, as :func:`write_whole` does.

    Raises:
        UsageError: when the disk refuses.
    """
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def refuse_existing(place: Path) -> None:
    """Refuse to write a folder where something lies, before the work for it is done.

    Raises:
        UsageError: when ``place`` exists.
    """
    if place.exists():
        raise UsageError(f"{place} exists; name a new folder")


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``place`` that takes its name when everything is in it.

    Raises:
        UsageError: when ``place`` exists, or the disk refuses.
    """
    refuse_existing(place)
    part = place.absolute().parent / f".{place.name}{PART}"
    with refused_in_one_line(place):
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            yield part
            part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")

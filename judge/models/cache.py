"""The cache folder: where it is, and how what is made there appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from judge.errors import UsageError, first_line

CACHE_VARIABLE = "JUDGE_CACHE"
"""Environment variable that names another cache folder."""


def cache_folder() -> Path:
    """Return the folder that what is fetched and made from it is kept in; it need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("pairwise-justifier", appauthor=False)


@contextmanager
def working_beside(place: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yield an empty folder beside ``place``, on its file system, that is removed afterwards.

    Other processes that work beside the same place are kept out meanwhile, and what one that was
    killed left behind goes.

    Args:
        place: what is going to be made, and moved there by :func:`move`.
        waiting: called when another process is at it already.

    Raises:
        UsageError: in one line, when the system does not let one write there, or the disk is full.
    """
    from filelock import FileLock, Timeout
    from safetensors import SafetensorError

    partial = f".{place.name}.partial-"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.parent / f".{place.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            for left in place.parent.glob(f"{partial}*"):
                shutil.rmtree(left, ignore_errors=True)
            work = Path(tempfile.mkdtemp(dir=place.parent, prefix=partial))
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
        finally:
            lock.release()
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(
            f"cannot write to the cache {place.parent}: {why}; {CACHE_VARIABLE} names another"
            " folder"
        ) from None


def move(made: Path, place: Path) -> None:
    """Put the folder ``made`` in its place; what lies there, which is damaged, goes first."""
    if place.exists():
        place.rename(made.parent / "old")
    made.rename(place)

"""Whether what lies in a folder is what a command would make there: one check and one message.

A command that runs again in its own folder goes on or does nothing; with another input, model or
option it is refused, naming what differs.
"""

from __future__ import annotations

import filecmp
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from judge.errors import UsageError
from judge.runs.whole import part_of, refused_in_one_line, whole_files

ANEW = "Choose another --out, or start again with --fresh"
"""The remedy of a command that has both options."""
LONGEST = 80
"""Characters of a value in a message."""


def refuse_another(
    place: Path,
    there: Mapping[str, Any],
    now: Mapping[str, Any],
    what: str,
    remedy: str,
    shared: bool = False,
) -> None:
    """Compare what a folder was made of with what it would be made of now.

    Args:
        place: the folder, or the file that lies there.
        there: the fields of what lies there, as they come from its JSON file.
        now: the fields of today.
        what: what lies there: "a run", "training sets".
        remedy: what to do instead.
        shared: compare only the fields that both have: a later version has new ones.

    Raises:
        UsageError: naming every field that differs, with its value there and now.
    """
    now = plain(now)
    keys = [key for key in now if key in there] if shared else sorted({*there, *now})
    fields = "; ".join(
        f"{key} is {short(there.get(key))} there, {short(now.get(key))} now"
        for key in keys
        if there.get(key) != now.get(key)
    )
    if fields:
        raise UsageError(f"{place} holds {what} of another configuration: {fields}. {remedy}")


def refuse_others(paths: Sequence[Path], what: str) -> None:
    """Refuse to replace a file by another one; to be called as the ``check`` of whole files.

    Args:
        paths: the files, whose parts are written.
        what: what the first one holds that is there and differs from its part.

    Raises:
        UsageError: naming that file.
    """
    for path in paths:
        if path.exists() and not filecmp.cmp(part_of(path), path, shallow=False):
            raise UsageError(f"{path} holds {what}. {ANEW}")


@contextmanager
def made_files(paths: Sequence[Path], what: str, fresh: bool) -> Iterator[list[IO[bytes]]]:
    """Yield files to write that a command makes in its own folder, as the input of its run.

    They take their names when everything is in them; the same ones again change nothing.

    Args:
        paths: of one folder, which is made.
        what: others that lie there are, for the error.
        fresh: replace others.

    Raises:
        UsageError: when the folder holds others and ``fresh`` is not set, or the disk refuses.
    """
    with refused_in_one_line(paths[0] if len(paths) == 1 else paths[0].parent):
        paths[0].parent.mkdir(parents=True, exist_ok=True)
    check = None if fresh else partial(refuse_others, paths, what)
    with whole_files(paths, check=check) as files:
        yield files


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``value`` as it comes back from a JSON file."""
    found: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return found


def short(value: Any) -> str:
    """Return a value as a message names it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."

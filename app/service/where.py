"""Where a database of projects is: in a run folder, in a file, or at a URL."""

from __future__ import annotations

from pathlib import Path

from judge.errors import UsageError

DATABASE = "review.sqlite"
"""The database's name in a run folder."""


def database_url(where: str, new: bool = False) -> str:
    """Return the URL of the database that ``where`` means: a URL, a run folder or an SQLite file.

    Args:
        new: whether there need not be a database yet.

    Raises:
        UsageError: there is no such folder, or no database in it.
    """
    if "://" in where:
        return where
    path = Path(where)
    file = path / DATABASE if path.is_dir() else path
    if new and file.parent.is_dir():
        return f"sqlite:///{file}"
    if not file.is_file():
        raise UsageError(
            f"no database at {file}; expected a folder that `judge review` opened, an SQLite file"
            " or a URL"
        )
    return f"sqlite:///{file}"

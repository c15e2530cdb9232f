"""Backups, and copies from one kind of database to another, each verified row by row."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, select, text

from app.store.database import Store, Transaction
from app.store.schema import metadata
from judge.errors import UsageError
from judge.runs.whole import part_of, replacing

BATCH = 500


def backup(store: Store, file: Path) -> dict[str, int]:
    """Write the whole database, as it is at one moment, to a new SQLite file while it is in use.

    Of SQLite its own online backup; of PostgreSQL a copy (``pg_dump`` is the other way).

    Returns:
        How many rows each table has.

    Raises:
        UsageError: the file exists, cannot be written, or is not what was to be written.
    """
    if file.exists():
        raise UsageError(f"{file} exists; expected the name of a new file")
    part_of(file).unlink(missing_ok=True)
    try:
        with replacing([file]) as (part,):
            if store.is_sqlite:
                return _backup_sqlite(store, part)
            target = Store.open(f"sqlite:///{part}")
            try:
                return copy(store, target)
            finally:
                target.close()
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"cannot write {file}: {error}") from None
    finally:
        for ending in ("-wal", "-shm"):
            Path(f"{part_of(file)}{ending}").unlink(missing_ok=True)


def copy(source: Store, target: Store) -> dict[str, int]:
    """Copy every row of one database into another, empty one, and verify each of them.

    The source is read as it is at one moment; the target holds all of it or nothing.

    Returns:
        How many rows each table has.

    Raises:
        UsageError: the target is not empty, or a table is not the same there afterwards.
    """
    if source.revision() != target.revision():
        raise UsageError("the databases have different schemas; open both with this program first")
    copied: dict[str, int] = {}
    with source.reading() as there, target.writing() as here:
        if not source.is_sqlite:
            there.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        for table in metadata.sorted_tables:
            if here.scalar(select(func.count()).select_from(table)):
                raise UsageError(f"the target is not empty: it has rows in {table.name}")
        for table in metadata.sorted_tables:
            digest = hashlib.sha256()
            copied[table.name] = 0
            for rows in _batches(there, table):
                here.execute(insert(table), [dict(row) for row in rows])
                copied[table.name] += len(rows)
                _digest(digest, table, rows)
            again = hashlib.sha256()
            for rows in _batches(here, table):
                _digest(again, table, rows)
            if digest.digest() != again.digest():
                raise UsageError(f"the copy of {table.name} is not the same; nothing was copied")
            if not target.is_sqlite and "id" in table.c:
                _go_on_counting(here, table)
    return copied


def _backup_sqlite(store: Store, file: Path) -> dict[str, int]:
    target = sqlite3.connect(file)
    file.chmod(0o600)
    try:
        with store.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.backup(target)
        (found,) = target.execute("PRAGMA integrity_check").fetchone()
        if found != "ok":
            raise UsageError(f"the backup is damaged: {found}")
        count = "SELECT count(*) FROM "
        return {
            table.name: target.execute(f'{count}"{table.name}"').fetchone()[0]
            for table in metadata.sorted_tables
        }
    finally:
        target.close()


def _batches(tx: Transaction, table: Table) -> Iterator[list[Any]]:
    rows = tx.execute(
        select(table).order_by(*table.primary_key.columns),
        execution_options={"yield_per": BATCH},
    )
    for part in rows.mappings().partitions():
        yield list(part)


def _digest(digest: Any, table: Table, rows: list[Any]) -> None:
    for row in rows:
        for column in table.c:
            value = row[column.name]
            shown = value.isoformat() if hasattr(value, "isoformat") else repr(value)
            digest.update(f"{shown}\x1f".encode("utf-8", "surrogatepass"))


def _go_on_counting(tx: Transaction, table: Table) -> None:
    """Let PostgreSQL count on after the highest id that was copied."""
    tx.execute(
        text(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"
            f' (SELECT coalesce(max(id), 0) + 1 FROM "{table.name}"), false)'
        )
    )

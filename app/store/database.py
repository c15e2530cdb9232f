"""One database of projects: opened, migrated, its transactions."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from judge.errors import UsageError

Transaction = Connection
"""What the functions of :mod:`app.store` take as ``tx``."""
MIGRATIONS = Path(__file__).parent.parent / "migrations"
CONNECTIONS = 20
BUSY_SECONDS = 30
"""How long a transaction waits for another process that writes to the same SQLite file."""
_MIGRATING = 0x70616972  # the advisory lock under which PostgreSQL is migrated


class Store:
    """A database, open for any number of threads. SQLite has one writer at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        # Waiting here costs nothing; waiting inside SQLite is polling.
        self._writer = threading.Lock() if self.is_sqlite else nullcontext()

    @classmethod
    def open(cls, url: str, revision: str = "head") -> Store:
        """Open the database at ``url`` and bring its schema to ``revision``.

        Args:
            url: ``sqlite:///FILE`` (made where there is none) or
                ``postgresql+psycopg://USER:PASSWORD@HOST/DATABASE``.

        Raises:
            UsageError: for another kind of database, one that cannot be reached, or one that a
                newer version of the program made.
        """
        parsed = _parse(url)
        store = cls(_engine(parsed))
        try:
            store._migrate(revision)
        except DBAPIError as error:
            store.close()
            why = " ".join(str(error.orig).split())[:300]
            raise UsageError(f"cannot use the database {parsed}: {why}") from None
        except UsageError:
            store.close()
            raise
        return store

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Yield a transaction that is committed, and on the disk, when the block ends."""
        with self._writer, self.engine.connect() as connection:
            writer = connection.execution_options(writes=True)
            with writer.begin():
                yield writer

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Yield a transaction that only reads: on SQLite it sees one state of the database."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def revision(self) -> str | None:
        """Return the revision of the database's schema; None for an empty database."""
        with self.reading() as tx:
            return MigrationContext.configure(tx).get_current_revision()

    def _migrate(self, revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        wanted = scripts.get_current_head() if revision == "head" else revision
        if self.revision() == wanted:
            return
        with self.writing() as tx:
            if not self.is_sqlite:
                tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            current = MigrationContext.configure(tx).get_current_revision()
            known = {script.revision for script in scripts.walk_revisions()}
            if current is not None and current not in known:
                raise UsageError(
                    f"the database {self.engine.url} was made by a newer version of this program"
                    f" (revision {current}); update the program"
                )
            config.attributes["connection"] = tx
            command.upgrade(config, revision)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(
            "the database is not a URL; expected sqlite:///FILE or"
            " postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(
            f"no database of the kind {parsed.drivername}; expected sqlite or postgresql+psycopg"
        )
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError("a database in memory loses everything; expected sqlite:///FILE")
    return parsed


def _engine(url: URL) -> Engine:
    options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": CONNECTIONS}
    try:
        if url.drivername != "sqlite":
            return create_engine(url, pool_pre_ping=True, **options)
        _make_private(Path(str(url.database)))
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    except (NoSuchModuleError, OSError) as error:
        raise UsageError(f"cannot open the database {url}: {error}") from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(file: Path) -> None:
    """Make the file where there is none, for its owner alone: it holds hashes of passwords."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer can fail with "database is locked": say at once what it will be.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

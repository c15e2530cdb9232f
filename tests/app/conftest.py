"""Databases, services and people for the tests of the review UI."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.service import Service
from tests.app import postgres
from tests.app.made import Clock, Team, quick_hasher


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that was started for the tests (scripts/setup_services.sh
    installs it)."""
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed: scripts/setup_services.sh")
    with postgres.server() as url:
        yield url


@pytest.fixture
def database_folder() -> Iterator[Path]:
    """A folder for SQLite files."""
    with TemporaryDirectory(prefix="pj-sqlite-", dir=postgres.in_memory()) as folder:
        yield Path(folder)


def create_postgres(server: str, template: str | None = None) -> str:
    """Create a database, like the one at the URL ``template`` if there is one; return its URL."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    like = f' TEMPLATE "{template.rpartition("/")[2]}"' if template else ""
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"{like}')  # type: ignore[call-overload]
    return f"{server.rpartition('/')[0]}/{name}"


@pytest.fixture
def new_url(request: pytest.FixtureRequest, database_folder: Path) -> Callable[[str], str]:
    """Returns the URL of an empty database of the kind ``sqlite`` or ``postgresql``."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{database_folder}/{uuid.uuid4().hex}.sqlite"
        return create_postgres(request.getfixturevalue("postgres_server"))

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """The URL of a database without tables; every test that asks runs over both kinds."""
    return new_url(request.param)


@pytest.fixture(scope="session")
def sqlite_tables() -> Iterator[Path]:
    """A SQLite file with all tables, to be copied: bringing a schema about takes longer."""
    from app.store.database import Store

    with TemporaryDirectory(prefix="pj-sqlite-", dir=postgres.in_memory()) as folder:
        file = Path(folder) / "tables.sqlite"
        Store.open(f"sqlite:///{file}").close()
        yield file


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: str) -> str:
    """The URL of a PostgreSQL database with all tables, to be copied."""
    from app.store.database import Store

    url = create_postgres(postgres_server)
    Store.open(url).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """The URL of a database with its tables, empty; a test that asks runs over both kinds."""
    if request.param == "sqlite":
        url = new_url("sqlite")
        shutil.copy(request.getfixturevalue("sqlite_tables"), url.removeprefix("sqlite:///"))
        return url
    template = request.getfixturevalue("postgres_tables")
    return create_postgres(request.getfixturevalue("postgres_server"), template)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until a test moves it."""
    return Clock()


@pytest.fixture
def service(store_url: str, clock: Clock) -> Iterator[Service]:
    """The services over an empty database of each kind."""
    from app.store.database import Store

    found = Service(Store.open(store_url), clock, quick_hasher())
    yield found
    found.close()


@pytest.fixture
def team(service: Service, tmp_path: Path) -> Team:
    """A project of six judged pairs with people in every role; tests change its settings."""
    return Team.made(service, tmp_path / "run")

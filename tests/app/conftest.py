"""Databases, services and people for the tests of the review UI."""

from __future__ import annotations

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


@pytest.fixture
def new_url(request: pytest.FixtureRequest, database_folder: Path) -> Callable[[str], str]:
    """Returns the URL of an empty database of the kind ``sqlite`` or ``postgresql``."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{database_folder}/{uuid.uuid4().hex}.sqlite"
        import psycopg

        server = request.getfixturevalue("postgres_server")
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        return str(server.rpartition("/")[0]) + f"/{name}"

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """The URL of an empty database; every test that asks runs over both kinds."""
    return new_url(request.param)


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

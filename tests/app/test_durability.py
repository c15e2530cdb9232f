"""Kills, migrations, backups and copies, over both databases."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text

from app.review.project import Settings
from app.service import Service
from app.store.copying import backup, copy
from app.store.database import Store
from app.store.schema import event, metadata
from judge.errors import UsageError
from tests.app.made import (
    PASSWORD,
    Clock,
    Team,
    pair_row,
    quick_hasher,
    set_back,
    token,
    write_pairs,
)

ROOT = Path(__file__).parent.parent.parent
NEWEST = max(path.name[:4] for path in (ROOT / "app" / "migrations" / "versions").glob("0*.py"))
WRITER = """
import sys, threading
from app.review.project import Person
from app.review.task import Choice
from app.service import Service
from tests.app.made import token

service = Service.open(sys.argv[1])
said = threading.Lock()

def work(account_id):
    who = Person(account_id=account_id, name="x")
    for task in iter(lambda: service.annotating.take(who, 1, 1), []):
        choice = Choice(strength=1, justification=f"By {account_id}.")
        service.annotating.choose(who, task[0].assignment_id, choice, token())
        with said:
            print(task[0].assignment_id, flush=True)

for account_id in map(int, sys.argv[2:]):
    threading.Thread(target=work, args=(account_id,)).start()
"""


def test_kill_9_loses_no_decision_that_was_acknowledged(
    service: Service, store_url: str, tmp_path: Path
) -> None:
    file = write_pairs(tmp_path / "p.jsonl", [pair_row(n) for n in range(400)])
    project_id = service.projects.create(None, Settings(name="demo"))
    assert service.importing.pairs(project_id, str(file)).added == 400
    people = [service.accounts.create(None, f"p{n}", PASSWORD) for n in range(6)]
    for n in range(6):
        service.projects.set_role(None, project_id, f"p{n}", "annotator")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, store_url, *map(str, people)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(60)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1] if line]
    process.wait(30)
    with service.store.reading() as tx:
        stored = set(tx.scalars(select(event.c.assignment_id).where(event.c.kind == "choice")))
        assert set(acknowledged) <= stored
        assert len(acknowledged) == len(set(acknowledged))
        counts = tx.execute(text("SELECT max(taken - wanted) FROM task")).scalar_one()
        assert counts <= 0
    who = service.accounts.person(service.accounts.sign_in("p0", PASSWORD))
    assert service.annotating.take(who, project_id)  # and it goes on


def differences(store: Store) -> list[object]:
    """Return how the database differs from the tables that the program expects."""
    with store.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_migrated_from_empty_it_is_what_the_program_expects(empty_url: str) -> None:
    store = Store.open(empty_url)
    assert store.revision() == NEWEST
    assert differences(store) == []
    store.close()


def test_migrated_from_the_oldest_revision_nothing_is_lost(
    store_url: str, clock: Clock, tmp_path: Path
) -> None:
    old = Store.open(store_url)
    team = Team.made(Service(old, clock, quick_hasher()), tmp_path / "run")
    team.annotate("ann", 2)
    set_back(old, "0001")
    assert old.revision() == "0001"
    old.close()
    store = Store.open(store_url)
    assert (store.revision(), differences(store)) == (NEWEST, [])
    team.service = Service(store, clock, quick_hasher())
    assert team.service.annotating.progress(team.people["ann"], team.project_id).done == 1
    team.annotate("ann", 2)
    with pytest.raises(Exception, match="only appended to"), store.writing() as tx:
        tx.execute(event.delete())
    store.close()


def test_programs_that_start_together_migrate_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store.open, [empty_url] * 4))
    for store in stores:
        assert store.revision() == NEWEST
        store.close()


def test_a_database_of_a_newer_program_is_refused(store_url: str) -> None:
    store = Store.open(store_url)
    with store.writing() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(UsageError, match="newer version"):
        Store.open(store_url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "not a URL"),
        ("mysql://root@localhost/x", "no database of the kind mysql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////no/such/folder/x.sqlite", "cannot open the database"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot use the database"),
    ],
)
def test_databases_that_cannot_be_used(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as found:
        Store.open(url)
    assert "secret" not in str(found.value) and "\n" not in str(found.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("hello, this is no database at all\n" * 50)
    with pytest.raises(UsageError, match="not a database"):
        Store.open(f"sqlite:///{tmp_path}/x.sqlite")


def test_a_database_that_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    Store.open(f"sqlite:///{file}").close()
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # all but the header and the first page
    file.write_bytes(data)
    with pytest.raises(UsageError, match=r"cannot use the database .*malformed"):
        Store.open(f"sqlite:///{file}")


def test_sqlite_is_written_through_and_private(new_url: Callable[[str], str]) -> None:
    url = new_url("sqlite")
    store = Store.open(url)
    with store.reading() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    store.close()
    assert Path(url.removeprefix("sqlite:///")).stat().st_mode & 0o077 == 0


def counts(store: Store) -> dict[str, int]:
    with store.reading() as tx:
        return {
            table.name: tx.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


def test_a_backup_is_the_whole_database(team: Team, tmp_path: Path) -> None:
    team.annotate("ann", 2)
    file = tmp_path / "backup.sqlite"
    assert backup(team.service.store, file) == counts(team.service.store)
    team.annotate("ann", 2)  # the original goes on
    with pytest.raises(UsageError, match="exists"):
        backup(team.service.store, file)
    again = Service(Store.open(f"sqlite:///{file}"), hasher=quick_hasher())
    assert again.annotating.progress(team.people["ann"], team.project_id).done == 1
    again.close()
    with pytest.raises(UsageError, match="cannot"):
        backup(team.service.store, tmp_path / "none" / "x.sqlite")
    assert sorted(p.name for p in tmp_path.glob("backup*")) == ["backup.sqlite"]


def test_a_backup_under_load_is_whole(team: Team, tmp_path: Path) -> None:
    def work(name: str) -> None:
        for _ in range(6):
            team.annotate(name, 1)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(work, name) for name in ("ann", "ben", "cem")]
        files = [tmp_path / f"b{n}.sqlite" for n in range(3)]
        for file in files:
            backup(team.service.store, file)
        for one in running:
            one.result()
    for file in files:
        with sqlite3.connect(file) as found:
            decided = found.execute("SELECT count(*) FROM event WHERE kind = 'choice'").fetchone()
            held = found.execute("SELECT count(*) FROM assignment WHERE choice_id > 0").fetchone()
            assert decided == held


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_copy_has_every_row_and_goes_on(
    team: Team, new_url: Callable[[str], str], clock: Clock, kind: str
) -> None:
    team.annotate("ann", 2)
    team.service.annotating.undo(team.people["ann"], team.project_id, token())
    session = team.service.accounts.sign_in("ann", PASSWORD)
    target = Store.open(new_url(kind))
    assert copy(team.service.store, target) == counts(team.service.store) == counts(target)
    with pytest.raises(UsageError, match="not empty"):
        copy(team.service.store, target)
    team.service = Service(target, clock, quick_hasher())
    assert team.service.accounts.person(session).name == "ann"
    assert team.service.annotating.take(team.people["ann"], 1, 1)[0].state == "chosen"
    team.annotate("ben", 1)  # new rows have new ids
    team.add("zoe")
    target.close()


def test_a_copy_that_differs_is_refused_and_leaves_nothing(
    team: Team, new_url: Callable[[str], str]
) -> None:
    target = Store.open(new_url("sqlite"))
    with target.writing() as tx:
        tx.execute(
            text(
                "CREATE TRIGGER spoil AFTER INSERT ON account WHEN NEW.name = 'ben'"
                " BEGIN UPDATE account SET name = 'Ben' WHERE id = NEW.id; END"
            )
        )
    with pytest.raises(UsageError, match="copy of account is not the same"):
        copy(team.service.store, target)
    assert set(counts(target).values()) == {0}
    target.close()

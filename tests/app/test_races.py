"""Many at once: never more annotations than wanted, one press stored once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError

from app.errors import Refused, SlotTaken
from app.review.project import Person
from app.review.task import Choice
from app.service import Service
from app.store import leasing, queue
from app.store.database import Store, Transaction
from app.store.queue import Places
from app.store.schema import assignment, event, task
from tests.app.made import Clock, Team, quick_hasher, token


def at_once(work: list[Callable[[], Any]]) -> list[Any]:
    """Run the calls in threads that start together; return results, or what was raised."""
    barrier = Barrier(len(work))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def held(service: Service) -> Counter[int]:
    """Return how many people hold, or have done, each task."""
    with service.store.reading() as tx:
        rows = tx.scalars(
            select(assignment.c.task_id).where(
                assignment.c.state.in_(("open", "chosen", "complete"))
            )
        )
        return Counter(rows)


def taken(service: Service) -> dict[int, tuple[int, int]]:
    with service.store.reading() as tx:
        return {i: (t, w) for i, t, w in tx.execute(select(task.c.id, task.c.taken, task.c.wanted))}


def test_twelve_people_for_the_last_places(team: Team) -> None:
    for n in range(7):
        team.add(f"extra{n}")
    names = [name for name, person in team.people.items() if name not in ("ada", "max")]
    results = at_once([lambda name=name: team.take(name, 3) for name in names])
    assert not [r for r in results if isinstance(r, Exception)]
    assert sum(map(len, results)) == 18  # six tasks, three places each
    assert set(held(team.service).values()) == {3}
    assert set(taken(team.service).values()) == {(3, 3)}


def test_one_person_in_many_windows_gets_each_task_once(team: Team) -> None:
    results = at_once([lambda: team.take("ann", 3) for _ in range(8)])
    assert not [r for r in results if isinstance(r, Exception)]
    assert set(held(team.service).values()) == {1}
    with team.service.store.reading() as tx:
        assert {t for t, _ in taken(team.service).values()} <= {0, 1}
        assert len(tx.scalars(select(assignment.c.id)).all()) == len(held(team.service))


def test_one_press_sent_eight_times_is_stored_once(team: Team) -> None:
    (mine,) = team.take("ann")
    ann, press = team.people["ann"], token()
    choice = Choice(strength=2, justification="Why.")
    results = at_once(
        [
            lambda: team.service.annotating.choose(ann, mine.assignment_id, choice, press)
            for _ in range(8)
        ]
    )
    assert {r.state for r in results} == {"chosen"}
    with team.service.store.reading() as tx:
        assert len(tx.scalars(select(event.c.id).where(event.c.kind == "choice")).all()) == 1


def test_eight_different_presses_store_one(team: Team) -> None:
    (mine,) = team.take("ann")
    results = at_once([lambda s=s: team.choose("ann", mine, s) for s in (-3, -2, -1, 1, 2, 3)])
    assert sum(isinstance(r, Refused) for r in results) == 5
    view = team.service.annotating.view(team.people["ann"], mine.assignment_id)
    assert view.choice in [r.choice for r in results if not isinstance(r, Exception)]


def test_late_comers_race_for_the_last_place(team: Team, clock: Clock) -> None:
    """All leases ran out; whoever chooses first takes the one place that is left."""
    team.change(annotations=1)
    tasks = {}
    for name in ("ann", "ben", "cem", "dora", "eva"):
        (tasks[name],) = team.take(name)
        clock.move(minutes=31)
    assert len({t.prompt for t in tasks.values()}) == 1
    results = at_once([lambda n=n, t=t: team.choose(n, t, 1) for n, t in tasks.items()])
    assert sum(isinstance(r, SlotTaken) for r in results) == 4
    assert max(held(team.service).values()) == 1


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_who_comes_too_late_for_a_task_lets_go_of_it(
    team: Team, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kept its lock and then waited for an earlier task's could wait for ever."""
    team.change(annotations=1)
    lock, tried = queue.lock, list[int]()

    def overtaken(tx: Transaction, task_id: int) -> Places:
        tried.append(task_id)
        if len(tried) == 1:  # chosen, not locked yet: another takes the only place
            with store.writing() as other:
                assert queue.take_place(other, lock(other, task_id))
        return lock(tx, task_id)

    monkeypatch.setattr(leasing, "lock", overtaken)
    store, now = team.service.store, clock()
    settings = team.service.projects.settings(team.project_id)
    with store.writing() as tx:
        ann = team.people["ann"].account_id
        assert leasing.lease(tx, team.project_id, ann, settings, now, now) is not None
        first, second = tried
        free = select(task.c.id).with_for_update(nowait=True)
        with store.writing() as other:
            assert other.scalar(free.where(task.c.id == first)) == first
        refused = pytest.raises(OperationalError, match="could not obtain lock")
        with refused, store.writing() as other:
            other.scalar(free.where(task.c.id == second))


def test_many_rounds_of_everything_leave_the_counts_right(team: Team, clock: Clock) -> None:
    def work(name: str) -> None:
        for round_ in range(4):
            for mine in team.take(name, 2):
                try:
                    if round_ == 1:
                        team.service.annotating.skip(
                            team.people[name], mine.assignment_id, "no", token()
                        )
                    else:
                        team.choose(name, mine, 1 if mine.assignment_id % 2 else -3)
                        if round_ == 2:
                            team.service.annotating.undo(
                                team.people[name], team.project_id, token()
                            )
                except (Refused, SlotTaken):
                    pass
            clock.move(minutes=11)

    errors = at_once(
        [lambda name=name: work(name) for name in ("ann", "ben", "cem", "dora", "eva")]
    )
    assert [e for e in errors if isinstance(e, Exception)] == []
    counted = held(team.service)
    assert taken(team.service) == {
        i: (counted[i], wanted) for i, (_, wanted) in taken(team.service).items()
    }
    assert all(have <= wanted <= 5 for have, wanted in taken(team.service).values())


def take_in_a_process(url: str, person: Person, project_id: int, barrier: Any, out: Any) -> None:
    service = Service(Store.open(url), hasher=quick_hasher())
    barrier.wait(60)
    try:
        out.put(len(service.annotating.take(person, project_id, 5)))
    except Exception as error:
        out.put(repr(error))
    service.close()


def test_four_processes_for_the_last_places(team: Team, store_url: str) -> None:
    team.change(annotations=2)
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(4), context.Queue()
    people = [team.people[name] for name in ("ann", "ben", "cem", "dora")]
    processes = [
        context.Process(
            target=take_in_a_process, args=(store_url, who, team.project_id, barrier, out)
        )
        for who in people
    ]
    for process in processes:
        process.start()
    results = [out.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(30)
    assert sum(results) == 12
    assert set(held(team.service).values()) == {2}


def test_the_database_itself_refuses_one_too_many(team: Team) -> None:
    with pytest.raises(IntegrityError), team.service.store.writing() as tx:
        tx.execute(task.update().values(taken=task.c.wanted + 1))


def test_the_database_itself_keeps_the_history_as_it_is(team: Team) -> None:
    team.annotate("ann", 1)
    for change in (event.update().values(reason="x"), event.delete()):
        with pytest.raises(Exception, match="only appended to"), team.service.store.writing() as tx:
            tx.execute(change)

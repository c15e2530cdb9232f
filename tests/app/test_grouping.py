"""Groups, quotas and tasks that go to some people alone, over both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from app.errors import NotAllowed, NotFound, Refused
from app.review.browsing import TaskQuery
from app.review.project import Settings
from app.service import Service
from app.store.database import Store
from tests.app.made import PASSWORD, Clock, Team, quick_hasher, set_back


def numbers(team: Team, name: str, count: int = 5) -> list[int]:
    return [task.number for task in team.take(name, count)]


def rows(team: Team) -> dict[int, tuple[str, ...]]:
    found = team.service.browsing.search(None, team.project_id, TaskQuery())
    return {row.task_id: row.assigned for row in found.rows}


@pytest.fixture
def assign(team: Team) -> Callable[..., tuple[int, int]]:
    """Assigns tasks; returns how many changed, and how many want more people than that."""

    def act(ids: list[int], *people: str, groups: tuple[str, ...] = ()) -> tuple[int, int]:
        done = team.service.grouping.assign(
            team.people["max"], team.project_id, ids, people, groups
        )
        return done.changed, done.short

    return act


def test_assigned_tasks_come_first_and_go_to_nobody_else(
    team: Team, assign: Callable[..., tuple[int, int]]
) -> None:
    assert assign([4, 6], "ann", "ben", "cem") == (2, 0)
    assert numbers(team, "ann", 3) == [4, 6, 1]
    assert numbers(team, "dora") == [1, 2, 3, 5]
    progress = team.service.annotating.progress
    assert progress(team.people["dora"], team.project_id).available == 4
    assert progress(team.people["ben"], team.project_id).available == 6
    assert rows(team)[4] == ("ann", "ben", "cem") and rows(team)[5] == ()
    found = team.service.browsing.search(None, team.project_id, TaskQuery(assigned="ben"))
    assert [row.task_id for row in found.rows] == [4, 6]
    assert assign([4, 6]) == (2, 0)  # to everyone again
    assert numbers(team, "eva", 5) == [1, 2, 3, 4, 5]
    kinds = [e["kind"] for e in _history(team)]
    assert kinds.count("assign") == 4


def test_a_lease_asks_little(team: Team, assign: Callable[..., tuple[int, int]]) -> None:
    """Of whom no task is assigned to, nothing is asked about assigned tasks but whether there are
    any."""
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    engine = team.service.store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for name, most in (("ann", 17), ("ben", 18)):
            asked.clear()
            assert len(team.take(name)) == 1
            assert len(asked) <= most, "\n".join(asked)
            assign([2], "ben")
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _history(team: Team) -> list[dict[str, str]]:
    from app.store import events

    with team.service.store.reading() as tx:
        return [{"kind": event.kind} for event, _, _ in events.history(tx, team.project_id)]


def test_a_group_gets_its_tasks_whoever_is_in_it(
    team: Team, assign: Callable[..., tuple[int, int]]
) -> None:
    grouping, max_ = team.service.grouping, team.people["max"]
    grouping.save(max_, team.project_id, "Arabic", ["ann", "ben"])
    assert assign([1, 2], groups=("Arabic",)) == (2, 2)  # two people, three annotations
    assert numbers(team, "dora", 2) == [3, 4]
    assert numbers(team, "ann", 2) == [1, 2]
    grouping.save(max_, team.project_id, "Arabic", ["ann", "ben", "Eva"])
    assert numbers(team, "eva", 2) == [1, 2]
    (group,) = grouping.groups(max_, team.project_id)
    assert (group.name, group.people, group.tasks) == ("Arabic", ("ann", "ben", "eva"), 2)
    work = grouping.work(max_, team.project_id)
    assert work[team.people["eva"].account_id].groups == ("Arabic",)
    assert grouping.remove(max_, team.project_id, "Arabic") == 2
    assert rows(team)[1] == () and numbers(team, "cem", 1) == [1]


def test_who_leaves_takes_no_task_along(team: Team, assign: Callable[..., tuple[int, int]]) -> None:
    grouping = team.service.grouping
    grouping.save(None, team.project_id, "g", ["ann"])
    assign([1], "ann")
    assign([2], "ann", "ben")
    assign([3], groups=("g",))
    team.service.projects.set_role(None, team.project_id, "ann", None)
    assert [rows(team)[n] for n in (1, 2, 3)] == [(), ("ben",), ("g",)]
    assert grouping.groups(None, team.project_id)[0].people == ()
    assert numbers(team, "cem", 2) == [1, 4]


def test_what_others_decided_stays_and_counts(
    team: Team, assign: Callable[..., tuple[int, int]]
) -> None:
    for name in ("ann", "ben"):
        team.annotate(name, 2)
    assert assign([1], "ann") == (1, 1)  # who did it cannot do it again
    assert assign([1], "cem") == (1, 0)
    assert numbers(team, "cem", 1) == [1]
    team.annotate("cem", 2)
    assert team.service.browsing.open(None, team.project_id, 1).row.state == "finished"


def test_checks_are_for_everyone(
    team: Team, assign: Callable[..., tuple[int, int]], tmp_path: Path
) -> None:
    from tests.app.made import pair_row, write_pairs

    gold = {**pair_row(90), "preference_strength": 2}
    gold |= {"preference_statement": "", "preference_elaboration": ""}
    file = write_pairs(tmp_path / "gold.jsonl", [gold])
    assert team.service.importing.checks(team.project_id, str(file), "gold").added == 1
    assert assign([1, 7], "ann", "ben", "cem") == (1, 0)


def test_nobody_gets_more_than_their_quota(team: Team) -> None:
    grouping, max_ = team.service.grouping, team.people["max"]
    team.change(quota=3)
    assert len(numbers(team, "ann")) == 3
    for _ in range(3):
        team.annotate("ann", 1)
    assert numbers(team, "ann") == []
    progress = team.service.annotating.progress(team.people["ann"], team.project_id)
    assert (progress.done, progress.available, progress.quota_left) == (3, 0, 0)
    grouping.set_quota(max_, team.project_id, "ann", 4)
    assert len(numbers(team, "ann")) == 1
    grouping.set_quota(max_, team.project_id, "ben", 0)
    assert len(numbers(team, "ben")) == 5
    team.service.projects.set_role(max_, team.project_id, "ann", "adjudicator")  # keeps it
    assert grouping.work(max_, team.project_id)[team.people["ann"].account_id].quota == 4
    grouping.set_quota(max_, team.project_id, "ben", None)
    assert team.service.annotating.progress(team.people["ben"], team.project_id).quota == 3


def test_two_windows_of_one_person_get_no_more(team: Team) -> None:
    team.change(quota=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: team.take("ann", 5), range(6)))
    assert len(team.take("ann", 5)) == 2


def test_only_managers_and_only_what_is_there(team: Team) -> None:
    grouping, project = team.service.grouping, team.project_id
    other = team.service.projects.create(None, Settings(name="other"))
    for name in ("ann", "ada"):
        who = team.people[name]
        for call in (
            lambda who=who: grouping.groups(who, project),
            lambda who=who: grouping.work(who, project),
            lambda who=who: grouping.save(who, project, "g", ["ann"]),
            lambda who=who: grouping.remove(who, project, "g"),
            lambda who=who: grouping.set_quota(who, project, "ann", 1),
            lambda who=who: grouping.assign(who, project, [1], ["ann"]),
        ):
            with pytest.raises(NotAllowed):
                call()
    max_ = team.people["max"]
    for act, error in (
        (lambda: grouping.save(max_, project, " ", ["ann"]), Refused),
        (lambda: grouping.save(max_, project, "a\nb", ["ann"]), Refused),
        (lambda: grouping.save(max_, project, "g", []), Refused),
        (lambda: grouping.save(max_, project, "g", ["who?"]), NotFound),
        (lambda: grouping.remove(max_, project, "g"), NotFound),
        (lambda: grouping.set_quota(max_, project, "ann", -1), Refused),
        (lambda: grouping.set_quota(max_, project, "who?", 1), NotFound),
        (lambda: grouping.assign(max_, project, [], ["ann"]), Refused),
        (lambda: grouping.assign(max_, project, [99], ["ann"]), NotFound),
        (lambda: grouping.assign(max_, project, [1], ["who?"]), NotFound),
        (lambda: grouping.assign(max_, project, [1], [], ["g"]), NotFound),
        (lambda: grouping.assign(max_, other, [1], []), NotFound),
    ):
        with pytest.raises(error):
            act()
    assert grouping.groups(max_, project) == [] and rows(team)[1] == ()


def test_databases_of_before_have_no_groups_and_go_on(
    store_url: str, clock: Clock, tmp_path: Path
) -> None:
    old = Store.open(store_url)
    team = Team.made(Service(old, clock, quick_hasher()), tmp_path / "run")
    team.annotate("ann", 2)
    set_back(old, "0004")
    old.close()
    store = Store.open(store_url)
    team.service = Service(store, clock, quick_hasher())
    assert numbers(team, "ann", 2) == [2, 3]
    team.service.grouping.assign(None, team.project_id, [5], ["ann"])
    assert numbers(team, "ben", 5) == [1, 2, 3, 4, 6]
    assert team.service.inviting.invite(None, team.project_id, "zoe", "annotator")
    assert team.service.accounts.sign_in("ann", PASSWORD)
    store.close()

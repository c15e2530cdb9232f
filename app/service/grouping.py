"""Groups of a project's people, how many tasks each gets, and tasks that go to some alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.errors import NotFound, Refused
from app.review.practice import Passing
from app.review.project import Person
from app.service.access import allow
from app.service.acts import acted
from app.service.browsing import checked_ids
from app.store import accounts, groups, practice, projects, queue
from app.store.database import Store, Transaction

LONGEST_NAME = 100
LARGEST_QUOTA = 1_000_000


class Group(BaseModel):
    """Some people of a project."""

    model_config = ConfigDict(frozen=True)

    name: str
    people: tuple[str, ...]
    tasks: int
    """Tasks that are assigned to it."""


class Work(BaseModel):
    """How much of a member's share is done."""

    model_config = ConfigDict(frozen=True)

    done: int
    quota: int | None
    """The member's own; None: as the project says, 0: no limit."""
    groups: tuple[str, ...]
    practised: int = 0
    practised_right: int = 0
    passing: Passing | None = None
    """How the practice round goes, where it has a pass mark and the member is not released."""
    released: bool = False
    """By a manager, from the pass mark."""


class Assigned(BaseModel):
    """What assigning tasks did."""

    model_config = ConfigDict(frozen=True)

    changed: int
    short: int
    """Tasks that want more annotations than those whom they go to can give."""


class Grouping:
    """What managers do with groups, quotas and assigned tasks; ``who`` None is the command line."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def groups(self, who: Person | None, project_id: int) -> list[Group]:
        """Return the project's groups by name."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")
            inside = groups.people(tx, project_id)
            named = groups.of_project(tx, project_id)
            given = groups.assigned(tx, project_id).values()
        counts = [name for line in given for name, is_group in line if is_group]
        return [
            Group(
                name=name,
                people=tuple(one for _, one in inside.get(group_id, [])),
                tasks=counts.count(name),
            )
            for name, group_id in named.items()
        ]

    def work(self, who: Person | None, project_id: int) -> dict[int, Work]:
        """Return how far each member is, by account."""
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "manage")
            found = groups.work(tx, project_id)
            inside = groups.people(tx, project_id)
            named = groups.of_project(tx, project_id)
            rounds = practice.results(tx, project_id)
            passing = {
                one: practice.passing(tx, project_id, one, settings, released)
                for one, (_, released, _) in found.items()
            }
        of_person: dict[int, list[str]] = {}
        for name, group_id in named.items():
            for account_id, _ in inside.get(group_id, []):
                of_person.setdefault(account_id, []).append(name)
        return {
            account_id: Work(
                done=done,
                quota=quota,
                groups=tuple(of_person.get(account_id, ())),
                practised_right=rounds.get(account_id, (0, 0))[0],
                practised=rounds.get(account_id, (0, 0))[1],
                passing=passing[account_id],
                released=released,
            )
            for account_id, (quota, released, done) in found.items()
        }

    def save(self, who: Person | None, project_id: int, name: str, people: Collection[str]) -> None:
        """Make a group, or give the one of this name these people in place of those it had.

        Raises:
            Refused: no name, or nobody in it.
            NotFound: someone takes no part in the project.
        """
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise Refused(f"a group has a name of 1 to {LONGEST_NAME} printable characters")
        if not people:
            raise Refused("choose who is in the group")
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            chosen = _members(tx, project_id, people)
            groups.save(tx, project_id, name, chosen)
            acted(tx, self._now(), who, project_id, "group", {"group": name, "people": [*people]})

    def remove(self, who: Person | None, project_id: int, name: str) -> int:
        """Remove a group; return how many tasks are open to everyone by that.

        Raises:
            NotFound: the project has no such group.
        """
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            (group_id,) = _groups(tx, project_id, [name.strip()])
            opened = groups.remove(tx, project_id, group_id)
            acted(tx, self._now(), who, project_id, "group", {"group": name, "people": []})
        return opened

    def set_quota(self, who: Person | None, project_id: int, name: str, quota: int | None) -> None:
        """Give a member at most so many tasks; 0: no limit, None: as the project says.

        Raises:
            Refused: no such number. NotFound: no such member.
        """
        if quota is not None and not 0 <= quota <= LARGEST_QUOTA:
            raise Refused(f"a quota is a number of tasks from 0 to {LARGEST_QUOTA:,}")
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            (account_id,) = _members(tx, project_id, [name])
            groups.set_quota(tx, project_id, account_id, quota)
            acted(tx, self._now(), who, project_id, "quota", {"account": name, "quota": quota})

    def release(self, who: Person | None, project_id: int, name: str) -> None:
        """Let a member work whatever the practice round's pass mark says.

        Raises:
            NotFound: no such member.
        """
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            (account_id,) = _members(tx, project_id, [name])
            groups.release(tx, project_id, account_id)
            acted(tx, self._now(), who, project_id, "practice", {"account": name})

    def assign(
        self,
        who: Person | None,
        project_id: int,
        ids: Sequence[int],
        people: Collection[str],
        named: Collection[str] = (),
    ) -> Assigned:
        """Have tasks go to these people and groups alone, before anything else of theirs; to
        everyone again where none are named. What others have in hand or decided stays.

        Args:
            named: names of groups; who is in one later gets its tasks, too.

        Raises:
            Refused: no tasks, or too many at once.
            NotFound: no such task, member or group in the project.
        """
        changed = short = 0
        data = {"people": [*people], "groups": [*named]}
        for task_id in checked_ids(ids):
            with self._store.writing() as tx:
                allow(tx, who, project_id, "manage")
                if projects.of_task(tx, task_id) != project_id:
                    raise NotFound(f"this project has no task {task_id}")
                chosen = _members(tx, project_id, people)
                group_ids = _groups(tx, project_id, named)
                places = queue.lock(tx, task_id)
                if places.kind != "task":
                    continue
                groups.assign(tx, task_id, chosen, group_ids)
                acted(tx, self._now(), who, project_id, "assign", data, task_id)
                changed += 1
                inside = groups.people(tx, project_id)
                able = {*chosen, *(a for g in group_ids for a, _ in inside.get(g, []))}
                left = len(able) - groups.had(tx, task_id, able)
                short += bool(able) and places.wanted - places.taken > left
        return Assigned(changed=changed, short=short)


def _members(tx: Transaction, project_id: int, names: Collection[str]) -> list[int]:
    known = {accounts.key_of(one.name): one for one in accounts.members(tx, project_id)}
    found = []
    for name in dict.fromkeys(names):
        one = known.get(accounts.key_of(name))
        if one is None:
            raise NotFound(f"nobody called {name!r} takes part in this project")
        found.append(one.account_id)
    return found


def _groups(tx: Transaction, project_id: int, names: Collection[str]) -> list[int]:
    known = groups.of_project(tx, project_id)
    for name in names:
        if name not in known:
            raise NotFound(f"this project has no group {name!r}")
    return [known[name] for name in dict.fromkeys(names)]

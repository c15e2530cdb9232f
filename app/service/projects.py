"""Projects, their members and settings, flags, and withdrawn tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import NotAllowed, NotFound, Overtaken, Refused
from app.review.project import Member, Person, Project, Role, Settings
from app.review.ratings import wanted_ratings
from app.review.rules import queue_position, wanted
from app.service.access import allow, allow_making, checked_reason, project_of
from app.service.acts import acted
from app.store import accounts, annotated, events, groups, projects, queue, views
from app.store.database import Store, Transaction

SourceKind = Literal["run", "pairs", "gold", "attention"]


class Source(BaseModel):
    """Where tasks of a project came from."""

    model_config = ConfigDict(frozen=True)

    source_id: int
    name: str
    kind: SourceKind
    evaluation: bool
    """An evaluation set: its content never leaves as training data."""
    tasks: int
    imported_at: datetime


class Flag(BaseModel):
    """A task that someone flagged."""

    model_config = ConfigDict(frozen=True)

    task_id: int
    pair_id: str
    name: str
    """Who flagged it."""
    reason: str
    at: datetime
    withdrawn: bool


class Projects:
    """Projects and what managers do with them; ``who`` None is the command line."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def of(self, who: Person) -> list[Project]:
        """Return the projects that the person takes part in."""
        with self._store.reading() as tx:
            return projects.of_person(tx, who.account_id)

    def get(self, who: Person, project_id: int) -> Project:
        """Return one project.

        Raises:
            NotFound: there is none, or the person takes no part in it.
        """
        found = next((p for p in self.of(who) if p.project_id == project_id), None)
        if found is None:
            raise NotFound("there is no such project")
        return found

    def find(self, name: str | None = None) -> int:
        """Return the id of the project of that name, or of the only one; for commands.

        Raises:
            NotFound: there is none, or without a name more than one.
        """
        with self._store.reading() as tx:
            found = projects.all_projects(tx)
        if name is not None and name in found:
            return found[name]
        if name is None and len(found) == 1:
            return next(iter(found.values()))
        there = ", ".join(map(repr, found)) or "none"
        wanted_name = "which project?" if name is None else f"there is no project {name!r}:"
        raise NotFound(f"{wanted_name} the database holds {there}")

    def settings(self, project_id: int) -> Settings:
        """Return a project's settings; for commands."""
        with self._store.reading() as tx:
            return allow(tx, None, project_id, "manage")

    def names(self) -> list[str]:
        """Return the names of all projects; for commands."""
        with self._store.reading() as tx:
            return list(projects.all_projects(tx))

    def create(self, who: Person | None, settings: Settings) -> int:
        """Make a project and return its id; ``who``, a manager of another (of the first one,
        anyone), becomes its manager.

        Raises:
            Refused: there is a project of that name.
            NotAllowed: ``who`` manages no project yet.
        """
        now = self._now()
        with self._store.writing() as tx:
            allow_making(tx, who)
            made = projects.create(tx, settings, now)
            if made is None:
                raise Refused(f"there is a project called {settings.name!r} already")
            acted(tx, self._now(), who, made, "project", settings.model_dump())
            if who is not None:
                accounts.set_role(tx, made, who.account_id, "manager")
            return made

    def may_create(self, who: Person) -> bool:
        """Return whether the person may make a project."""
        with self._store.reading() as tx:
            try:
                allow_making(tx, who)
            except NotAllowed:
                return False
        return True

    def change(self, who: Person | None, project_id: int, settings: Settings) -> None:
        """Change the settings. Tasks in hand stay blind, or not, as they were given.

        Raises:
            Refused: another project has the name.
        """
        with self._store.writing() as tx:
            projects.lock_settings(tx, project_id)
            before = allow(tx, who, project_id, "manage")
            self._change(tx, who, project_id, before, settings)

    def change_fields(
        self,
        who: Person | None,
        project_id: int,
        seen: Mapping[str, Any],
        wanted: Mapping[str, Any],
    ) -> Settings:
        """Change settings that the person saw and changed; return all of them as they are then.

        What others changed meanwhile stays, unless it is the same setting.

        Args:
            seen: as the person saw them.
            wanted: as they shall be; what is as it was seen is left alone.

        Raises:
            Overtaken: someone else changed one of these meanwhile; nothing is changed.
            Refused: a value out of range; another project has the name.
        """
        with self._store.writing() as tx:
            projects.lock_settings(tx, project_id)
            before = allow(tx, who, project_id, "manage")
            there = before.model_dump()
            changes = {name: value for name, value in wanted.items() if value != seen.get(name)}
            overtaken = [
                name
                for name, value in changes.items()
                if there[name] not in (seen.get(name), value)
            ]
            if overtaken:
                what = ", ".join(overtaken).replace("_", " ")
                raise Overtaken(f"someone else changed this meanwhile: {what}")
            try:
                settings = Settings.model_validate({**there, **changes})
            except ValidationError as error:
                problem = error.errors()[0]
                raise Refused(f"{problem['loc'][0]}: {problem['msg']}") from None
            if settings != before:
                self._change(tx, who, project_id, before, settings)
            return settings

    def _change(
        self,
        tx: Transaction,
        who: Person | None,
        project_id: int,
        before: Settings,
        settings: Settings,
    ) -> None:
        fixed = ("kind", "responses")
        if any(getattr(before, name) != getattr(settings, name) for name in fixed) and (
            projects.next_given(tx, project_id)
        ):
            raise Refused("a project's kind cannot change once it has tasks")
        if not projects.set_settings(tx, project_id, settings):
            raise Refused(f"there is a project called {settings.name!r} already")
        acted(tx, self._now(), who, project_id, "settings", settings.model_dump())
        moved = (before.order, before.seed) != (settings.order, settings.seed)
        rules = ("annotations", "more_on_disagreement")
        recounted = any(getattr(before, rule) != getattr(settings, rule) for rule in rules)
        if moved or recounted:
            queue.lock_many(tx, project_id)
        if moved:
            put_in_order(tx, project_id, settings)
        if recounted:
            _recount_all(tx, project_id, settings)

    def members(self, who: Person | None, project_id: int) -> list[Member]:
        """Return who takes part in the project, by name."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")
            return accounts.members(tx, project_id)

    def set_role(self, who: Person | None, project_id: int, name: str, role: Role | None) -> None:
        """Give an account a role in the project; None: no part any more, what it did stays.

        Raises:
            NotFound: no account of that name.
            Refused: the project would have no manager left.
        """
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            found = accounts.by_name(tx, name)
            if found is None:
                raise NotFound(f"there is no account called {name!r}")
            had = accounts.managers(tx, project_id)
            accounts.set_role(tx, project_id, found.id, role)
            if role is None:
                groups.forget_person(tx, project_id, found.id)
            if had and not accounts.managers(tx, project_id):
                raise Refused("a project needs a manager; make someone else one first")
            data = {"account": found.name, "role": role}
            acted(tx, self._now(), who, project_id, "role", data)

    def sources(self, who: Person | None, project_id: int) -> list[Source]:
        """Return where the project's tasks come from."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")
            return [Source.model_validate(row) for row in projects.sources(tx, project_id)]

    def flags(self, who: Person | None, project_id: int) -> list[Flag]:
        """Return the flags that stand, newest first."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")
            return [Flag.model_validate(row) for row in views.flags(tx, project_id)]

    def withdraw(self, who: Person | None, task_id: int, reason: str) -> None:
        """Take a task out of the queue, the figures and the exports."""
        self._set_withdrawn(who, task_id, reason, True)

    def restore(self, who: Person | None, task_id: int, reason: str) -> None:
        """Put a withdrawn task back."""
        self._set_withdrawn(who, task_id, reason, False)

    def _set_withdrawn(
        self, who: Person | None, task_id: int, reason: str, withdrawn: bool
    ) -> None:
        with self._store.writing() as tx:
            project_id = project_of(tx, who, task_id, "manage")
            if queue.lock(tx, task_id).withdrawn != withdrawn:
                projects.set_withdrawn(tx, task_id, withdrawn)
                kind: events.Kind = "withdraw" if withdrawn else "restore"
                acted(tx, self._now(), who, project_id, kind, {}, task_id, checked_reason(reason))


def put_in_order(tx: Transaction, project_id: int, settings: Settings) -> None:
    """Put the project's tasks into the order of its settings."""
    projects.set_positions(
        tx,
        {
            task_id: queue_position(settings, pair_id, given, informative)
            for task_id, pair_id, given, informative in projects.places(tx, project_id)
        },
    )


def _recount_all(tx: Transaction, project_id: int, settings: Settings) -> None:
    if settings.kind == "attributes":
        for rated in annotated.rated_tasks(tx, project_id):
            said = [one.said().ratings for one in rated.annotations]
            queue.set_wanted(tx, rated.task_id, wanted_ratings(settings, said))
        return
    for task in annotated.tasks(tx, project_id):
        queue.set_wanted(tx, task.task_id, wanted(settings, task.strengths()))

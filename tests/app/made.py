"""Runs, projects and people that tests of the review UI work with."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import text

from app.review.project import Person, Role, Settings
from app.review.task import Choice, Final, TaskView
from app.service import Service
from app.store.database import Store
from judge.judgment import Failure, Judgment, reconcile
from judge.runs.folder import RunDir
from judge.runs.jsonlines import encode_line
from judge.verdict import Verdict, render_statement

PASSWORD = "correct horse battery"
SENTINEL = "SENTINEL-of-the-judge"
"""Stands in everything that a judge says of the made pairs."""


def quick_hasher() -> PasswordHasher:
    """A hasher of the same kind that takes a millisecond."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 11, 21, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def pair_row(number: int, **fields: Any) -> dict[str, Any]:
    """Return a pair as a row of a file."""
    return {
        "pair_id": f"pair-{number}",
        "prompt": f"Question {number}: how many?",
        "response_1": f"There are {number} of them.",
        "response_2": f"I count {number + 1}, and here is why.",
        **fields,
    }


def judgment(pair_id: str, strength: int = 2, **more: Any) -> Judgment:
    """Return what a judge says of a pair in the given order alone."""
    verdict = Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration=f"{SENTINEL}: @Response {2 if strength > 0 else 1} counts right.",
        finish_reason="stop",
    )
    return reconcile(pair_id, {"given": verdict}).model_copy(update=more)


def write_pairs(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def made_run(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    judged: Sequence[Judgment],
    failures: Sequence[Failure] = (),
    model: str = f"{SENTINEL}-model",
) -> Path:
    """Write a run folder as ``judge batch`` leaves it; its input lies beside it."""
    file = write_pairs(folder.parent / f"{folder.name}.jsonl", rows)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    with RunDir.open(folder) as run:
        config = {"input": str(file), "model": model, "mode": "justify"}
        run.begin(config, {"input": f"sha256:{digest}"})
        run.append(
            [encode_line(one.model_dump()) for one in failures],
            [encode_line(one.to_json()) for one in judged],
        )
    return folder


@dataclass
class Team:
    """A project with tasks and people."""

    service: Service
    project_id: int
    people: dict[str, Person] = field(default_factory=dict)

    @classmethod
    def made(cls, service: Service, folder: Path, pairs: int = 6, **settings: Any) -> Team:
        rows = [pair_row(n) for n in range(pairs)]
        run = made_run(folder, rows, [judgment(row["pair_id"]) for row in rows])
        project_id = service.projects.create(None, Settings(name="demo", **settings))
        service.importing.run(project_id, run)
        team = cls(service, project_id)
        for name in ("ann", "ben", "cem", "dora", "eva"):
            team.add(name)
        team.add("ada", "adjudicator")
        team.add("max", "manager")
        return team

    def add(self, name: str, role: Role = "annotator") -> Person:
        """Add a person with a role."""
        account_id = self.service.accounts.create(None, name, PASSWORD)
        self.service.projects.set_role(None, self.project_id, name, role)
        self.people[name] = Person(account_id=account_id, name=name)
        return self.people[name]

    def change(self, **settings: Any) -> None:
        """Change the project's settings."""
        before = self.service.projects.get(self.people["max"], self.project_id).settings
        self.service.projects.change(None, self.project_id, before.model_copy(update=settings))

    def take(self, name: str, count: int = 1) -> list[TaskView]:
        """Take tasks."""
        return self.service.annotating.take(self.people[name], self.project_id, count)

    def choose(self, name: str, task: TaskView, strength: int, reason: str = "") -> TaskView:
        """Make the first choice; ``strength`` as shown."""
        choice = Choice(strength=strength, justification=reason or "It is right.")
        return self.service.annotating.choose(
            self.people[name], task.assignment_id, choice, token()
        )

    def finish(self, name: str, task: TaskView, strength: int, **final: Any) -> TaskView:
        """Reveal and complete a task with a choice; other words than the first are edited ones."""
        who = self.people[name]
        self.service.annotating.reveal(who, task.assignment_id)
        values = {"strength": strength, "explanation": "right", "elaboration": "It is right."}
        if final.get("words", "edited") != "edited":
            values["elaboration"] = ""
        said = Final(**{"words": "edited", **values, **final})
        return self.service.annotating.complete(who, task.assignment_id, said, token())

    def annotate(self, name: str, given: int, final: int | None = None) -> TaskView:
        """Take the next task and annotate it with strengths in the pair's own order."""
        (task,) = self.take(name)
        flipped = not task.response_1.startswith("There are")
        sign = -1 if flipped and given != -100 else 1
        chosen = self.choose(name, task, sign * given)
        if not task.has_judge:
            return chosen
        return self.finish(name, task, sign * (given if final is None else final))


def token() -> str:
    """Return what a page makes for one press of a button."""
    return uuid.uuid4().hex


def set_back(store: Store, revision: str) -> None:
    """Give a database that this program filled the schema of an earlier revision: the data of
    today in the tables of then."""
    later: dict[str, list[str]] = {
        "0009": ["ALTER TABLE member DROP COLUMN released"],
        "0008": [
            "ALTER TABLE assignment DROP COLUMN question_id",
            "ALTER TABLE assignment DROP COLUMN answer_id",
        ],
        "0007": [
            "ALTER TABLE assignment DROP COLUMN practice",
            "ALTER TABLE task DROP COLUMN because",
        ],
        "0006": [
            "DROP TABLE assignee",
            "DROP TABLE group_member",
            "DROP TABLE people_group",
            "ALTER TABLE member DROP COLUMN quota",
            "ALTER TABLE task DROP COLUMN reserved",
        ],
        "0005": [],
        "0004": ["DROP TABLE invitation"],
        "0003": ["ALTER TABLE task DROP COLUMN least"],
        "0002": [],
        "0001": (
            ["DROP TRIGGER event_UPDATE", "DROP TRIGGER event_DELETE"]
            if store.is_sqlite
            else ["DROP FUNCTION event_unchangeable CASCADE"]
        ),
    }
    with store.writing() as tx:
        for known, statements in later.items():
            if known >= revision:
                for statement in statements:
                    tx.execute(text(statement))
        tx.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": revision})

"""Who may do what: every method of the services asks here, inside its own transaction."""

from __future__ import annotations

from app.errors import NotAllowed, NotFound, Refused
from app.review.project import LEAST_ROLE, Action, Person, Role, Settings, may
from app.store import accounts, events, projects
from app.store.database import Transaction

LONGEST_REASON = 1000


def allow(tx: Transaction, who: Person | None, project_id: int, action: Action) -> Settings:
    """Return the project's settings where the person may do it; None is the command line.

    Raises:
        NotFound: no such project, or the person takes no part in it.
        NotAllowed: the person's role is not enough.
    """
    settings = projects.settings_of(tx, project_id)
    role: Role | None = "manager" if who is None else None
    if who is not None:
        role = accounts.role_of(tx, who.account_id, project_id)
    if settings is None or role is None:
        raise NotFound("there is no such project")
    if not may(role, action):
        raise NotAllowed(f"this needs the role {LEAST_ROLE[action]}; yours is {role}")
    return settings


def allow_any_manager(tx: Transaction, who: Person | None) -> None:
    """Raise NotAllowed where the person manages no project at all."""
    if who is not None and not accounts.is_manager(tx, who.account_id):
        raise NotAllowed("only managers may do this")


def allow_making(tx: Transaction, who: Person | None) -> None:
    """Raise NotAllowed for who may not make a project: only managers may, and where there is no
    project yet, anyone who has an account."""
    if projects.all_projects(tx):
        allow_any_manager(tx, who)


def project_of(tx: Transaction, who: Person | None, task_id: int, action: Action) -> int:
    """Return the project of a task where the person may do it there.

    Raises:
        NotFound: no such task, or the person takes no part in its project. NotAllowed.
    """
    project_id = projects.of_task(tx, task_id)
    if project_id is None:
        raise NotFound("there is no such task")
    allow(tx, who, project_id, action)
    return project_id


def checked_reason(reason: str) -> str:
    """Return a reason without white space around it.

    Raises:
        Refused: it is empty or too long.
    """
    text = reason.replace("\0", "").encode("utf-8", "replace").decode().strip()
    if not text or len(text) > LONGEST_REASON:
        raise Refused(f"please give a reason of 1 to {LONGEST_REASON:,} characters")
    return text


def checked_token(token: str) -> str:
    """Return the token of a press of a button.

    Raises:
        Refused: it is none.
    """
    usable = token.isascii() and token.isprintable()
    if not usable or not 8 <= len(token) <= events.LONGEST_TOKEN:
        raise Refused(f"a token has 8 to {events.LONGEST_TOKEN} printable ASCII characters")
    return token

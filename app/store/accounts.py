"""Accounts, sessions, failed sign-ins, members of projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.review.project import Member, Role
from app.store.database import Transaction
from app.store.schema import account, attempt, member, project, session


@dataclass(frozen=True)
class Account:
    """A row of the table."""

    id: int
    name: str
    key: str
    password_hash: str | None
    external_id: str | None
    active: bool
    created_at: datetime


def key_of(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return name.strip().casefold()


def by_name(tx: Transaction, name: str) -> Account | None:
    """Return the account of that name, letter case aside."""
    row = tx.execute(select(account).where(account.c.key == key_of(name))).one_or_none()
    return None if row is None else Account(**row._mapping)


def by_external_id(tx: Transaction, external_id: str) -> Account | None:
    """Return the account that signs in externally under this identity."""
    row = tx.execute(select(account).where(account.c.external_id == external_id)).one_or_none()
    return None if row is None else Account(**row._mapping)


def by_id(tx: Transaction, account_id: int) -> Account:
    """Return the account of that id, which must exist."""
    return Account(**tx.execute(select(account).where(account.c.id == account_id)).one()._mapping)


def count(tx: Transaction) -> int:
    """Return how many accounts there are."""
    return tx.scalar(select(func.count()).select_from(account)) or 0


def create(tx: Transaction, name: str, password_hash: str | None, now: datetime) -> int | None:
    """Make an account; return its id, None where the name is taken."""
    if by_name(tx, name) is not None:
        return None
    made = (
        insert(account)
        .values(
            name=name.strip(),
            key=key_of(name),
            password_hash=password_hash,
            active=True,
            created_at=now,
        )
        .returning(account.c.id)
    )
    return int(tx.execute(made).scalar_one())


def set_password(tx: Transaction, account_id: int, password_hash: str) -> None:
    """Set a password."""
    tx.execute(
        update(account).where(account.c.id == account_id).values(password_hash=password_hash)
    )


def set_active(tx: Transaction, account_id: int, active: bool) -> None:
    """Let the account sign in, or no longer."""
    tx.execute(update(account).where(account.c.id == account_id).values(active=active))


def set_external_id(tx: Transaction, account_id: int, external_id: str | None) -> None:
    """Set the identity under which the account signs in externally."""
    tx.execute(update(account).where(account.c.id == account_id).values(external_id=external_id))


def add_session(
    tx: Transaction, token_hash: str, account_id: int, now: datetime, until: datetime
) -> None:
    """Add a session and remove those that ended."""
    tx.execute(delete(session).where(session.c.expires_at < now))
    tx.execute(
        insert(session).values(
            token_hash=token_hash, account_id=account_id, created_at=now, expires_at=until
        )
    )


def of_session(tx: Transaction, token_hash: str, now: datetime) -> tuple[Account, datetime] | None:
    """Return the active account of a session that has not ended, and when it would end."""
    row = tx.execute(_of_session(), {"token": token_hash, "now": now}).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    until = values.pop("expires_at")
    return Account(**values), until


@cache
def _of_session() -> Select[Any]:
    return (
        select(account, session.c.expires_at)
        .join(session, session.c.account_id == account.c.id)
        .where(
            session.c.token_hash == bindparam("token"),
            session.c.expires_at >= bindparam("now"),
            account.c.active,
        )
    )


def prolong_session(tx: Transaction, token_hash: str, until: datetime) -> None:
    """Let a session end later."""
    tx.execute(update(session).where(session.c.token_hash == token_hash).values(expires_at=until))


def end_sessions(tx: Transaction, account_id: int, but: str | None = None) -> None:
    """End all sessions of an account, but the one of this token hash."""
    ended = delete(session).where(session.c.account_id == account_id)
    tx.execute(ended if but is None else ended.where(session.c.token_hash != but))


def end_session(tx: Transaction, token_hash: str) -> None:
    """End one session, if there is one."""
    tx.execute(delete(session).where(session.c.token_hash == token_hash))


def failures(tx: Transaction, key: str, since: datetime) -> int:
    """Return how many sign-ins failed under ``key`` since the last success, none of them before
    ``since``."""
    found = tx.scalar(
        select(attempt.c.failures).where(attempt.c.key == key, attempt.c.last_at >= since)
    )
    return found or 0


def add_failure(tx: Transaction, key: str, now: datetime, since: datetime) -> int:
    """Count one more failed sign-in and return the count; it begins anew where the last one was
    before ``since``."""
    new = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    again = case((attempt.c.last_at < since, 1), else_=attempt.c.failures + 1)
    return int(
        tx.execute(
            new(attempt)
            .values(key=key, failures=1, last_at=now)
            .on_conflict_do_update(index_elements=["key"], set_={"failures": again, "last_at": now})
            .returning(attempt.c.failures)
        ).scalar_one()
    )


def forget_failures(tx: Transaction, key: str, before: datetime | None = None) -> None:
    """Begin to count anew, also for every key whose last failure was before a moment."""
    over = attempt.c.key == key
    tx.execute(
        delete(attempt).where(over if before is None else over | (attempt.c.last_at < before))
    )


def take_back_failure(tx: Transaction, key: str) -> None:
    """Count one failed sign-in less."""
    tx.execute(update(attempt).where(attempt.c.key == key).values(failures=attempt.c.failures - 1))


def role_of(tx: Transaction, account_id: int, project_id: int) -> Role | None:
    """Return the account's role in the project; None where it takes no part or is not active."""
    role: Role | None = tx.scalar(_role_of(), {"account": account_id, "project": project_id})
    return role


@cache
def _role_of() -> Select[Any]:
    return (
        select(member.c.role)
        .join(account, account.c.id == member.c.account_id)
        .where(
            member.c.account_id == bindparam("account"),
            member.c.project_id == bindparam("project"),
            account.c.active,
        )
    )


def is_manager(tx: Transaction, account_id: int) -> bool:
    """Return whether the account manages any project."""
    found = tx.scalar(
        select(func.count()).where(member.c.account_id == account_id, member.c.role == "manager")
    )
    return bool(found)


def manages_all_of(tx: Transaction, manager_id: int, account_id: int) -> bool:
    """Return whether ``manager_id`` manages every project that the account takes part in."""
    own = select(member.c.project_id).where(
        member.c.account_id == manager_id, member.c.role == "manager"
    )
    foreign = select(func.count()).where(
        member.c.account_id == account_id, member.c.project_id.not_in(own)
    )
    return not tx.scalar(foreign)


def manage_all(tx: Transaction, account_id: int) -> None:
    """Make the account a manager of every project."""
    for project_id in tx.scalars(select(project.c.id)).all():
        set_role(tx, project_id, account_id, "manager")


def members(tx: Transaction, project_id: int) -> list[Member]:
    """Return the members of a project by name."""
    rows = tx.execute(
        select(account.c.id, account.c.name, member.c.role, account.c.active)
        .join(member, member.c.account_id == account.c.id)
        .where(member.c.project_id == project_id)
        .order_by(account.c.key)
    )
    return [Member(account_id=i, name=n, role=role, active=active) for i, n, role, active in rows]


def set_role(tx: Transaction, project_id: int, account_id: int, role: Role | None) -> None:
    """Give the account a role in the project; None takes it away."""
    held = (member.c.project_id == project_id, member.c.account_id == account_id)
    if role is None:
        tx.execute(delete(member).where(*held))
    elif tx.execute(update(member).where(*held).values(role=role)).rowcount == 0:
        tx.execute(insert(member).values(project_id=project_id, account_id=account_id, role=role))


def managers(tx: Transaction, project_id: int) -> int:
    """Return how many active managers the project has."""
    return (
        tx.scalar(
            select(func.count())
            .select_from(member.join(account, account.c.id == member.c.account_id))
            .where(member.c.project_id == project_id, member.c.role == "manager", account.c.active)
        )
        or 0
    )

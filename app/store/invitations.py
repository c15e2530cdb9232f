"""Links by which people set their passwords; the database holds the links' hashes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from app.store.database import Transaction
from app.store.schema import invitation, member


@dataclass(frozen=True)
class Invitation:
    """A row of the table."""

    token_hash: str
    account_id: int
    project_id: int
    invited_by: int | None
    expires_at: datetime


def add(tx: Transaction, new: Invitation, now: datetime) -> None:
    """Keep a link in place of the account's earlier one, and forget those that ended."""
    ended = (invitation.c.account_id == new.account_id) | (invitation.c.expires_at < now)
    tx.execute(delete(invitation).where(ended))
    tx.execute(insert(invitation).values(**vars(new)))


def find(tx: Transaction, token_hash: str, now: datetime) -> Invitation | None:
    """Return the link of this hash, unless it ended."""
    row = tx.execute(
        select(invitation).where(
            invitation.c.token_hash == token_hash, invitation.c.expires_at >= now
        )
    ).one_or_none()
    return None if row is None else Invitation(**row._mapping)


def use(tx: Transaction, token_hash: str) -> bool:
    """Take a link out of the table; return False where someone else used it meanwhile."""
    used = tx.execute(delete(invitation).where(invitation.c.token_hash == token_hash))
    return used.rowcount > 0


def drop(tx: Transaction, account_id: int) -> None:
    """Take the account's link away, if it has one."""
    tx.execute(delete(invitation).where(invitation.c.account_id == account_id))


def pending(tx: Transaction, project_id: int) -> dict[int, datetime]:
    """Return until when links of the project's members are good, by account."""
    rows = tx.execute(
        select(invitation.c.account_id, invitation.c.expires_at)
        .join(member, member.c.account_id == invitation.c.account_id)
        .where(member.c.project_id == project_id)
    )
    return {row.account_id: row.expires_at for row in rows}

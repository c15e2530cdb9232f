"""People who come by a link: each sets a password that nobody else ever knew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_urlsafe

from pydantic import BaseModel, ConfigDict

from app.errors import NotAllowed, NotFound, Refused
from app.review.project import Person, Role
from app.service.access import allow
from app.service.accounts import Accounts, check_name, hash_token
from app.service.acts import acted
from app.store import accounts as rows
from app.store import invitations, projects
from app.store.database import Store, Transaction

GOOD_FOR = timedelta(days=7)
_NO_LINK = "this link was used already, has ended, or was replaced; ask for a new one"


class Invited(BaseModel):
    """Who a link is for."""

    model_config = ConfigDict(frozen=True)

    name: str
    project_id: int
    project: str
    role: Role
    has_password: bool
    """Whether it replaces a password that was forgotten."""


class Inviting:
    """Invitations and new passwords by link.

    A link holds 256 random bits, of which the database has the hash. It is good once, for a week,
    and until another link or a password takes its place. ``who`` None is the command line.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], accounts: Accounts) -> None:
        self._store = store
        self._now = clock
        self._accounts = accounts

    def invite(self, who: Person | None, project_id: int, name: str, role: Role) -> str:
        """Make an account without a password and return the token of its link.

        Raises:
            Refused: the name is taken, letter case aside, or cannot be one.
            NotFound, NotAllowed: ``who`` does not manage the project.
        """
        check_name(name)
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            made = rows.create(tx, name, None, self._now())
            if made is None:
                raise Refused(
                    f"there is an account called {name.strip()!r} already: give it a role, or a"
                    " link for a new password"
                )
            rows.set_role(tx, project_id, made, role)
            acted(tx, self._now(), who, project_id, "role", {"account": name, "role": role})
            return self._link(tx, who, project_id, made, name)

    def renew(self, who: Person | None, project_id: int, name: str) -> str:
        """Return the token of a link by which someone who is here already sets another password;
        until then the present one goes on.

        Raises:
            NotFound: the project has no such member.
            Refused: the account is locked.
            NotAllowed: it takes part in a project that ``who`` does not manage.
        """
        with self._store.writing() as tx:
            allow(tx, who, project_id, "manage")
            found = rows.by_name(tx, name)
            members = {one.account_id for one in rows.members(tx, project_id)}
            if found is None or found.id not in members:
                raise NotFound(f"nobody called {name!r} takes part in this project")
            if not found.active:
                raise Refused(f"{found.name} is locked; unlock the account first")
            if who is not None and not rows.manages_all_of(tx, who.account_id, found.id):
                raise NotAllowed(f"{found.name} takes part in projects that you do not manage")
            return self._link(tx, who, project_id, found.id, found.name)

    def pending(self, who: Person | None, project_id: int) -> dict[int, datetime]:
        """Return until when links of the project's members are good, by account."""
        with self._store.reading() as tx:
            allow(tx, who, project_id, "manage")
            found = invitations.pending(tx, project_id)
        return {account: until for account, until in found.items() if until >= self._now()}

    def opened(self, token: str) -> Invited:
        """Return who a link is for. Looking uses nothing up: programs look at links, too.

        Raises:
            NotFound: it is good no longer, or never was.
        """
        with self._store.reading() as tx:
            return self._invited(tx, self._found(tx, token))

    def accept(self, token: str, password: str) -> tuple[str, Invited]:
        """Set the password and return the token of a new session; the link is used up, and the
        account's other sessions end.

        Raises:
            NotFound: as :meth:`opened`.
            Refused: the password is too short; the link stays good.
        """
        self.opened(token)
        hashed = self._accounts.hash_password(password)
        with self._store.writing() as tx:
            found = self._found(tx, token)
            if not invitations.use(tx, found.token_hash):
                raise NotFound(_NO_LINK)
            account = rows.by_id(tx, found.account_id)
            invited = self._invited(tx, found)
            rows.set_password(tx, account.id, hashed)
            rows.forget_failures(tx, f"name:{account.key}")
            rows.end_sessions(tx, account.id)
            person = Person(account_id=account.id, name=account.name)
            acted(tx, self._now(), person, found.project_id, "joined", {"account": account.name})
            return self._accounts.begin_session(tx, account.id), invited

    def _link(
        self, tx: Transaction, who: Person | None, project_id: int, account_id: int, name: str
    ) -> str:
        token, now = token_urlsafe(32), self._now()
        by = None if who is None else who.account_id
        new = invitations.Invitation(hash_token(token), account_id, project_id, by, now + GOOD_FOR)
        invitations.add(tx, new, now)
        acted(tx, now, who, project_id, "invite", {"account": name})
        return token

    def _found(self, tx: Transaction, token: str) -> invitations.Invitation:
        found = invitations.find(tx, hash_token(token), self._now())
        if found is None or rows.role_of(tx, found.account_id, found.project_id) is None:
            raise NotFound(_NO_LINK)
        by = found.invited_by
        # Whoever made it may have lost the project since, or the person may have joined others.
        if by is not None and not rows.manages_all_of(tx, by, found.account_id):
            raise NotFound(_NO_LINK)
        return found

    def _invited(self, tx: Transaction, found: invitations.Invitation) -> Invited:
        account = rows.by_id(tx, found.account_id)
        role = rows.role_of(tx, found.account_id, found.project_id)
        settings = projects.settings_of(tx, found.project_id)
        assert role is not None and settings is not None
        return Invited(
            name=account.name,
            project_id=found.project_id,
            project=settings.name,
            role=role,
            has_password=account.password_hash is not None,
        )

"""Accounts, sign-in, sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from secrets import token_urlsafe
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from app.errors import NotAllowed, NotFound, NotSignedIn, Refused, SignInRefused
from app.review.project import Person
from app.service.access import allow_any_manager
from app.store import accounts as rows
from app.store import invitations
from app.store.database import Store, Transaction

SESSION = timedelta(days=14)
LOCKED = timedelta(minutes=15)
FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS = 5, 50
SHORTEST_PASSWORD, LONGEST_PASSWORD, LONGEST_NAME = 12, 1000, 100
HASHED_AT_ONCE = 4
"""Each takes 64 MiB: a flood of sign-ins waits instead of filling the memory."""
_WRONG = "wrong name or password"
_TOO_MANY = "too many failed sign-ins; try again in 15 minutes, or ask a manager for a new password"


class Accounts:
    """Accounts, sign-in and sessions.

    A session is 256 random bits in a cookie; the database holds their hash, so a stolen backup
    opens no session. Nothing needs a signature: no other text has a hash that is in the table.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], hasher: PasswordHasher) -> None:
        self._store = store
        self._now = clock
        self._hasher = hasher
        self._hashing = BoundedSemaphore(HASHED_AT_ONCE)
        # Verified where there is no such name, so that this takes as long.
        self._nobody = hasher.hash(token_urlsafe())

    def sign_in(self, name: str, password: str, address: str = "") -> str:
        """Return the token of a new session, for the cookie (``HttpOnly; Secure; SameSite=Lax``).

        After 5 wrong passwords in a row a name is locked for 15 minutes, whether or not it exists;
        an ``address`` after 50.

        Raises:
            SignInRefused: wrong, locked, or the account is not active; takes as long for each.
        """
        now = self._now()
        since = now - LOCKED
        name = name[: LONGEST_NAME + 1]
        limits = {f"name:{rows.key_of(name)}": FAILURES_OF_A_NAME}
        if address:
            limits[f"address:{address[:100]}"] = FAILURES_OF_AN_ADDRESS
        with self._store.reading() as tx:
            if any(rows.failures(tx, key, since) >= most for key, most in limits.items()):
                raise SignInRefused(_TOO_MANY)
            found = rows.by_name(tx, name)
        # Counted before the slow check: guesses sent all at once are no way around the limit.
        with self._store.writing() as tx:
            if any(rows.add_failure(tx, key, now, since) > most for key, most in limits.items()):
                raise SignInRefused(_TOO_MANY)
        stored = found.password_hash if found is not None else None
        right = self._is_right(stored or self._nobody, password)
        if found is None or stored is None or not right or not found.active:
            raise SignInRefused(_WRONG)
        with self._store.writing() as tx:
            rows.forget_failures(tx, f"name:{found.key}", before=since)
            if address:  # others may be guessing behind the same address
                rows.take_back_failure(tx, f"address:{address[:100]}")
            if self._hasher.check_needs_rehash(stored):
                rows.set_password(tx, found.id, self._hasher.hash(password))
            return self.begin_session(tx, found.id)

    def sign_in_external(self, external_id: str) -> str:
        """Return the token of a new session for who signed in elsewhere (OpenID Connect).

        Args:
            external_id: issuer and subject in one text; :meth:`link_external` set it.

        Raises:
            SignInRefused: when no active account has it.
        """
        with self._store.writing() as tx:
            found = rows.by_external_id(tx, external_id)
            if found is None or not found.active:
                raise SignInRefused("no account here belongs to this identity; ask a manager")
            return self.begin_session(tx, found.id)

    def sign_in_local(self, name: str = "local") -> str:
        """Return the token of a new session without a password, for ``--no-auth`` alone.

        The account is made where there is none, and manages every project.
        """
        with self._store.writing() as tx:
            found = rows.by_name(tx, name)
            account_id = found.id if found else rows.create(tx, name, None, self._now())
            assert account_id is not None
            rows.manage_all(tx, account_id)
            return self.begin_session(tx, account_id)

    def person(self, token: str | None) -> Person:
        """Return who the token of a cookie belongs to; a session ends after 14 days without use.

        Raises:
            NotSignedIn: no session, an ended one, or the account is no longer active.
        """
        now = self._now()
        hashed = hash_token(token or "")
        with self._store.reading() as tx:
            found = rows.of_session(tx, hashed, now)
        if found is None:
            raise NotSignedIn("please sign in")
        account, until = found
        if until - now < SESSION - timedelta(days=1):  # once a day, not with every request
            with self._store.writing() as tx:
                rows.prolong_session(tx, hashed, now + SESSION)
        return Person(account_id=account.id, name=account.name)

    def csrf_token(self, token: str) -> str:
        """Return what a form of this session must send beside the cookie."""
        return hmac(token.encode(), b"csrf", sha256).hexdigest()

    def sign_out(self, token: str) -> None:
        """End the session, if there is one."""
        with self._store.writing() as tx:
            rows.end_session(tx, hash_token(token))

    def change_password(self, who: Person, old: str, new: str, token: str | None = None) -> None:
        """Set a new password and end the account's sessions but the one of ``token``.

        Raises:
            SignInRefused: the old one is wrong; counts as a failed sign-in.
            Refused: the new one is shorter than 12 characters.
        """
        self.sign_out(self.sign_in(who.name, old))
        hashed = self.hash_password(new)
        with self._store.writing() as tx:
            rows.set_password(tx, who.account_id, hashed)
            invitations.drop(tx, who.account_id)
            rows.end_sessions(tx, who.account_id, but=None if token is None else hash_token(token))

    def create(self, who: Person | None, name: str, password: str | None = None) -> int:
        """Make an account and return its id; without a password it can only sign in externally.

        Args:
            who: who asks, a manager of any project; None is the command line, here and below.

        Raises:
            Refused: the name is taken (letter case aside) or empty, the password too short.
            NotAllowed: ``who`` manages no project.
        """
        check_name(name)
        hashed = None if password is None else self.hash_password(password)
        with self._store.writing() as tx:
            allow_any_manager(tx, who)
            made = rows.create(tx, name, hashed, self._now())
        if made is None:
            raise Refused(f"there is an account called {name.strip()!r} already")
        return made

    def exists(self, name: str) -> bool:
        """Return whether there is an account of that name; for commands."""
        with self._store.reading() as tx:
            return rows.by_name(tx, name) is not None

    def any(self) -> bool:
        """Return whether there is any account; for commands."""
        with self._store.reading() as tx:
            return rows.count(tx) > 0

    def reset_password(self, who: Person | None, name: str, new: str) -> None:
        """Set a password, lift a lock-out, end all sessions of the account.

        Raises:
            NotFound, Refused: no such account; a password that is too short.
            NotAllowed: the account takes part in a project that ``who`` does not manage.
        """
        hashed = self.hash_password(new)
        with self._store.writing() as tx:
            found = self._find(tx, who, name)
            rows.set_password(tx, found.id, hashed)
            invitations.drop(tx, found.id)
            rows.forget_failures(tx, f"name:{found.key}")
            rows.end_sessions(tx, found.id)

    def set_active(self, who: Person | None, name: str, active: bool) -> None:
        """Let an account sign in, or no longer; the latter ends its sessions."""
        with self._store.writing() as tx:
            found = self._find(tx, who, name)
            if not active and who is not None and who.account_id == found.id:
                raise Refused("you cannot lock your own account; ask another manager")
            rows.set_active(tx, found.id, active)
            if not active:
                rows.end_sessions(tx, found.id)
                invitations.drop(tx, found.id)

    def link_external(self, who: Person | None, name: str, external_id: str | None) -> None:
        """Let an account sign in through OpenID Connect under this identity; None: no longer."""
        with self._store.writing() as tx:
            found = self._find(tx, who, name)
            if external_id is not None:
                other = rows.by_external_id(tx, external_id)
                if other is not None and other.id != found.id:
                    raise Refused(f"this identity belongs to {other.name!r}")
            rows.set_external_id(tx, found.id, external_id)

    def _find(self, tx: Transaction, who: Person | None, name: str) -> rows.Account:
        allow_any_manager(tx, who)
        found = rows.by_name(tx, name)
        if found is None:
            raise NotFound(f"there is no account called {name!r}")
        if who is not None and not rows.manages_all_of(tx, who.account_id, found.id):
            raise NotAllowed(f"{found.name} takes part in projects that you do not manage")
        return found

    def begin_session(self, tx: Transaction, account_id: int) -> str:
        """Return the token of a new session."""
        token = token_urlsafe(32)
        now = self._now()
        rows.add_session(tx, hash_token(token), account_id, now, now + SESSION)
        return token

    def _is_right(self, stored: str, password: str) -> bool:
        try:
            with self._hashing:
                return self._hasher.verify(stored, password[: LONGEST_PASSWORD + 1])
        except Argon2Error:
            return False

    def hash_password(self, password: str) -> str:
        """Return the hash of a new password.

        Raises:
            Refused: it is too short, or longer than anyone would type.
        """
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise Refused(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD:,} characters")
        with self._hashing:
            return self._hasher.hash(password)


def check_name(name: str) -> None:
    """Raise Refused for what cannot be the name of an account."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused(f"a name has 1 to {LONGEST_NAME} printable characters")


def hash_token(token: str) -> str:
    """Return what the database keeps of a token."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()

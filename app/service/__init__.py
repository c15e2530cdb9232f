"""What the pages and the commands may do with a database of projects.

    service = Service.open("sqlite:///run/review.sqlite")
    service.accounts      sign-in, sessions, accounts
    service.projects      projects, members, settings, sources of tasks
    service.annotating    tasks for one person: take, choose, reveal, complete, undo
    service.adjudicating  tasks whose annotations lie too far apart
    service.commenting    comments between an annotator and adjudicators
    service.browsing      a manager's list of tasks
    service.grouping      groups of people, quotas, tasks that go to some alone
    service.figures       progress and agreement
    service.highlighting  texts in which spans may be marked
    service.exporting     files for training and for analysis
    service.importing     tasks out of run folders and pair files on this machine
    service.uploads       the same out of what a manager sends
    service.inviting      links by which people set their passwords

Every method that a page calls takes the :class:`app.service.accounts.Person` who asks and looks up
that person's role anew. All of them may be called from any thread; all raise
:class:`app.errors.ReviewError` for what is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from argon2 import PasswordHasher

from app.review.project import Person
from app.service.accounts import Accounts
from app.service.adjudicating import Adjudicating
from app.service.annotating import Annotating
from app.service.browsing import Browsing
from app.service.commenting import Commenting
from app.service.exporting import Exporting
from app.service.figures import Figures
from app.service.grouping import Grouping
from app.service.highlighting import Highlighting
from app.service.importing import Importing
from app.service.inviting import Inviting
from app.service.projects import Projects
from app.service.uploads import Uploads
from app.store.database import Store

__all__ = ["Person", "Service"]


class Service:
    """The services over one database.

    Args:
        clock: the current time, with its zone.
        hasher: hashes passwords (argon2id; its defaults are those of RFC 9106).
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        hasher: PasswordHasher | None = None,
    ) -> None:
        self.store = store
        self.accounts = Accounts(store, clock, hasher or PasswordHasher())
        self.projects = Projects(store, clock)
        self.annotating = Annotating(store, clock)
        self.adjudicating = Adjudicating(store, clock)
        self.commenting = Commenting(store, clock)
        self.browsing = Browsing(store, clock)
        self.grouping = Grouping(store, clock)
        self.figures = Figures(store, clock)
        self.highlighting = Highlighting(store)
        self.exporting = Exporting(store, clock)
        self.importing = Importing(store, clock)
        self.uploads = Uploads(store, self.importing)
        self.inviting = Inviting(store, clock, self.accounts)

    @classmethod
    def open(cls, url: str) -> Service:
        """Open the database at ``url``, made or migrated to the newest schema where need be.

        Raises:
            judge.errors.UsageError: when it cannot be reached, or is newer than this program.
        """
        return cls(Store.open(url))

    def close(self) -> None:
        """Close every connection."""
        self.store.close()

"""The errors of the review UI, and what each caller does with them.

    judge.errors.JudgeError
    `-- ReviewError     ``str()`` is one line that may be shown to the person
        |-- NotSignedIn     no session, or it ended: show the sign-in page (401)
        |-- SignInRefused   wrong name or password, or locked out: say so, nothing more (403)
        |-- NotAllowed      the person's role does not allow it (403)
        |-- NotFound        no such project, task or assignment, or not this person's (404)
        |-- Refused         a rule forbids it as it stands; the person can change that (409)
        |   `-- Overtaken   someone else changed it meanwhile: show both, lose neither (409)
        `-- SlotTaken       the lease ran out and others took the task's places; the draft is kept
                            (409)

Everything else is a fault of ours or of the database and belongs into the log, not on a page.
"""

from __future__ import annotations

from judge.errors import JudgeError


class ReviewError(JudgeError):
    """Base of what the review service refuses; ``str()`` may be shown to the person."""


class NotSignedIn(ReviewError):
    """There is no session, or it ended."""


class SignInRefused(ReviewError):
    """Wrong name or password, or locked out after repeated failures."""


class NotAllowed(ReviewError):
    """The person's role in the project does not allow it."""


class NotFound(ReviewError):
    """No such thing, or none that this person may know of."""


class Refused(ReviewError):
    """A rule forbids it as it stands."""


class Overtaken(Refused):
    """Someone else changed the same thing since the person looked at it."""


class SlotTaken(ReviewError):
    """The lease ran out and the task has all its annotations; what was written is kept."""

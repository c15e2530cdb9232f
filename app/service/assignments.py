"""One person's part in a task: what every decision checks and changes, and what is shown of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.errors import NotFound, Refused
from app.review.highlights import Highlight
from app.review.practice import Feedback, feedback
from app.review.project import Person, Settings
from app.review.ratings import RatedChoice, wanted_ratings
from app.review.rules import wanted
from app.review.statement import lacks_reason
from app.review.task import Choice, Draft, Final, TaskLine, TaskView, as_shown, to_given
from app.review.words import objection, same_side, settled
from app.service.access import allow, checked_token
from app.store import drafts, events, queue, views
from app.store.database import Transaction
from app.store.events import Kind
from app.store.queue import Assignment, Places
from judge.verdict import Order, flip_strength

EXCERPT = 80
"""Characters of a prompt in a list."""


def own_assignment(tx: Transaction, who: Person, assignment_id: int) -> tuple[Assignment, Settings]:
    """Return the person's assignment and the project's settings.

    Raises:
        NotFound: it is not this person's. NotAllowed: the person has no role any more.
    """
    found = queue.get(tx, assignment_id)
    if found is None or found.account_id != who.account_id:
        raise NotFound("there is no such task")
    return found, allow(tx, who, found.project_id, "annotate")


def locked(tx: Transaction, who: Person, assignment_id: int) -> tuple[Assignment, Places, Settings]:
    """Return the person's assignment, its task locked, and the project's settings; raises as
    :func:`own_assignment`."""
    found, settings = own_assignment(tx, who, assignment_id)
    places = queue.lock(tx, found.task_id)
    # Read again: it may have changed before we had the lock.
    return queue.get(tx, assignment_id) or found, places, settings


def hold(tx: Transaction, held: Assignment, places: Places) -> bool:
    """Return whether an undecided task is this person's, again after its lease ran out."""
    return held.state == "open" or (held.state == "returned" and queue.take_place(tx, places))


def is_stored(tx: Transaction, who: Person, held: Assignment, kind: Kind, token: str) -> bool:
    """Return whether this press of the button is stored already."""
    before = events.by_token(tx, who.account_id, checked_token(token))
    if before is None:
        return False
    if before.kind != kind or before.assignment_id != held.id:
        raise Refused("this token was used for something else")
    return True


def check_kind(
    tx: Transaction, settings: Settings, held: Assignment, said: Choice | Final | RatedChoice
) -> None:
    """Raise Refused for what the project does not ask, or the task has no response for."""
    if isinstance(said, RatedChoice) != (settings.kind == "attributes"):
        wanted_now = "ratings" if settings.kind == "attributes" else "a choice"
        raise Refused(f"this project asks for {wanted_now}; reload the page")
    if isinstance(said, RatedChoice):
        alone = not views.load(tx, [held.id])[0].pair.response_2 and settings.responses == "each"
        if (said.ratings.response_2 is None) != alone:
            raise Refused("please rate every response that is shown")


def settled_final(tx: Transaction, settings: Settings, held: Assignment, final: Final) -> Final:
    """Return what completes a task as it is stored, in the pair's own order.

    Raises:
        Refused: something is missing in it, or its words are not the person's.
    """
    given = to_given(final, held.shown)
    first = views.load(tx, [held.id])[0].choice or Choice(strength=given.strength)
    judged = views.judgment_of(tx, held.task_id)
    judges = (judged[1].elaboration or "") if judged else ""
    if judges and given.explanation is None:
        raise Refused("please say whether the judge's explanation is right")
    strength = judged[1].strength if judged else None
    wrong = objection(given, first, strength, judges, held.blind)
    if wrong is not None:
        raise Refused(wrong)
    given = settled(given, first, judges)
    moved = given.words == "own" and not same_side(given.strength, first.strength)
    own = "" if moved else first.justification
    reason = own if given.words == "own" else given.elaboration
    if lacks_reason(settings, given.strength, [reason]):
        raise Refused(
            "your first reason is for another choice: please write why you changed it"
            if moved and first.justification.strip()
            else "please say why in a few words"
        )
    return given


def add_event(
    tx: Transaction,
    who: Person,
    held: Assignment,
    kind: Kind,
    now: datetime,
    *,
    data: dict[str, object] | None = None,
    reason: str = "",
    undoes: int | None = None,
    token: str | None = None,
) -> int:
    """Append to the history what the person did with a task; return the event's id."""
    return events.add(
        tx,
        held.project_id,
        kind,
        now,
        account_id=who.account_id,
        task_id=held.task_id,
        assignment_id=held.id,
        data=data,
        reason=reason,
        undoes=undoes,
        token=token,
    )


def keep_in_draft(
    tx: Transaction, assignment_id: int, said: dict[str, object], now: datetime
) -> None:
    """Bring the draft to what was submitted, so that undoing loses nothing."""
    before = views.load(tx, [assignment_id])[0].draft or Draft()
    drafts.save(tx, assignment_id, Draft.model_validate({**before.model_dump(), **said}), now)


def recount(tx: Transaction, settings: Settings, task_id: int) -> None:
    """Bring how many annotations the locked task needs to what its annotations say now."""
    if settings.kind == "attributes":
        count = wanted_ratings(settings, views.ratings(tx, task_id))
    else:
        count = wanted(settings, views.strengths(tx, task_id))
    queue.set_wanted(tx, task_id, count)


def take_back(
    tx: Transaction, held: Assignment, places: Places, kind: Kind, until: datetime
) -> None:
    """Put the assignment back to how it was before its last decision of this kind."""
    if kind == "flag":
        queue.change(tx, held.id, flag_id=events.standing(tx, held.id, "flag"))
    elif kind == "final":
        queue.change(
            tx, held.id, final_id=None, state="chosen", completed_at=None, lease_until=until
        )
    elif kind == "choice":
        queue.change(
            tx,
            held.id,
            choice_id=None,
            state="open",
            completed_at=None,
            seconds=None,
            lease_until=until,
        )
    else:
        if not queue.take_place(tx, places):
            raise Refused("others have completed the skipped task meanwhile")
        queue.change(tx, held.id, skip_id=None, state="open", lease_until=until)


def lease_end(settings: Settings, now: datetime) -> datetime:
    """Return when a lease that is given or renewed now runs out."""
    return now + timedelta(minutes=settings.lease_minutes)


def view_of(tx: Transaction, assignment_id: int) -> TaskView:
    """Return an assignment as its person sees it."""
    return task_view(views.load(tx, [assignment_id])[0])


def task_view(loaded: views.Loaded) -> TaskView:
    """Return a loaded assignment as its person sees it: in the order shown."""
    held = loaded.assignment
    pair = as_shown(loaded.pair, held.shown)
    return TaskView(
        assignment_id=held.id,
        project_id=held.project_id,
        number=held.task_id,
        prompt=pair.prompt,
        response_1=pair.response_1,
        response_2=pair.response_2,
        state=held.state,
        blind=held.blind,
        has_judge=loaded.has_judge,
        revealed=held.revealed_at is not None,
        lease_until=held.lease_until,
        draft=None if loaded.draft is None else to_given(loaded.draft, held.shown),
        choice=None if loaded.choice is None else to_given(loaded.choice, held.shown),
        final=None if loaded.final is None else to_given(loaded.final, held.shown),
        ratings=_ratings(loaded.rated, held.shown),
        final_ratings=_ratings(loaded.rated_again, held.shown),
        remark=_remark(loaded.rated_again or loaded.rated, held.shown),
        highlights=_highlights(loaded),
        practice=held.practice,
        feedback=_feedback(loaded),
        flag=loaded.flag,
        reason=loaded.skip,
    )


def _feedback(loaded: views.Loaded) -> Feedback | None:
    """Return what is said of a practice task: nothing before the person's own choice stands."""
    held, choice, expected = loaded.assignment, loaded.choice, loaded.expected
    if not held.practice or held.state != "complete" or choice is None or expected is None:
        return None
    return feedback(loaded.kind, expected, loaded.because, choice.strength, held.shown)


def _ratings(said: RatedChoice | None, order: Order) -> dict[str, Any] | None:
    return None if said is None else to_given(said, order).ratings.model_dump()


def _highlights(loaded: views.Loaded) -> tuple[Highlight, ...]:
    said = loaded.final or loaded.choice or loaded.rated_again or loaded.rated
    return () if said is None else to_given(said, loaded.assignment.shown).highlights


def _remark(said: RatedChoice | None, order: Order) -> str:
    return "" if said is None else to_given(said, order).justification


def task_line(loaded: views.Loaded) -> TaskLine:
    """Return a loaded assignment as a line of its person's list: in the order shown."""
    held, said = loaded.assignment, loaded.final or loaded.choice
    strength = None if said is None else said.strength
    if strength is not None and held.shown == "flipped":
        strength = flip_strength(strength)
    return TaskLine(
        assignment_id=held.id,
        state=held.state,
        strength=strength,
        flagged=loaded.flag is not None,
        answered=held.answer_id is not None,
        number=held.task_id,
        excerpt=" ".join(loaded.pair.prompt[-1].content.split())[:EXCERPT],
        decided_at=loaded.decided_at,
    )

"""Tasks for one person: take, choose, reveal, complete, skip, flag, undo, drafts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.errors import Refused, SlotTaken
from app.review.project import Person, Settings
from app.review.ratings import RatedChoice
from app.review.statement import lacks_reason
from app.review.task import (
    Choice,
    Draft,
    Final,
    MyProgress,
    Reveal,
    TaskLine,
    TaskView,
    reveal_of,
    to_given,
)
from app.service.access import allow, checked_reason, checked_token
from app.service.assignments import (
    add_event,
    check_kind,
    hold,
    is_stored,
    keep_in_draft,
    lease_end,
    locked,
    own_assignment,
    recount,
    settled_final,
    take_back,
    task_line,
    task_view,
    view_of,
)
from app.service.highlighting import stored_highlights
from app.store import browse, drafts, events, leasing, queue, views
from app.store.database import Store

MOST_AHEAD = 5
"""Tasks in one person's hands."""
LONGEST_LIST = 200


class Annotating:
    """What an annotator does. Everything that goes in and comes out is in the order shown.

    The way of a task: ``take`` -> ``begin`` (it is on the screen) -> ``save_draft`` ... ->
    ``choose`` -> ``reveal`` -> ``complete``. A task without a judge is complete with its choice. A
    ``token`` is made by the page for each press of a button: the same token again stores nothing
    and returns the task as it is.

    Every method raises NotFound for what is not this person's, and NotAllowed without a role.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def take(self, who: Person, project_id: int, count: int = 2) -> list[TaskView]:
        """Return up to ``count`` (at most 5) tasks to work on: those in hand, then new ones.

        The first is for now, the others are for preloading. Each new one is a lease.
        """
        now, count = self._now(), max(1, min(count, MOST_AHEAD))
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "annotate")
            expired = queue.has_expired(tx, project_id, now)
        if expired:
            self._release(project_id, settings)
        with self._store.reading() as tx:
            ids = queue.in_hand(tx, project_id, who.account_id, count)
        while len(ids) < count:
            # Each in its own transaction: who holds one task's lock waits for no other's.
            with self._store.writing() as tx:
                until = lease_end(settings, now)
                new = leasing.lease(tx, project_id, who.account_id, settings, now, until)
            if new is None:
                break
            if new not in ids:
                ids.append(new)
        with self._store.reading() as tx:
            return [task_view(loaded) for loaded in views.load(tx, ids)]

    def view(self, who: Person, assignment_id: int) -> TaskView:
        """Return one of this person's tasks in any state (previous/next, after a reload)."""
        with self._store.reading() as tx:
            own_assignment(tx, who, assignment_id)
            return view_of(tx, assignment_id)

    def mine(
        self,
        who: Person,
        project_id: int,
        before: int | None = None,
        limit: int = 50,
        text: str = "",
    ) -> list[TaskLine]:
        """Return this person's tasks, newest first, with assignment ids below ``before``.

        Args:
            text: only those with it in prompt or responses, or with this number.
        """
        with self._store.reading() as tx:
            allow(tx, who, project_id, "annotate")
            found = browse.holding(tx, project_id, text, ids=False) if text.strip() else None
            ids = views.list_of(
                tx, project_id, who.account_id, before, max(1, min(limit, LONGEST_LIST)), found
            )
            return [task_line(loaded) for loaded in views.load(tx, ids)]

    def progress(self, who: Person, project_id: int) -> MyProgress:
        """Return how far this person is."""
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "annotate")
            return views.progress(tx, project_id, who.account_id, self._now(), settings)

    def begin(self, who: Person, assignment_id: int) -> None:
        """Note that the task is on the screen now: its time counts from here; renews the lease."""
        now = self._now()
        with self._store.writing() as tx:
            held, places, settings = locked(tx, who, assignment_id)
            if hold(tx, held, places):
                begun = {} if held.begun_at else {"begun_at": now}
                queue.change(
                    tx, held.id, state="open", lease_until=lease_end(settings, now), **begun
                )

    def save_draft(self, who: Person, assignment_id: int, draft: Draft) -> datetime:
        """Keep what stands in the fields and renew the lease; return when it was saved.

        In the state ``complete`` it does nothing. The draft comes back with :meth:`view`, also
        after the lease ran out and others took the task's places.
        """
        now = self._now()
        with self._store.writing() as tx:
            held, places, settings = locked(tx, who, assignment_id)
            if held.state != "complete":
                drafts.save(tx, held.id, to_given(draft, held.shown), now)
            if held.state == "chosen":
                queue.change(tx, held.id, lease_until=lease_end(settings, now))
            elif hold(tx, held, places):
                queue.change(tx, held.id, state="open", lease_until=lease_end(settings, now))
        return now

    def choose(
        self, who: Person, assignment_id: int, choice: Choice | RatedChoice, token: str
    ) -> TaskView:
        """Store the first choice, or the first ratings.

        Raises:
            Refused: another choice is stored already; a task without a judge lacks its reason.
            SlotTaken: the lease ran out and the task is full.
        """
        now = self._now()
        with self._store.writing() as tx:
            held, places, settings = locked(tx, who, assignment_id)
            if is_stored(tx, who, held, "choice", token):
                return view_of(tx, held.id)
            if held.state not in ("open", "returned"):
                raise Refused("your choice for this task is stored already")
            if not hold(tx, held, places):
                raise SlotTaken("others completed this task; what you wrote is kept with it")
            check_kind(tx, settings, held, choice)
            if (
                isinstance(choice, Choice)
                and not places.has_judge
                and lacks_reason(settings, choice.strength, [choice.justification])
            ):
                raise Refused("please say why in a few words")
            given = to_given(choice, held.shown).model_copy(
                update={"highlights": stored_highlights(tx, held, choice)}
            )
            event = add_event(tx, who, held, "choice", now, data=given.model_dump(), token=token)
            keep_in_draft(tx, held.id, given.model_dump(), now)
            queue.change(
                tx,
                held.id,
                choice_id=event,
                state="chosen" if places.has_judge else "complete",
                lease_until=lease_end(settings, now) if places.has_judge else None,
                completed_at=None if places.has_judge else now,
                seconds=(now - (held.begun_at or held.given_at)).total_seconds(),
            )
            if held.practice:  # its answer is shown: nobody chooses again after that
                add_event(tx, who, held, "reveal", now, data={"practice": True})
            recount(tx, settings, held.task_id)
            return view_of(tx, held.id)

    def reveal(self, who: Person, assignment_id: int) -> Reveal:
        """Return what the judge said. From now on the first choice cannot be taken back.

        Raises:
            Refused: in a blind project before :meth:`choose`; where there is no judge.
        """
        with self._store.reading() as tx:
            held, _ = own_assignment(tx, who, assignment_id)
            if held.blind and held.state not in ("chosen", "complete"):
                raise Refused("the judge is shown after your own choice")
            judged = views.judgment_of(tx, held.task_id)
        if judged is None:
            raise Refused("no judge looked at this task")
        if held.revealed_at is None:
            with self._store.writing() as tx:
                held, _, _ = locked(tx, who, assignment_id)
                # The choice may have been taken back since we looked.
                if held.blind and held.state not in ("chosen", "complete"):
                    raise Refused("the judge is shown after your own choice")
                if held.revealed_at is None:
                    now = self._now()
                    add_event(tx, who, held, "reveal", now)
                    queue.change(tx, held.id, revealed_at=now)
        return reveal_of(*judged, held.shown)

    def complete(
        self, who: Person, assignment_id: int, final: Final | RatedChoice, token: str
    ) -> TaskView:
        """Store what the person says after the reveal.

        Raises:
            Refused: nothing was chosen or revealed yet; a reason, or whether the explanation is
                right, is missing; the words are the judge's and were not called right; it is
                complete already.
        """
        now = self._now()
        with self._store.writing() as tx:
            held, _, settings = locked(tx, who, assignment_id)
            if is_stored(tx, who, held, "final", token):
                return view_of(tx, held.id)
            if held.choice_id is None or held.revealed_at is None:
                raise Refused("please choose, then look at the judge's explanation first")
            if held.final_id is not None:
                raise Refused("this task is complete already; undo it to change it")
            check_kind(tx, settings, held, final)
            given = (
                settled_final(tx, settings, held, final)
                if isinstance(final, Final)
                else to_given(final, held.shown)
            ).model_copy(update={"highlights": stored_highlights(tx, held, final)})
            event = add_event(tx, who, held, "final", now, data=given.model_dump(), token=token)
            keep_in_draft(tx, held.id, given.model_dump(), now)
            queue.change(
                tx, held.id, final_id=event, state="complete", lease_until=None, completed_at=now
            )
            recount(tx, settings, held.task_id)
            return view_of(tx, held.id)

    def skip(self, who: Person, assignment_id: int, reason: str, token: str) -> TaskView:
        """Hand the task back for others, with a reason; only before the first choice.

        Raises:
            Refused: a choice is stored, or there is no reason.
        """
        with self._store.writing() as tx:
            held, places, settings = locked(tx, who, assignment_id)
            if not is_stored(tx, who, held, "skip", token):
                if held.state not in ("open", "returned"):
                    raise Refused("only a task without a choice can be skipped")
                event = add_event(
                    tx, who, held, "skip", self._now(), reason=checked_reason(reason), token=token
                )
                if held.state == "open":
                    queue.free_place(tx, places)
                queue.change(tx, held.id, state="skipped", skip_id=event, lease_until=None)
                recount(tx, settings, held.task_id)
            return view_of(tx, held.id)

    def flag(self, who: Person, assignment_id: int, reason: str, token: str) -> TaskView:
        """Tell the managers that something is wrong with the task; it stays where it is."""
        with self._store.writing() as tx:
            held, _, _ = locked(tx, who, assignment_id)
            if not is_stored(tx, who, held, "flag", token):
                event = add_event(
                    tx, who, held, "flag", self._now(), reason=checked_reason(reason), token=token
                )
                queue.change(tx, held.id, flag_id=event)
            return view_of(tx, held.id)

    def undo(self, who: Person, project_id: int, token: str) -> TaskView:
        """Take back this person's last decision and return its task as it is then.

        Decisions are completions, choices that nothing was revealed after, skips and flags; the
        last 10 can be taken back, the newest first. What was taken back stays in the history, and
        its texts are in the draft.

        Raises:
            Refused: nothing is left to take back, or a skipped task is full by now.
        """
        now = self._now()
        with self._store.writing() as tx:
            allow(tx, who, project_id, "annotate")
            before = events.by_token(tx, who.account_id, checked_token(token))
            if before is not None and before.kind == "undo" and before.assignment_id is not None:
                return view_of(tx, before.assignment_id)
            stack = events.undoable(tx, project_id, who.account_id)
            if not stack or stack[0].assignment_id is None:
                raise Refused("there is nothing to take back")
            last = stack[0]
            held, places, settings = locked(tx, who, stack[0].assignment_id)
            # Another window may have taken it back before we had the lock.
            if last.id not in {e.id for e in events.undoable(tx, project_id, who.account_id)}:
                raise Refused("this was taken back already")
            add_event(tx, who, held, "undo", now, undoes=last.id, token=token)
            take_back(tx, held, places, last.kind, lease_end(settings, now))
            recount(tx, settings, held.task_id)
            return view_of(tx, held.id)

    def _release(self, project_id: int, settings: Settings) -> None:
        with self._store.writing() as tx:
            for task_id in queue.release(tx, project_id, self._now()):
                recount(tx, settings, task_id)

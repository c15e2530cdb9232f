"""The way of a task for one person, over both databases."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.errors import NotAllowed, NotFound, Refused, SlotTaken
from app.review.task import Choice, Draft, Final, TaskView
from tests.app.made import SENTINEL, Clock, Team, token


def test_blind_first_then_the_judge_then_both_choices_are_kept(team: Team) -> None:
    ann, annotating = team.people["ann"], team.service.annotating
    task, ahead = team.take("ann", 2)
    assert task.blind and task.has_judge and task.state == "open"
    assert task.assignment_id != ahead.assignment_id
    with pytest.raises(Refused, match="after your own choice"):
        annotating.reveal(ann, task.assignment_id)
    chosen = team.choose("ann", task, -3, "@Response 1 is right.")
    assert SENTINEL not in "".join(view.model_dump_json() for view in (task, ahead, chosen))
    revealed = annotating.reveal(ann, task.assignment_id)
    assert SENTINEL in revealed.model and SENTINEL in revealed.elaboration
    done = team.finish("ann", task, -1, elaboration="Both count, one is shorter.")
    assert done.state == "complete"
    assert done.choice == Choice(strength=-3, justification="@Response 1 is right.")
    assert done.final is not None and done.final.strength == -1
    (again,) = annotating.take(ann, team.project_id, 1)
    assert again.assignment_id == ahead.assignment_id


def test_the_judge_is_revealed_in_the_order_shown(team: Team) -> None:
    """The judge always finds the longer answer better: whichever side that is on."""
    sides = set()
    for name in ("ann", "ben", "cem"):
        for _ in range(6):
            (task,) = team.take(name)
            side = 1 if task.response_1.startswith("I count") else 2
            team.choose(name, task, 1)
            said = team.service.annotating.reveal(team.people[name], task.assignment_id)
            assert said.statement == f"@Response {side} is better than @Response {3 - side}."
            assert f"@Response {side} counts right" in said.elaboration
            assert said.strength == (-2 if side == 1 else 2)
            team.finish(name, task, 1)
            sides.add(side)
    assert sides == {1, 2}


def test_everything_is_stored_in_the_pairs_own_order(team: Team) -> None:
    for name in ("ann", "ben", "cem", "dora", "eva"):
        (task,) = team.take(name)
        longer = 1 if task.response_1.startswith("I count") else 2
        strength = -3 if longer == 1 else 3
        reason = f"@Response {longer} explains."
        seen = team.choose(name, task, strength, reason)
        assert seen.choice == Choice(strength=strength, justification=reason)
        team.service.annotating.save_draft(
            team.people[name], task.assignment_id, Draft(elaboration=f"@Response {longer}")
        )
        more = f"{reason} At length."
        seen = team.finish(name, task, strength, elaboration=more)
        assert seen.final is not None and seen.final.elaboration == more
        (line,) = team.service.annotating.mine(team.people[name], team.project_id)
        assert line.strength == strength
        with team.service.store.reading() as tx:
            from app.store import views

            (loaded,) = views.load(tx, [task.assignment_id])
        assert loaded.choice == Choice(strength=3, justification="@Response 2 explains.")
        assert loaded.final is not None
        assert loaded.final.elaboration == "@Response 2 explains. At length."


def test_a_project_that_is_not_blind_shows_the_judge_at_once_and_says_so(team: Team) -> None:
    team.change(blind=False)
    (task,) = team.take("ann")
    assert not task.blind
    team.service.annotating.reveal(team.people["ann"], task.assignment_id)
    team.choose("ann", task, 2)
    team.finish("ann", task, 2)
    assert team.service.annotating.view(team.people["ann"], task.assignment_id).blind is False


def test_the_same_press_twice_stores_one(team: Team) -> None:
    ann, annotating = team.people["ann"], team.service.annotating
    (task,) = team.take("ann")
    choice, press = Choice(strength=2, justification="Why."), token()
    first = annotating.choose(ann, task.assignment_id, choice, press)
    other = Choice(strength=-2, justification="Other.")
    assert annotating.choose(ann, task.assignment_id, other, press) == first
    with pytest.raises(Refused, match="stored already"):
        annotating.choose(ann, task.assignment_id, other, token())
    annotating.reveal(ann, task.assignment_id)
    with pytest.raises(Refused, match="something else"):
        annotating.complete(ann, task.assignment_id, Final(strength=2, explanation="right"), press)


def test_what_a_completion_needs(team: Team) -> None:
    ann, annotating = team.people["ann"], team.service.annotating
    (task,) = team.take("ann")

    def complete(**final: object) -> TaskView:
        words = "edited" if final.get("elaboration") else "own"
        values = {"strength": 2, "explanation": "wrong", "words": words, **final}
        said = Final.model_validate(values)
        return annotating.complete(ann, task.assignment_id, said, token())

    with pytest.raises(Refused, match="choose"):
        complete(elaboration="Why.")
    annotating.choose(ann, task.assignment_id, Choice(strength=2), token())
    with pytest.raises(Refused, match="explanation first"):
        complete(elaboration="Why.")
    annotating.reveal(ann, task.assignment_id)
    with pytest.raises(Refused, match="say why"):
        complete(elaboration=" \n")
    with pytest.raises(Refused, match="say why"):
        complete()
    with pytest.raises(ValidationError, match="statement"):
        complete(statement="total garbage", elaboration="Why.")
    with pytest.raises(ValidationError, match="send no others"):
        complete(words="own", elaboration="Why.")
    with pytest.raises(Refused, match="explanation is right"):
        complete(elaboration="Why.", explanation=None)
    assert complete(strength=-100).state == "complete"


def test_a_draft_comes_back_and_an_older_save_never_replaces_a_later_one(team: Team) -> None:
    ann, annotating = team.people["ann"], team.service.annotating
    (task,) = team.take("ann")
    later = Draft(sequence=7, strength=1, justification="more @Response 2 text")
    annotating.save_draft(ann, task.assignment_id, later)
    annotating.save_draft(ann, task.assignment_id, Draft(sequence=6, justification="more"))
    assert annotating.view(ann, task.assignment_id).draft == later
    (again,) = team.take("ann")
    assert again.draft == later


def test_texts_that_databases_dislike_come_back(team: Team) -> None:
    ann, annotating = team.people["ann"], team.service.annotating
    (task,) = team.take("ann")
    text = "a\0b \u2028 \U0001f600 ' \" \\ ; DROP TABLE task; -- <script>"
    annotating.save_draft(ann, task.assignment_id, Draft(justification=text))
    draft = annotating.view(ann, task.assignment_id).draft
    assert draft is not None and draft.justification == text.replace("\0", "")
    with pytest.raises(ValueError, match="surrogate"):
        Draft(justification="\ud800")
    with pytest.raises(ValueError, match="20000"):
        Draft(justification="x" * 20_001)


def test_a_lease_returns_and_may_be_taken_up_again(team: Team, clock: Clock) -> None:
    ann = team.people["ann"]
    (task,) = team.take("ann")
    team.service.annotating.save_draft(ann, task.assignment_id, Draft(justification="begun"))
    clock.move(minutes=31)
    team.take("ben")  # whoever comes next brings it back
    assert team.service.annotating.view(ann, task.assignment_id).state == "returned"
    (again,) = team.take("ann")
    assert again.assignment_id == task.assignment_id
    assert again.draft is not None and again.draft.justification == "begun"


def test_saving_a_draft_keeps_the_lease(team: Team, clock: Clock) -> None:
    (task,) = team.take("ann")
    for _ in range(4):
        clock.move(minutes=20)
        team.service.annotating.save_draft(team.people["ann"], task.assignment_id, Draft())
        team.take("ben")
    assert team.service.annotating.view(team.people["ann"], task.assignment_id).state == "open"


def test_who_comes_back_to_a_full_task_keeps_what_was_written(team: Team, clock: Clock) -> None:
    team.change(annotations=1)
    (task,) = team.take("ann")
    clock.move(minutes=31)
    (same,) = team.take("ben")
    assert {same.response_1, same.response_2} == {task.response_1, task.response_2}
    with pytest.raises(SlotTaken):
        team.choose("ann", task, 1)
    draft = Draft(justification="late")
    team.service.annotating.save_draft(team.people["ann"], task.assignment_id, draft)
    view = team.service.annotating.view(team.people["ann"], task.assignment_id)
    assert view.state == "returned" and view.draft == draft


def test_a_first_choice_stands_when_its_person_never_comes_back(team: Team, clock: Clock) -> None:
    (task,) = team.take("ann")
    team.choose("ann", task, 2)
    clock.move(minutes=31)
    team.take("ben")
    view = team.service.annotating.view(team.people["ann"], task.assignment_id)
    assert view.state == "complete" and view.final is None
    assert team.finish("ann", task, 3).final is not None  # late, but welcome


def test_a_skipped_task_is_for_others(team: Team) -> None:
    team.change(annotations=1)
    (task,) = team.take("ann")
    ann, annotating = team.people["ann"], team.service.annotating
    with pytest.raises(Refused, match="reason"):
        annotating.skip(ann, task.assignment_id, " ", token())
    skipped = annotating.skip(ann, task.assignment_id, "I know the author", token())
    assert (skipped.state, skipped.reason) == ("skipped", "I know the author")
    (other,) = team.take("ann")
    assert other.assignment_id != task.assignment_id
    (theirs,) = team.take("ben")
    assert {theirs.response_1, theirs.response_2} == {task.response_1, task.response_2}


def test_flags_reach_the_manager_who_may_withdraw_the_task(team: Team) -> None:
    (task,) = team.take("ann")
    ann, manager = team.people["ann"], team.people["max"]
    view = team.service.annotating.flag(ann, task.assignment_id, "a phone number", token())
    assert view.flag == "a phone number" and view.state == "open"
    (flag,) = team.service.projects.flags(manager, team.project_id)
    assert (flag.name, flag.reason, flag.withdrawn) == ("ann", "a phone number", False)
    team.service.projects.withdraw(manager, flag.task_id, "personal data")
    assert all(t.assignment_id != task.assignment_id for t in team.take("ann", 5))
    assert team.service.projects.flags(manager, team.project_id)[0].withdrawn
    team.service.projects.restore(manager, flag.task_id, "it was made up")
    assert team.take("ann")[0].assignment_id == task.assignment_id


def test_nobody_touches_what_is_another_persons(team: Team) -> None:
    (task,) = team.take("ann")
    ben, annotating, number = team.people["ben"], team.service.annotating, task.assignment_id
    calls = [
        lambda: annotating.view(ben, number),
        lambda: annotating.begin(ben, number),
        lambda: annotating.save_draft(ben, number, Draft()),
        lambda: annotating.choose(ben, number, Choice(strength=1), token()),
        lambda: annotating.reveal(ben, number),
        lambda: annotating.complete(ben, number, Final(strength=1, explanation="right"), token()),
        lambda: annotating.skip(ben, number, "why", token()),
        lambda: annotating.flag(ben, number, "why", token()),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


def test_who_loses_the_role_loses_access_at_once(team: Team) -> None:
    (task,) = team.take("ann")
    team.service.projects.set_role(None, team.project_id, "ann", None)
    with pytest.raises(NotFound):
        team.take("ann")
    with pytest.raises(NotFound):
        team.service.annotating.view(team.people["ann"], task.assignment_id)
    with pytest.raises(NotAllowed):
        team.service.figures.dashboard(team.people["ben"], team.project_id)

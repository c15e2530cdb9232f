"""Comments between an annotator and adjudicators, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import NotAllowed, NotFound, Refused
from app.review.project import Settings
from app.review.task import TaskView
from tests.app.made import Team, token


def ask(team: Team, name: str, task: TaskView, text: str) -> int:
    team.service.commenting.ask(team.people[name], task.assignment_id, text, token())
    return task.assignment_id


def said(team: Team, name: str, task: TaskView) -> list[tuple[str, str]]:
    found = team.service.commenting.own(team.people[name], task.assignment_id)
    return [(one.by, one.text) for one in found]


def test_a_question_and_its_answer(team: Team) -> None:
    commenting, ada = team.service.commenting, team.people["ada"]
    (task,) = team.take("ann")
    number = ask(team, "ann", task, "  Does @Response 1 need a source?\n ")
    (question,) = commenting.questions(ada, team.project_id)
    assert (question.assignment_id, question.task_id) == (number, task.number)
    assert question.excerpt.startswith("Question 0")
    thread = commenting.thread(ada, number)
    # In the pair's own order, whatever the annotator saw.
    flipped = not task.response_1.startswith("There are")
    own = f"Does @Response {2 if flipped else 1} need a source?"
    assert [one.text for one in thread.comments] == [own]
    assert thread.pair.response_1.startswith("There are")
    commenting.answer(ada, number, "@Response 1 does not.", token())
    assert commenting.questions(ada, team.project_id) == []
    progress = team.service.annotating.progress
    assert progress(team.people["ann"], team.project_id).answers == 1
    team.choose("ann", task, 2)
    (line,) = team.service.annotating.mine(team.people["ann"], team.project_id)
    assert line.answered
    assert said(team, "ann", task) == [
        ("annotator", "Does @Response 1 need a source?"),
        ("adjudicator", f"@Response {2 if flipped else 1} does not."),
    ]
    assert progress(team.people["ann"], team.project_id).answers == 0  # it was read
    ask(team, "ann", task, "And now?")
    assert len(commenting.questions(ada, team.project_id)) == 1


def test_nobody_else_reads_or_writes_a_thread(team: Team) -> None:
    commenting = team.service.commenting
    (task,) = team.take("ann")
    number = ask(team, "ann", task, "Why?")
    team.take("ben")
    for name in ("ben", "ada", "max"):
        with pytest.raises(NotFound):
            commenting.own(team.people[name], number)
        with pytest.raises(NotFound):
            commenting.ask(team.people[name], number, "x", token())
    for call in (
        lambda: commenting.questions(team.people["ben"], team.project_id),
        lambda: commenting.thread(team.people["ben"], number),
        lambda: commenting.answer(team.people["ben"], number, "x", token()),
        lambda: commenting.thread(team.people["ann"], number),
    ):
        with pytest.raises(NotAllowed):
            call()
    with pytest.raises(NotFound):
        commenting.thread(team.people["ada"], 999)
    other = team.service.projects.create(None, Settings(name="other"))
    team.service.accounts.create(None, "otto", "a long password")
    team.service.projects.set_role(None, other, "otto", "manager")
    otto = team.service.accounts.person(team.service.accounts.sign_in("otto", "a long password"))
    with pytest.raises(NotFound):
        commenting.thread(otto, number)


def test_who_annotates_a_task_answers_nothing_about_it(team: Team) -> None:
    commenting, ada = team.service.commenting, team.people["ada"]
    (task,) = team.take("ann")
    number = ask(team, "ann", task, "Why?")
    team.take("ada")  # the same task
    assert commenting.questions(ada, team.project_id) == []
    with pytest.raises(NotAllowed, match="annotate this task yourself"):
        commenting.thread(ada, number)
    with pytest.raises(NotAllowed):
        commenting.answer(ada, number, "x", token())
    assert len(commenting.questions(team.people["max"], team.project_id)) == 1


def test_who_is_at_work_is_left_alone(team: Team) -> None:
    """A word of an adjudicator would influence the choice, unless it was asked for."""
    commenting, max_ = team.service.commenting, team.people["max"]
    (task,) = team.take("ann")
    with pytest.raises(Refused, match="still at work"):
        commenting.answer(max_, task.assignment_id, "Response 2!", token())
    done = team.annotate("ann", 2)
    thread = commenting.answer(max_, done.assignment_id, "Why not Response 1?", token())
    assert [one.by for one in thread.comments] == ["adjudicator"]


def test_a_press_stores_once_and_nothing_without_a_text(team: Team) -> None:
    commenting, ann = team.service.commenting, team.people["ann"]
    (task,) = team.take("ann")
    press = token()
    for _ in range(3):
        commenting.ask(ann, task.assignment_id, "Why?\0\ud800", press)
    assert said(team, "ann", task) == [("annotator", "Why??")]
    for text in ("", " \n", "x" * 2001):
        with pytest.raises(Refused, match="1 to 2,000"):
            commenting.ask(ann, task.assignment_id, text, token())
    team.choose("ann", task, 2)
    # A comment is no decision: undoing takes the choice back.
    assert team.service.annotating.undo(ann, team.project_id, token()).state == "open"
    assert len(said(team, "ann", task)) == 1


def test_comments_are_in_the_history(team: Team, tmp_path: Path) -> None:
    (task,) = team.take("ann")
    ask(team, "ann", task, "Is it a joke?")
    file = team.service.exporting.write(None, team.project_id, "history", tmp_path / "h.jsonl").path
    assert "Is it a joke?" in file.read_text()

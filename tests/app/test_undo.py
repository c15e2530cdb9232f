"""Taking decisions back, over both databases: nothing is lost, and blindness stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import Refused
from app.review.task import TaskView
from tests.app.made import Team, pair_row, token, write_pairs


def undo(team: Team, name: str = "ann") -> TaskView:
    return team.service.annotating.undo(team.people[name], team.project_id, token())


def history(team: Team) -> list[str]:
    from app.store import events

    with team.service.store.reading() as tx:
        found = list(events.history(tx, team.project_id))
    return [event.kind for event, name, _ in found if name is not None]


def test_a_completion_is_taken_back_to_the_reveal(team: Team) -> None:
    (task,) = team.take("ann")
    team.choose("ann", task, 1, "First words.")
    team.finish("ann", task, 2, elaboration="Last words.")
    back = undo(team)
    assert (back.state, back.final, back.revealed) == ("chosen", None, True)
    assert back.choice is not None and back.choice.strength == 1
    assert back.draft is not None and back.draft.elaboration == "Last words."
    assert back.draft.strength == 2
    again = team.finish("ann", task, -2, elaboration="Other words.")
    assert again.final is not None and again.final.strength == -2
    assert history(team) == ["choice", "reveal", "final", "undo", "final"]


def test_a_choice_is_taken_back_before_the_reveal_and_never_after(team: Team) -> None:
    (task,) = team.take("ann")
    team.choose("ann", task, 3, "Reason.")
    back = undo(team)
    assert (back.state, back.choice) == ("open", None)
    assert back.draft is not None
    assert (back.draft.strength, back.draft.justification) == (3, "Reason.")
    with pytest.raises(Refused, match="after your own choice"):
        team.service.annotating.reveal(team.people["ann"], task.assignment_id)
    team.choose("ann", task, -1)
    team.service.annotating.reveal(team.people["ann"], task.assignment_id)
    with pytest.raises(Refused, match="nothing to take back"):
        undo(team)


def test_the_last_ten_in_the_order_of_their_making(team: Team, tmp_path: Path) -> None:
    more = write_pairs(tmp_path / "more.jsonl", [pair_row(n) for n in range(100, 112)])
    team.service.importing.pairs(team.project_id, str(more))
    done = [team.annotate("ann", 1).assignment_id for _ in range(6)]  # with a judge
    for _ in range(6):  # without: the choice is the decision
        (task,) = team.take("ann")
        done.append(team.choose("ann", task, 1).assignment_id)
    progress = team.service.annotating.progress(team.people["ann"], team.project_id)
    assert (progress.done, progress.can_undo) == (12, 10)
    taken_back = [undo(team).assignment_id for _ in range(10)]
    assert taken_back == done[:1:-1]
    with pytest.raises(Refused):
        undo(team)


def test_the_same_press_undoes_once(team: Team) -> None:
    team.annotate("ann", 1)
    second = team.annotate("ann", 1)
    press = token()
    ann, annotating = team.people["ann"], team.service.annotating
    assert annotating.undo(ann, team.project_id, press).assignment_id == second.assignment_id
    assert annotating.undo(ann, team.project_id, press).assignment_id == second.assignment_id
    assert annotating.progress(ann, team.project_id).done == 1


def test_a_skip_is_taken_back_while_there_is_room(team: Team) -> None:
    team.change(annotations=1)
    (task,) = team.take("ann")
    ann = team.people["ann"]
    team.service.annotating.skip(ann, task.assignment_id, "too long", token())
    assert undo(team).state == "open"
    team.service.annotating.skip(ann, task.assignment_id, "too long", token())
    team.annotate("ben", 1)
    with pytest.raises(Refused, match="others have completed"):
        undo(team)
    view = team.service.annotating.view(ann, task.assignment_id)
    assert view.state == "skipped"


def test_flags_are_taken_back_one_by_one(team: Team) -> None:
    (task,) = team.take("ann")
    for reason in ("first", "second"):
        team.service.annotating.flag(team.people["ann"], task.assignment_id, reason, token())
    assert undo(team).flag == "first"
    assert undo(team).flag is None


def test_nobody_undoes_what_others_did(team: Team) -> None:
    team.annotate("ann", 1)
    with pytest.raises(Refused, match="nothing"):
        undo(team, "ben")


def test_the_two_more_go_when_the_disagreement_is_taken_back(team: Team) -> None:
    team.annotate("ann", -3)
    team.annotate("ben", 3)
    team.annotate("cem", 3)
    assert len({t.assignment_id for t in team.take("dora", 2)}) == 2
    first = team.take("dora", 2)[0]
    assert "Question 0" in first.prompt[0].content
    undo(team, "cem")
    (task,) = team.take("cem")
    assert task.state == "chosen" and "Question 0" in task.prompt[0].content

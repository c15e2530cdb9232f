"""A manager's list of tasks, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import NotAllowed, NotFound, Refused
from app.review.browsing import TaskQuery
from app.service import Service
from tests.app.made import SENTINEL, Team, pair_row, token, write_pairs
from tests.app.test_rating import made, rate


def found(team: Team, **query: object) -> list[str]:
    asked = TaskQuery.model_validate(query)
    result = team.service.browsing.search(team.people["max"], team.project_id, asked)
    assert result.total == len(result.rows)
    return [row.pair_id for row in result.rows]


@pytest.fixture
def worked(team: Team, tmp_path: Path) -> Team:
    """Six pairs: one agreed against the judge, one disputed, one begun and flagged; two more."""
    team.change(more_on_disagreement=0)
    for name in ("ann", "ben", "cem"):
        team.annotate(name, -2)
    for name, strength in (("ann", 3), ("ben", 3), ("cem", -3)):
        team.annotate(name, strength)
    (task,) = team.take("ann")
    who = team.people["ann"]
    team.service.annotating.flag(who, task.assignment_id, "A text is damaged", token())
    odd = pair_row(90, response_1="100%_ sure: \\n ÄÖ", prompt='Says "мир" (90)?')
    team.service.importing.pairs(
        team.project_id, str(write_pairs(tmp_path / "odd.jsonl", [odd, pair_row(91)]))
    )
    return team


def test_tasks_are_found_by_text_and_number(worked: Team) -> None:
    assert found(worked, text="QUESTION 3: how") == ["pair-3"]
    assert found(worked, text="I count 5, and") == ["pair-4"]
    assert found(worked, text="pair-9") == ["pair-90", "pair-91"]
    assert found(worked, text='says "мир"') == ["pair-90"]
    assert found(worked, text="100%_") == ["pair-90"] and found(worked, text="%_x") == []
    assert found(worked, text="\\n ") == ["pair-90"] and found(worked, text="'; DROP") == []
    (row,) = worked.service.browsing.search(None, 1, TaskQuery(text="pair-2")).rows
    assert "pair-2" in found(worked, text=str(row.task_id))
    assert row.excerpt == "Question 2: how many?"


def test_filters_and_orders(worked: Team) -> None:
    assert found(worked, state="to adjudicate") == ["pair-1"]
    assert found(worked, state="finished") == ["pair-0"]
    assert found(worked, state="in progress") == ["pair-2"]
    assert len(found(worked, state="untouched")) == 5
    assert found(worked, flagged=True) == ["pair-2"]
    assert found(worked, against_judge=True) == ["pair-0"]
    assert found(worked, annotator="cem") == ["pair-0", "pair-1"]
    assert found(worked, least_spread=3) == ["pair-1"]
    assert found(worked, sort="spread")[0] == "pair-1"
    assert found(worked, sort="newest")[0] == "pair-91"
    assert found(worked, flagged=True, state="finished") == []
    assert found(worked, check="right") == found(worked, check="wrong") == []
    few = worked.service.browsing.search(None, 1, TaskQuery(), limit=3)
    assert (few.total, len(few.rows)) == (8, 3)


def test_a_task_is_opened_with_everything_that_was_said(worked: Team) -> None:
    browsing, max_ = worked.service.browsing, worked.people["max"]
    opened = browsing.open(max_, worked.project_id, 1)
    assert opened.pair.response_1 == "There are 0 of them."
    assert [name for name, _, _ in opened.said] == ["ann", "ben", "cem", f"judge {SENTINEL}-model"]
    assert opened.said[0][1:] == ("@Response 1 is better than @Response 2.", "It is right.")
    for who in ("ann", "ada"):
        with pytest.raises(NotAllowed):
            browsing.search(worked.people[who], worked.project_id, TaskQuery())
        with pytest.raises(NotAllowed):
            browsing.open(worked.people[who], worked.project_id, 1)
        with pytest.raises(NotAllowed):
            browsing.withdraw(worked.people[who], worked.project_id, [1], "why")
    with pytest.raises(NotFound):
        browsing.open(max_, worked.project_id, 999)


def test_many_at_once(worked: Team, service: Service) -> None:
    browsing, max_, project = worked.service.browsing, worked.people["max"], worked.project_id
    assert browsing.withdraw(max_, project, [4, 5, 5], "bad source") == 2
    assert browsing.withdraw(max_, project, [4, 6], "again") == 1
    assert found(worked, state="withdrawn") == ["pair-3", "pair-4", "pair-5"]
    assert browsing.restore(max_, project, [4, 5, 6], "a mistake") == 3
    # More people for one that was finished: it is in the queue again, and stays there.
    assert browsing.ask_for(max_, project, [1], 4) == 1
    assert [worked.take("dora")[0].response_1] and worked.take("dora")[0].prompt == (
        browsing.open(max_, project, 1).pair.prompt
    )
    worked.annotate("dora", -2)
    assert browsing.open(max_, project, 1).row.wanted == 4
    assert found(worked, text="pair-0", state="finished") == ["pair-0"]
    # What someone has in hand goes back; the text stays.
    (mine,) = worked.take("ann")
    assert browsing.hand_back(max_, project, [3], "ann is on holiday") == 1
    assert service.annotating.view(worked.people["ann"], mine.assignment_id).state == "returned"
    kinds = [e for e in _history(worked) if e in ("withdraw", "restore", "overlap", "release")]
    assert kinds == ["withdraw"] * 3 + ["restore"] * 3 + ["overlap", "release"]


def test_what_is_refused(worked: Team) -> None:
    browsing, max_, project = worked.service.browsing, worked.people["max"], worked.project_id
    with pytest.raises(Refused, match="select tasks first"):
        browsing.withdraw(max_, project, [], "why")
    with pytest.raises(Refused, match="reason"):
        browsing.withdraw(max_, project, [1], " ")
    with pytest.raises(Refused, match="at most 500"):
        browsing.withdraw(max_, project, range(501), "why")
    with pytest.raises(NotFound, match="no task 999"):
        browsing.withdraw(max_, project, [999], "why")
    for people in (0, 6):
        with pytest.raises(Refused, match="1 to 5"):
            browsing.ask_for(max_, project, [1], people)


def test_tasks_that_rate_are_found_too(service: Service, tmp_path: Path) -> None:
    team = made(service, tmp_path)
    for name in ("ann", "ben"):
        rate(team, name)
    assert found(team, state="in progress") == ["pair-0"]
    opened = service.browsing.open(None, team.project_id, 1)
    assert [name for name, _, _ in opened.said] == ["ann", "ben"]
    assert '"helpfulness":4' in opened.said[0][1]


def _history(team: Team) -> list[str]:
    from app.store import events

    with team.service.store.reading() as tx:
        return [event.kind for event, _, _ in events.history(tx, team.project_id)]


def test_gold_tasks_are_found_by_how_they_were_answered(team: Team, tmp_path: Path) -> None:
    gold = [pair_row(n, annotations=[{"strength": 2}] * 3) for n in (70, 71)]
    file = write_pairs(tmp_path / "gold.jsonl", gold)
    team.service.importing.checks(team.project_id, str(file), "gold")
    team.change(check_every=1)
    team.annotate("ann", 2)
    team.annotate("ann", -2)
    (right,), (wrong,) = found(team, check="right"), found(team, check="wrong")
    assert {right, wrong} <= {"pair-70", "pair-71"} and right != wrong
    assert found(team, kind="gold", check="wrong") == [wrong]

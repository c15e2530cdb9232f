"""The pass mark of the practice round, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import NotAllowed, NotFound
from app.review.practice import Passing, passing
from app.review.project import Settings
from app.service import Service
from app.store.database import Store
from tests.app.made import Clock, Team, quick_hasher, set_back
from tests.app.test_practice import add_gold, right_of


def test_one_round_at_the_mark_is_enough() -> None:
    def state(answers: str, in_hand: int = 0, more: bool = True, mark: int = 75) -> Passing:
        return passing([one == "+" for one in answers], in_hand, 2, mark, more)

    assert state("").state == "practising" and state("").goes_on
    assert state("", more=False).state == "passed"  # there is nothing to practise on
    one = state("-")
    assert (one.state, one.right, one.done, one.failed, one.goes_on) == (
        "practising", 0, 1, 0, True,
    )  # fmt: skip
    assert not state("-", in_hand=1).goes_on and not state("", in_hand=2).goes_on
    failed = state("-+")
    assert (failed.state, failed.right, failed.done, failed.failed) == ("practising", 1, 2, 1)
    assert state("-+++").state == "passed" and state("++--").state == "passed"
    assert state("-+", more=False).state == "waiting"
    assert state("-+", in_hand=1, more=False).state == "practising"
    # The last round is as long as what there is.
    assert state("-++", more=False).state == "passed"
    assert state("-+-", more=False).state == "waiting"
    assert state("-+", mark=50).state == "passed"


@pytest.fixture
def marked(team: Team, tmp_path: Path) -> Team:
    """Rounds of two of five gold tasks, both of which must be right."""
    add_gold(team, tmp_path, 5)
    team.change(practice=2, pass_mark=100)
    return team


def practise(team: Team, name: str, answers: str) -> None:
    for answer in answers:
        (task,) = team.take(name)
        assert task.practice
        wanted = right_of(task)
        team.choose(name, task, wanted if answer == "+" else -wanted)


def standing(team: Team, name: str) -> Passing | None:
    return team.service.annotating.progress(team.people[name], team.project_id).passing


def test_work_comes_after_a_round_that_is_good_enough(marked: Team) -> None:
    team = marked
    practise(team, "ann", "++")
    assert [task.practice for task in team.take("ann", 2)] == [False, False]
    found = standing(team, "ann")
    assert found is not None and (found.state, found.right, found.failed) == ("passed", 2, 0)
    # Nothing is given beside the last task of a round: what comes next depends on it.
    practise(team, "ben", "-")
    assert [task.practice for task in team.take("ben", 5)] == [True]
    practise(team, "ben", "+")
    found = standing(team, "ben")
    assert found is not None and (found.state, found.failed) == ("practising", 1)
    practise(team, "ben", "++")  # another try, with other tasks
    assert not team.take("ben")[0].practice


def test_where_no_round_is_left_a_manager_decides(marked: Team) -> None:
    team, grouping = marked, marked.service.grouping
    practise(team, "ann", "+--+-")
    assert team.take("ann", 5) == []
    found = standing(team, "ann")
    assert found is not None and (found.state, found.right, found.done) == ("waiting", 0, 1)
    ann, project_id = team.people["ann"].account_id, team.project_id
    work = grouping.work(None, project_id)[ann]
    assert work.passing == found and not work.released
    assert team.service.figures.dashboard(None, project_id).progress.annotations == 0
    for name in ("ann", "ada"):
        with pytest.raises(NotAllowed):
            grouping.release(team.people[name], project_id, "ann")
    with pytest.raises(NotFound):
        grouping.release(team.people["max"], project_id, "nobody")
    grouping.release(team.people["max"], project_id, "ann")
    assert [task.number for task in team.take("ann", 2)] == [1, 2]
    work = grouping.work(None, project_id)[ann]
    assert work.passing is None and work.released and standing(team, "ann") is None


def test_a_lower_mark_counts_at_once(marked: Team) -> None:
    practise(marked, "ann", "+--+-")
    assert marked.take("ann") == []
    marked.change(pass_mark=50)
    assert not marked.take("ann")[0].practice


def test_a_database_from_before_it(empty_url: str, tmp_path: Path) -> None:
    url = empty_url
    old = Store.open(url)
    service = Service(old, Clock(), quick_hasher())
    team = Team.made(service, tmp_path / "run", 3)
    team.annotate("ann", 2)
    set_back(old, "0009")
    service.close()
    service = Service(Store.open(url), Clock(), quick_hasher())
    team.service = service
    assert service.projects.settings(team.project_id) == Settings(name="demo")
    assert service.grouping.work(None, team.project_id)[team.people["ann"].account_id].done == 1
    assert team.take("ann")[0].number == 2
    service.close()

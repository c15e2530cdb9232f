"""The practice round, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import Refused
from app.review.task import TaskView
from app.store import practice
from tests.app.made import Team, pair_row, token, write_pairs


def add_gold(team: Team, folder: Path, count: int) -> None:
    """Add gold tasks on which Response 2 is better, in the pair's own order."""
    rows = [
        {
            **pair_row(90 + n),
            "preference_strength": 2,
            "all_preferences_unprocessed": [
                {"strength": 2, "justification": "@Response 2 shows how it counts."},
                {"strength": 2, "justification": "@Response 2 again."},
            ],
        }
        for n in range(count)
    ]
    file = write_pairs(folder / "gold.jsonl", rows)
    assert team.service.importing.checks(team.project_id, str(file), "gold").added == count


@pytest.fixture
def practising(team: Team, tmp_path: Path) -> Team:
    """Two of three gold tasks come first."""
    add_gold(team, tmp_path, 3)
    team.change(practice=2)
    return team


def right_of(task: TaskView) -> int:
    return 2 if task.response_1.startswith("There are") else -2


def test_gold_tasks_come_first_and_say_the_answer_only_after_the_choice(practising: Team) -> None:
    team = practising
    for turn in range(2):
        (task,) = team.take("ann")
        assert (
            task.practice
            and task.feedback is None
            and "90" not in task.model_dump_json(include={"feedback"})
        )
        assert task.number > 6
        wanted = right_of(task)
        said = team.choose("ann", task, wanted if turn == 0 else -wanted)
        assert said.state == "complete" and said.feedback is not None
        assert said.feedback.right == (turn == 0) and said.feedback.expected == wanted
        better = 2 if wanted > 0 else 1
        assert said.feedback.because == f"@Response {better} shows how it counts."
        # Whoever has seen the answer does not choose again.
        with pytest.raises(Refused, match="nothing to take back"):
            team.service.annotating.undo(team.people["ann"], team.project_id, token())
        again = team.service.annotating.view(team.people["ann"], task.assignment_id)
        assert again.feedback == said.feedback
    tasks = team.take("ann", 2)
    assert [task.number for task in tasks] == [1, 2] and not any(t.practice for t in tasks)


def test_practice_is_in_no_figure(practising: Team) -> None:
    team = practising
    for _ in range(2):
        (task,) = team.take("ann")
        team.choose("ann", task, -right_of(task))
    team.annotate("ann", 2)
    board = team.service.figures.dashboard(None, team.project_id)
    (ann,) = (one for one in board.annotators if one.name == "ann")
    assert ann.completed == 1 and ann.checks.total == 0
    assert board.progress.annotations == 1
    work = team.service.grouping.work(None, team.project_id)[team.people["ann"].account_id]
    assert (work.done, work.practised, work.practised_right) == (1, 2, 0)
    with team.service.store.reading() as tx:
        assert practice.results(tx, team.project_id) == {team.people["ann"].account_id: (0, 2)}


def test_a_gold_task_after_the_round_says_nothing_and_counts(practising: Team) -> None:
    team = practising
    for _ in range(2):
        (task,) = team.take("ann")
        team.choose("ann", task, right_of(task))
    team.change(check_every=1)
    (task,) = team.take("ann")
    assert task.number > 6 and not task.practice
    said = team.choose("ann", task, right_of(task))
    assert said.state == "complete" and said.feedback is None
    board = team.service.figures.dashboard(None, team.project_id)
    (ann,) = (one for one in board.annotators if one.name == "ann")
    assert (ann.checks.total, ann.checks.share) == (1, 1.0)


def test_where_gold_tasks_run_out_the_work_begins(team: Team, tmp_path: Path) -> None:
    team.change(practice=3)
    assert [task.number for task in team.take("ben")] == [1]  # none at all
    add_gold(team, tmp_path, 1)
    tasks = team.take("ann", 2)
    assert [task.practice for task in tasks] == [True, False]
    # Skipping hands a task back; the round goes on with another, while there is one.
    team.service.annotating.skip(team.people["ann"], tasks[0].assignment_id, "no idea", token())
    assert not team.take("ann")[0].practice

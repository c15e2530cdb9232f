"""Projects: importing, the queue's orders, settings, members, checks; over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import NotAllowed, NotFound, Overtaken, Refused
from app.review.project import Settings
from app.service import Service
from judge.errors import UsageError
from judge.judgment import Failure
from tests.app.made import Team, judgment, made_run, pair_row, token, write_pairs


@pytest.fixture
def project(service: Service) -> int:
    return service.projects.create(None, Settings(name="demo"))


def rows(numbers: range) -> list[dict[str, object]]:
    return [pair_row(n) for n in numbers]


def order_for(team: Team, name: str) -> list[str]:
    seen = []
    while tasks := team.take(name):
        seen.append(tasks[0].prompt[0].content.split(":")[0])
        team.choose(name, tasks[0], 1)
        if tasks[0].has_judge:
            team.finish(name, tasks[0], 1)
    return seen


def test_importing_again_adds_nothing_and_more_can_come_later(
    service: Service, project: int, tmp_path: Path
) -> None:
    run = made_run(tmp_path / "run", rows(range(4)), [judgment(f"pair-{n}") for n in range(4)])
    first = service.importing.run(project, run)
    assert (first.added, first.known) == (4, 0)
    again = service.importing.run(project, run)
    assert (again.added, again.known, again.judged) == (0, 4, 0)
    more = write_pairs(tmp_path / "more.jsonl", rows(range(2, 7)))
    later = service.importing.pairs(project, str(more))
    assert (later.added, later.known) == (3, 2)
    assert [s.tasks for s in service.projects.sources(None, project)] == [4, 3]


def test_the_same_pair_under_another_id_or_flipped_is_known(
    service: Service, project: int, tmp_path: Path
) -> None:
    one = pair_row(1)
    flipped = {**one, "response_1": one["response_2"], "response_2": one["response_1"]}
    again = [one, {**one, "pair_id": "b"}, {**flipped, "pair_id": "c"}]
    done = service.importing.pairs(project, str(write_pairs(tmp_path / "p.jsonl", again)))
    assert (done.added, done.known) == (1, 2)


def test_another_pair_with_a_known_id_is_refused(
    service: Service, project: int, tmp_path: Path
) -> None:
    service.importing.pairs(project, str(write_pairs(tmp_path / "a.jsonl", [pair_row(1)])))
    other = [pair_row(2, pair_id="pair-1"), pair_row(3, pair_id="x" * 501), pair_row(4)]
    done = service.importing.pairs(project, str(write_pairs(tmp_path / "b.jsonl", other)))
    assert (done.added, done.refused) == (1, 2)
    assert "another pair" in done.reasons[0] and "500" in done.reasons[1]


def test_rows_that_are_no_pairs_are_refused_with_their_line(
    service: Service, project: int, tmp_path: Path
) -> None:
    bad = [pair_row(1), pair_row(2, response_1=" "), {"prompt": "x"}, pair_row(1)]
    done = service.importing.pairs(project, str(write_pairs(tmp_path / "p.jsonl", bad)))
    assert (done.added, done.refused) == (1, 3)
    assert done.reasons[0].startswith("line 2: empty_response")
    with pytest.raises(UsageError, match="cannot read"):
        service.importing.pairs(project, str(tmp_path / "none.jsonl"))


def test_pairs_that_the_judge_failed_on_are_tasks_without_a_judge(
    service: Service, project: int, tmp_path: Path
) -> None:
    failures = [
        Failure(line=2, pair_id="pair-1", reason="truncated", detail="d", order="given"),
        Failure(line=4, pair_id="pair-3", reason="empty_response", detail="d"),
    ]
    made = [*rows(range(3)), pair_row(3, response_1=""), pair_row(4)]
    run = made_run(tmp_path / "run", made, [judgment("pair-0"), judgment("pair-2")], failures)
    done = service.importing.run(project, run)
    # pair-4 was never judged: the run stopped before it.
    assert (done.added, done.refused) == (3, 1)


def test_a_later_run_gives_known_tasks_their_judge(
    service: Service, project: int, tmp_path: Path
) -> None:
    file = write_pairs(tmp_path / "p.jsonl", rows(range(2)))
    service.importing.pairs(project, str(file))
    run = made_run(tmp_path / "run", rows(range(2)), [judgment(f"pair-{n}") for n in range(2)])
    done = service.importing.run(project, run)
    assert (done.added, done.known, done.judged) == (0, 2, 2)


def test_a_run_whose_input_changed_or_is_gone(
    service: Service, project: int, tmp_path: Path
) -> None:
    run = made_run(tmp_path / "run", rows(range(2)), [judgment("pair-0"), judgment("pair-1")])
    input_, moved = tmp_path / "run.jsonl", tmp_path / "moved.jsonl"
    moved.write_bytes(input_.read_bytes())
    input_.write_text("changed")
    with pytest.raises(UsageError, match="has changed since"):
        service.importing.run(project, run)
    input_.unlink()
    with pytest.raises(UsageError, match="--pairs"):
        service.importing.run(project, run)
    assert service.importing.run(project, run, pairs=str(moved)).added == 2
    with pytest.raises(UsageError, match="not a run folder"):
        service.importing.run(project, tmp_path)


def test_orders_of_the_queue(team: Team, tmp_path: Path) -> None:
    given = [f"Question {n}" for n in range(6)]
    assert order_for(team, "ann") == given
    team.change(order="random", seed=5)
    drawn = order_for(team, "ben")
    assert drawn != given and sorted(drawn) == given
    queue = write_pairs(
        tmp_path / "disagreements.jsonl",
        [{"pair_id": "pair-4", "score": 0.9}, {"pair_id": "pair-1"}, {"pair_id": "unknown"}],
    )
    assert team.service.importing.informative(team.project_id, queue) == 2
    team.change(order="informative", annotations=5)
    expected = ["Question 4", "Question 1", *(f"Question {n}" for n in (0, 2, 3, 5))]
    assert order_for(team, "cem") == expected


def test_other_settings_count_for_the_tasks_that_are_there(team: Team) -> None:
    for name in ("ann", "ben", "cem"):
        team.annotate(name, 1)
    assert "Question 1" in team.take("dora")[0].prompt[0].content
    team.change(annotations=4)
    (task,) = team.take("eva")
    assert "Question 0" in task.prompt[0].content
    team.change(annotations=1)  # fewer than there are: what is there stays
    team.service.annotating.skip(team.people["eva"], task.assignment_id, "not needed", token())
    figures = team.service.figures.dashboard(None, team.project_id).progress
    assert (figures.finished, figures.annotations) == (1, 3)


def test_one_person_alone_finishes_a_project_of_one_annotation(team: Team) -> None:
    team.change(annotations=1)
    assert len(order_for(team, "ann")) == 6
    assert team.take("ben") == []
    assert team.service.figures.dashboard(None, team.project_id).progress.finished == 6


def test_gold_tasks_and_attention_checks_come_to_everyone(team: Team, tmp_path: Path) -> None:
    gold = [pair_row(100 + n, annotations=[{"strength": 2}] * 3) for n in range(2)]
    asked = [pair_row(200, annotations=[{"strength": -3}])]
    unclear = [pair_row(300, annotations=[{"strength": -3}, {"strength": 3}])]
    project = team.project_id
    done = team.service.importing.checks(
        project, str(write_pairs(tmp_path / "gold.jsonl", gold + unclear)), "gold"
    )
    assert (done.added, done.refused) == (2, 1)
    file = write_pairs(tmp_path / "attention.jsonl", asked)
    assert team.service.importing.checks(project, str(file), "attention").added == 1
    team.change(check_every=2, annotations=1)
    for name in ("ann", "ben"):
        seen = team.take(name, 5)
        numbers = {int(t.prompt[0].content.split()[1].strip(":")) for t in seen}
        assert numbers & {100, 101, 200}, numbers
    assert team.service.figures.dashboard(None, project).progress.tasks == 6


def test_people_only_see_the_projects_they_take_part_in(team: Team) -> None:
    other = team.service.projects.create(team.people["max"], Settings(name="other"))
    assert len(team.service.projects.of(team.people["max"])) == 2
    assert len(team.service.projects.of(team.people["ann"])) == 1
    with pytest.raises(NotFound):
        team.service.projects.get(team.people["ann"], other)
    with pytest.raises(NotFound):
        team.service.annotating.take(team.people["ann"], other)
    with pytest.raises(Refused, match="already"):
        team.service.projects.create(None, Settings(name="other"))


def test_what_only_managers_may(team: Team) -> None:
    projects, number = team.service.projects, team.project_id
    with team.service.store.reading() as tx:
        from sqlalchemy import select

        from app.store.schema import task

        task_id = tx.scalars(select(task.c.id)).first()
    assert task_id is not None
    for name in ("ann", "ada"):
        who = team.people[name]
        calls = [
            lambda who=who: projects.create(who, Settings(name="mine")),
            lambda who=who: projects.change(who, number, Settings(name="mine")),
            lambda who=who: projects.members(who, number),
            lambda who=who: projects.set_role(who, number, "ben", "manager"),
            lambda who=who: projects.sources(who, number),
            lambda who=who: projects.flags(who, number),
            lambda who=who: projects.withdraw(who, task_id, "why"),
            lambda who=who: projects.restore(who, task_id, "why"),
            lambda who=who: team.service.exporting.write(who, number, "csv", Path("x.csv")),
        ]
        for call in calls:
            with pytest.raises(NotAllowed):
                call()
    assert not Path("x.csv").exists()
    assert {m.name for m in projects.members(team.people["max"], number)} == set(team.people)


def test_a_project_keeps_a_manager(team: Team) -> None:
    with pytest.raises(Refused, match="needs a manager"):
        team.service.projects.set_role(team.people["max"], team.project_id, "max", "annotator")
    team.service.projects.set_role(None, team.project_id, "ada", "manager")
    team.service.projects.set_role(None, team.project_id, "max", None)


def test_a_press_is_needed_for_every_decision(team: Team) -> None:
    (task,) = team.take("ann")
    for bad in ("", "short", "x" * 101, "tab\tin it...", "ümläutumläut"):
        with pytest.raises(Refused, match="token"):
            team.service.annotating.skip(team.people["ann"], task.assignment_id, "why", bad)
    press = token()
    team.service.annotating.skip(team.people["ann"], task.assignment_id, "why", press)


def test_two_who_change_settings_lose_nothing(team: Team) -> None:
    projects, max_ = team.service.projects, team.people["max"]
    seen = projects.settings(team.project_id).model_dump()
    projects.change_fields(max_, team.project_id, seen, {**seen, "guidelines": "One.", "seed": 3})
    # Another, who saw the page before, changes something else: both stand.
    both = projects.change_fields(max_, team.project_id, seen, {**seen, "annotations": 4})
    assert (both.guidelines, both.seed, both.annotations) == ("One.", 3, 4)
    with pytest.raises(Overtaken, match=r"meanwhile: guidelines$"):
        projects.change_fields(
            max_, team.project_id, seen, {**seen, "guidelines": "Two.", "seed": 3}
        )
    with pytest.raises(Refused, match="annotations: Input should be less"):
        projects.change_fields(max_, team.project_id, both.model_dump(), {"annotations": 9})
    assert projects.settings(team.project_id) == both
    for name in ("ann", "ada"):
        with pytest.raises(NotAllowed):
            projects.change_fields(team.people[name], team.project_id, seen, seen)


def test_two_who_change_settings_at_the_same_moment(team: Team) -> None:
    from concurrent.futures import ThreadPoolExecutor

    projects, max_ = team.service.projects, team.people["max"]
    seen = {"guidelines": ""}

    def change(text: str) -> str | None:
        try:
            projects.change_fields(max_, team.project_id, seen, {"guidelines": text})
        except Overtaken:
            return None
        return text

    with ThreadPoolExecutor(4) as pool:
        stored = [text for text in pool.map(change, "abcd") if text]
    assert [projects.settings(team.project_id).guidelines] == stored

"""A project that rates HelpSteer2's five attributes, over both databases: from tasks to the
regression training set."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from app.errors import Refused
from app.review.project import Settings
from app.review.ratings import ANCHORS, MEANINGS, RatedChoice, Ratings, wanted_ratings
from app.review.task import Choice, Draft, TaskView
from app.service import Service
from app.store import annotated
from judge.annotated import ATTRIBUTES
from judge.cli import app
from judge.errors import UsageError
from judge.judgment import Judgment
from judge.reward import Scored
from tests.app.made import SENTINEL, Team, made_run, pair_row, token

SCORER = "SENTINEL-scorer"
ONE, TWO = (4, 3, 4, 1, 2), (1, 2, 3, 0, 4)
"""What everybody finds of response_1 and response_2 of the pair."""


def judged(pair_id: str) -> Judgment:
    """Return what a regression model says of a pair."""
    values: dict[str, list[float]] = {
        name: [3.5 - n / 4, 1.5 + n / 4] for n, name in enumerate(ATTRIBUTES)
    }
    scored = Scored(preference="response_1", probability=None, attributes=values)
    return Judgment(
        pair_id=pair_id, preference="response_1", strength=None, probability=None,
        consistent=None, statement=None, elaboration=None, orders={},
        rewards={SCORER: [3.5, 1.5]}, scorers={SCORER: scored},
    )  # fmt: skip


def made(service: Service, folder: Path, pairs: int = 3, **settings: Any) -> Team:
    rows = [pair_row(n) for n in range(pairs)]
    run = made_run(folder / "run", rows, [judged(row["pair_id"]) for row in rows])
    chosen = Settings(name="ratings", kind="attributes", **settings)
    team = Team(service, service.projects.create(None, chosen))
    service.importing.run(team.project_id, run)
    for name in ("ann", "ben", "cem", "dora", "eva"):
        team.add(name)
    team.add("max", "manager")
    return team


def rated(*values: tuple[int, ...] | None) -> RatedChoice:
    one, two = (None if v is None else dict(zip(ATTRIBUTES, v, strict=True)) for v in values)
    return RatedChoice.model_validate({"ratings": {"response_1": one, "response_2": two}})


def seen(task: TaskView, one: tuple[int, ...] = ONE, two: tuple[int, ...] = TWO) -> RatedChoice:
    """Return ratings of the pair's own responses in the order shown."""
    return rated(one, two) if task.response_1.startswith("There are") else rated(two, one)


def rate(team: Team, name: str, *values: tuple[int, ...]) -> TaskView:
    (task,) = team.take(name)
    who, said = team.people[name], seen(task, *values)
    team.service.annotating.choose(who, task.assignment_id, said, token())
    team.service.annotating.reveal(who, task.assignment_id)
    return team.service.annotating.complete(who, task.assignment_id, said, token())


def test_blind_ratings_then_the_models_values_then_both_are_kept(
    service: Service, tmp_path: Path
) -> None:
    team = made(service, tmp_path)
    shown = set()
    for name in ("ann", "ben", "cem", "dora"):
        who = team.people[name]
        (task,) = team.take(name)
        assert "3.5" not in task.model_dump_json() and SENTINEL not in task.model_dump_json()
        with pytest.raises(Refused, match="after your own choice"):
            service.annotating.reveal(who, task.assignment_id)
        first = seen(task)
        view = service.annotating.choose(who, task.assignment_id, first, token())
        assert view.ratings == first.ratings.model_dump() and view.choice is None
        reveal = service.annotating.reveal(who, task.assignment_id)
        side = 0 if task.response_1.startswith("There are") else 1
        assert reveal.attributes[SCORER]["helpfulness"][side] == 3.5
        again = seen(task, (3, 3, 4, 1, 2))
        done = service.annotating.complete(who, task.assignment_id, again, token())
        assert done.state == "complete" and done.final_ratings == again.ratings.model_dump()
        assert done.ratings == first.ratings.model_dump()
        shown.add(side)
        if len(shown) == 2:
            break
    assert shown == {0, 1}
    with service.store.reading() as tx:
        found = annotated.rated_tasks(tx, team.project_id)[0]
    people = len(found.annotations)
    assert found.values("response_1", first=True)["helpfulness"] == (4,) * people
    assert found.values("response_1")["helpfulness"] == (3,) * people
    assert found.values("response_2")["verbosity"] == (4,) * people


def test_undo_and_drafts(service: Service, tmp_path: Path) -> None:
    team = made(service, tmp_path)
    ann = team.people["ann"]
    done = rate(team, "ann")
    back = service.annotating.undo(ann, team.project_id, token())
    assert (back.state, back.final_ratings) == ("chosen", None) and back.draft is not None
    assert back.draft.ratings is not None
    assert back.draft.ratings.model_dump() == back.ratings
    half = Draft.model_validate(
        {"sequence": 9, "ratings": {"response_1": {"coherence": 2}, "response_2": {}}}
    )
    service.annotating.save_draft(ann, done.assignment_id, half)
    assert service.annotating.view(ann, done.assignment_id).draft == half


def test_what_is_missing_is_refused_in_one_sentence(service: Service, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"verbosity\n  Field required"):
        values = dict(zip(ATTRIBUTES[:4], ONE, strict=False))
        RatedChoice.model_validate({"ratings": {"response_1": values}})
    for wrong in (5, -1, 2.5, None):
        with pytest.raises(ValidationError):
            rated((wrong, 1, 1, 1, 1), ONE)  # type: ignore[arg-type]
    team = made(service, tmp_path)
    ann = team.people["ann"]
    (task,) = team.take("ann")
    with pytest.raises(Refused, match="every response that is shown"):
        service.annotating.choose(ann, task.assignment_id, rated(ONE, None), token())
    with pytest.raises(Refused, match="asks for ratings"):
        service.annotating.choose(ann, task.assignment_id, Choice(strength=1), token())
    with pytest.raises(UsageError, match="this project rates"):
        service.importing.checks(team.project_id, "examples/pairs.jsonl", "gold")
    with pytest.raises(Refused, match="ratings are not adjudicated"):
        service.adjudicating.view(team.people["max"], 1)
    with pytest.raises(Refused, match="has no export 'dpo'"):
        service.exporting.write(None, team.project_id, "dpo", tmp_path / "x")
    settings = service.projects.settings(team.project_id)
    with pytest.raises(Refused, match="kind cannot change"):
        service.projects.change(
            None, team.project_id, settings.model_copy(update={"kind": "preference"})
        )


def test_two_more_people_where_the_first_three_disagree(service: Service, tmp_path: Path) -> None:
    """HelpSteer2, section 2: by helpfulness, of either response."""
    team = made(service, tmp_path, pairs=1)
    low = (1, *TWO[1:])
    for name, two in (("ann", low), ("ben", low), ("cem", (4, *TWO[1:]))):
        rate(team, name, ONE, two)
    assert rate(team, "dora", ONE, low).state == "complete"
    rate(team, "eva", ONE, low)
    with service.store.reading() as tx:
        (task,) = annotated.rated_tasks(tx, team.project_id)
    assert (task.wanted, task.has_all) == (5, True)
    assert task.agreed("response_2").means["helpfulness"] == 1.0
    same = Ratings(**{side: rated(ONE, ONE).ratings.response_1 for side in ("response_1",)})
    settings = Settings(name="x", kind="attributes")
    assert wanted_ratings(settings, [same] * 3) == 3


@pytest.fixture
def reviewed(service: Service, tmp_path: Path) -> Team:
    """Three pairs: agreed, too far apart, unfinished."""
    team = made(service, tmp_path, more_on_disagreement=0)
    for name, values in (("ann", (1, 2, 3, 0, 4)), ("ben", TWO), ("cem", (2, 2, 3, 0, 4))):
        rate(team, name, ONE, values)
    for name, helpful in (("ann", 0), ("ben", 2), ("cem", 4)):
        rate(team, name, ONE, (helpful, *TWO[1:]))
    rate(team, "ann")
    return team


def lines(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def test_the_export_trains_a_regression_model(reviewed: Team, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = reviewed.service.exporting.write(None, reviewed.project_id, "ratings", out)
    assert done.rows == 3 and done.left_out == {"helpfulness_spread": 1, "unfinished": 1}
    rows = lines(out / "train.jsonl.gz") + lines(out / "validation.jsonl.gz")
    agreed = [row for row in rows if row["prompt"] == "Question 0: how many?"]
    assert [row["response"] for row in agreed] == [
        "There are 0 of them.",
        "I count 1, and here is why.",
    ]
    assert [tuple(row[name] for name in ATTRIBUTES) for row in agreed] == [ONE, TWO]
    everyone = lines(out / "disagreements/disagreements.jsonl.gz")
    assert len(everyone) == 4 and sorted(everyone[3]["helpfulness"]) == [0, 2, 4]
    again = tmp_path / "again"
    reviewed.service.exporting.write(None, reviewed.project_id, "ratings", again)
    for name in ("train.jsonl.gz", "validation.jsonl.gz", "disagreements/disagreements.jsonl.gz"):
        assert (out / name).read_bytes() == (again / name).read_bytes()
    # And the next command reads it, either way.
    for words in ([], ["--format", "disagreements"]):
        sets = tmp_path / f"sets{len(words)}"
        command = ["data", "prepare", str(out), "--kind", "regression", "--out", str(sets)]
        result = CliRunner().invoke(app, [*command, *words])
        assert result.exit_code == 0, result.output
        made_rows = [
            json.loads(line)
            for file in sets.rglob("*.jsonl")
            for line in file.read_text().splitlines()
            if "rating_id" in line
        ]
        assert len(made_rows) == 3, words
        assert {tuple(round(row[n]) for n in ATTRIBUTES) for row in made_rows} >= {ONE, TWO}


def test_the_table_and_what_is_of_an_evaluation_set(reviewed: Team, tmp_path: Path) -> None:
    service, project = reviewed.service, reviewed.project_id
    service.exporting.write(None, project, "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert [(row["annotator"], row["response"], row["helpfulness"]) for row in rows[:2]] == [
        ("ann", "1", "4"),
        ("ann", "2", "1"),
    ]
    other = service.projects.create(None, Settings(name="test"))
    from tests.app.made import write_pairs

    file_ = write_pairs(tmp_path / "eval.jsonl", [pair_row(0)])
    service.importing.pairs(other, str(file_), evaluation=True)
    done = service.exporting.write(None, project, "ratings", tmp_path / "out")
    assert done.left_out["evaluation"] == 1


def test_the_figures_by_attribute(reviewed: Team) -> None:
    board = reviewed.service.figures.board(None, reviewed.project_id)
    from app.review.rating_figures import RatingBoard

    assert isinstance(board, RatingBoard)
    by_name = {found.attribute: found for found in board.attributes}
    assert [*by_name] == list(ATTRIBUTES)
    assert by_name["correctness"].kappa == pytest.approx(1)
    helpful = by_name["helpfulness"]
    assert helpful.responses == 4 and helpful.kappa is not None and helpful.kept is not None
    assert helpful.kappa < helpful.kept < 1  # the rule leaves out what lies too far apart
    assert helpful.model_difference is not None and helpful.changed.hits == 0
    assert (board.progress.finished, board.progress.tasks, board.dropped) == (2, 3, 1)
    ann = next(one for one in board.raters if one.name == "ann")
    assert ann.completed == 3 and ann.from_others == pytest.approx((0 + 0.5 + 0 + 3) / 4)
    with pytest.raises(Refused, match="rates attributes"):
        reviewed.service.figures.dashboard(None, reviewed.project_id)


def test_each_response_alone(service: Service, tmp_path: Path) -> None:
    team = made(service, tmp_path, pairs=1, responses="each", annotations=1)
    ann = team.people["ann"]
    for response, values, model in (
        ("There are 0 of them.", ONE, 3.5), ("I count 1, and here is why.", TWO, 1.5),
    ):  # fmt: skip
        (task,) = team.take("ann")
        assert (task.response_1, task.response_2) == (response, "")
        said = rated(values, None)
        with pytest.raises(Refused, match="every response"):
            service.annotating.choose(ann, task.assignment_id, rated(values, values), token())
        service.annotating.choose(ann, task.assignment_id, said, token())
        reveal = service.annotating.reveal(ann, task.assignment_id)
        assert reveal.attributes[SCORER]["helpfulness"][0] == model
        service.annotating.complete(ann, task.assignment_id, said, token())
    assert team.take("ann") == []
    done = service.exporting.write(None, team.project_id, "ratings", tmp_path / "out")
    rows = lines(tmp_path / "out/train.jsonl.gz") + lines(tmp_path / "out/validation.jsonl.gz")
    assert done.rows == 2 and [tuple(row[n] for n in ATTRIBUTES) for row in rows] == [ONE, TWO]


def test_every_value_of_every_attribute_has_a_meaning() -> None:
    assert [*ANCHORS] == [*MEANINGS] == list(ATTRIBUTES)
    assert all(len(set(anchors)) == 5 for anchors in ANCHORS.values())

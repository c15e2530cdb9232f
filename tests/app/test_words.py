"""Nothing that an annotator called wrong, or did not write or take, becomes theirs: over both
databases, in whatever way it is sent, in every export, and out of databases of earlier versions."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.errors import Refused
from app.review.task import Choice, Final, TaskView
from app.review.words import mostly_theirs, objection, same_words, settled, shares_a_run
from app.service import Service
from app.store.database import Store
from app.store.schema import assignment, draft, event
from judge.verdict import flip_names as flipped_names
from tests.app.made import (
    SENTINEL,
    Clock,
    Team,
    judgment,
    made_run,
    pair_row,
    quick_hasher,
    set_back,
    token,
)

JUDGES = (
    f"{SENTINEL}: @Response 2 counts right, while the other one takes every number for the next"
    " and never says how it came to it. It would also be read more easily by a child."
)
OWN = "@Response 2 gives its reasons."


def long_run(team: Team, folder: Path) -> None:
    """Make the judge's explanations long enough to be told when they are used."""
    rows = [pair_row(n) for n in range(50, 56)]
    judged = [judgment(row["pair_id"], elaboration=JUDGES) for row in rows]
    run = made_run(folder / "long", rows, judged)
    team.service.importing.run(team.project_id, run)
    with team.service.store.writing() as tx:
        tx.execute(text("UPDATE task SET withdrawn = true WHERE length(pair_id) < 7"))


def begin(team: Team, name: str, reason: str = OWN) -> tuple[TaskView, int, str]:
    """Take a task, choose what the judge chose, and return it with strength and words as shown."""
    (task,) = team.take(name)
    side = 1 if task.response_1.startswith("I count") else 2
    strength = 2 if side == 2 else -2
    own = reason if side == 2 else flipped_names(reason)
    team.choose(name, task, strength, own)
    theirs = team.service.annotating.reveal(team.people[name], task.assignment_id).elaboration
    return task, strength, theirs


def complete(team: Team, name: str, task: TaskView, **final: Any) -> TaskView:
    return team.service.annotating.complete(
        team.people[name], task.assignment_id, Final(**final), token()
    )


def exported(team: Team, folder: Path) -> dict[str, str]:
    """Return the text of every export for training or analysis of what people said."""
    found = {}
    for kind in ("preference", "csv", "dpo", "labels"):
        written = team.service.exporting.write(
            None, team.project_id, kind, folder / f"out-{kind}", unfinished=True
        )
        data = written.path.read_bytes()
        found[kind] = (gzip.decompress(data) if kind == "preference" else data).decode()
    return found


def test_ones_own_words_are_the_default_whatever_the_explanation_is_called(
    team: Team, tmp_path: Path
) -> None:
    long_run(team, tmp_path)
    for name, called in (("ann", "right"), ("ben", "partly_right"), ("cem", "wrong")):
        task, strength, _ = begin(team, name)
        done = complete(team, name, task, strength=strength, explanation=called)
        assert done.final is not None
        assert (done.final.words, done.final.elaboration) == ("own", "")
    found = exported(team, tmp_path)
    assert all(SENTINEL not in text for text in found.values())
    rows = [json.loads(line) for line in found["preference"].splitlines()]
    said = [one["justification"] for row in rows for one in row["all_preferences_unprocessed"]]
    assert said == [f"@Response 2 is better than @Response 1. {OWN}"] * 3
    origins = [row["text_origin"] for row in csv.DictReader(found["csv"].splitlines())]
    assert origins == ["own"] * 3


def test_the_judges_words_are_taken_only_where_they_were_called_right(
    team: Team, tmp_path: Path
) -> None:
    long_run(team, tmp_path)
    task, strength, theirs = begin(team, "ann")
    for called in ("wrong", "partly_right"):
        with pytest.raises(Refused, match="only an explanation that you call right"):
            complete(
                team, "ann", task, strength=strength, explanation=called, words="judge"
            )  # whatever a page sends
        for sent in (theirs, f"  {theirs}\n", theirs.upper(), theirs.replace(",", ";")):
            with pytest.raises(Refused, match="did not call them right"):
                complete(
                    team, "ann", task, strength=strength, explanation=called, words="edited",
                    elaboration=sent,
                )  # fmt: skip
    with pytest.raises(Refused, match="most of this text is the judge's"):
        complete(
            team, "ann", task, strength=strength, explanation="wrong", words="edited",
            elaboration=f"I agree. {theirs}",
        )  # fmt: skip
    with pytest.raises(Refused, match="for another choice"):
        complete(team, "ann", task, strength=-strength, explanation="right", words="judge")
    with pytest.raises(Refused, match="for another choice"):
        complete(
            team, "ann", task, strength=-strength, explanation="right", words="edited",
            elaboration=theirs,
        )  # fmt: skip
    assert SENTINEL not in exported(team, tmp_path / "before")["csv"]
    done = complete(team, "ann", task, strength=strength, explanation="right", words="judge")
    assert done.final is not None and done.final.elaboration == theirs
    found = exported(team, tmp_path / "after")
    assert JUDGES in found["preference"]
    (row,) = csv.DictReader(found["csv"].splitlines())
    assert (row["text_origin"], row["elaboration"]) == ("judge", JUDGES)


def test_what_a_person_made_of_the_judges_words_is_edited(team: Team, tmp_path: Path) -> None:
    long_run(team, tmp_path)
    task, strength, theirs = begin(team, "ann")
    mine = theirs.partition(", while")[0] + ", which is all that I would say of it myself."
    complete(
        team, "ann", task, strength=strength, explanation="partly_right", words="edited",
        elaboration=mine,
    )  # fmt: skip
    task, strength, theirs = begin(team, "ben")
    quoted = f"{OWN} The judge says that it takes every number for the next, which it does not."
    complete(
        team, "ben", task, strength=strength, explanation="wrong", words="edited",
        elaboration=quoted,
    )  # fmt: skip
    rows = list(csv.DictReader(exported(team, tmp_path)["csv"].splitlines()))
    assert [row["text_origin"] for row in rows] == ["edited", "edited"]


def test_an_emptied_reason_is_no_first_reason(team: Team) -> None:
    task, strength, _ = begin(team, "ann")
    with pytest.raises(Refused, match="say why"):
        complete(team, "ann", task, strength=strength, explanation="wrong", words="edited")
    with pytest.raises(Refused, match="for another choice"):
        complete(team, "ann", task, strength=-strength, explanation="wrong")
    team.change(require_justification=False)
    done = complete(team, "ann", task, strength=strength, explanation="wrong", words="edited")
    assert done.final is not None and done.final.words == "edited"
    with team.service.store.reading() as tx:
        from app.store import annotated

        (one,) = next(t.annotations for t in annotated.tasks(tx, team.project_id) if t.annotations)
    assert one.elaboration() == "" and one.origin("x") == "none"


def test_in_an_open_project_the_judges_words_are_no_first_reason_either(team: Team) -> None:
    team.change(blind=False)
    (task,) = team.take("ann")
    theirs = team.service.annotating.reveal(team.people["ann"], task.assignment_id).elaboration
    side = 1 if task.response_1.startswith("I count") else 2
    strength = 2 if side == 2 else -2
    team.choose("ann", task, strength, theirs)
    with pytest.raises(Refused, match="did not call them right"):
        complete(team, "ann", task, strength=strength, explanation="wrong")
    complete(team, "ann", task, strength=strength, explanation="right")


def test_pure_rules() -> None:
    first = Choice(strength=2, justification=OWN)
    right: dict[str, Any] = {"strength": 2, "explanation": "right"}
    assert settled(Final(**right, words="edited", elaboration=f" {OWN} "), first, JUDGES) == Final(
        **right
    )
    typed = Final(**right, words="edited", elaboration=JUDGES.replace(",", " -"))
    assert objection(typed, first, 2, JUDGES, True) is None
    assert settled(typed, first, JUDGES).words == "judge"
    assert objection(Final(**right, words="judge"), first, 0, JUDGES, True)
    assert objection(Final(**right, words="judge"), first, 2, "", True)
    # Short first words that the judge happened to find as well are the person's.
    short = Choice(strength=2, justification="It is right.")
    wrong = Final(strength=2, explanation="wrong")
    assert objection(wrong, short, 2, "It is right.", True) is None
    assert same_words("Het is goed", "HET, is goed!") and not same_words("", "!")
    assert shares_a_run("a b", "x a b y") and not shares_a_run("a b", "a x b")
    assert mostly_theirs("第一个回答更好,因为它数对了", "第一个回答更好,因为它数对了。它也更短。")
    assert not mostly_theirs("第二个", "第一个回答更好")


FORMER: list[tuple[str, str, str | None, bool, tuple[str, str]]] = [
    # called, statement, elaboration stored (None: the judge's), changed sides, what stands now
    ("wrong", "", None, False, ("own", OWN)),
    ("partly_right", "", None, False, ("own", OWN)),
    ("right", "", None, False, ("judge", JUDGES)),
    ("wrong", "total garbage", "My words.", False, ("edited", "My words.")),
    ("right", "@Response 2 is better since it counts.", OWN, False,
     ("edited", f"@Response 2 is better since it counts. {OWN}")),
    ("right", "@Response 2 is better than @Response 1.", OWN, False, ("own", OWN)),
    ("right", "", "", False, ("own", OWN)),
    ("wrong", "", None, True, ("edited", "")),
    ("wrong", "@Response 2 is better.", "@Response 1 is short.", True,
     ("edited", "@Response 1 is short.")),
    ("wrong", "", JUDGES + " Yes.", False, ("own", OWN)),
    ("partly_right", "", JUDGES + " Yes.", False, ("edited", JUDGES + " Yes.")),
]  # fmt: skip


def test_a_database_of_the_version_before_is_brought_over(
    store_url: str, clock: Clock, tmp_path: Path
) -> None:
    old = Store.open(store_url)
    team = Team.made(Service(old, clock, quick_hasher()), tmp_path / "run", annotations=5)
    long_run(team, tmp_path)
    people = [*(f"p{n}" for n in range(len(FORMER) + 1))]
    ids: dict[str, int] = {}
    with old.writing() as tx:
        tx.execute(text("UPDATE task SET wanted = 5"))
    for name in people:
        team.add(name)
        task, strength, _ = begin(team, name)
        team.finish(name, task, strength, elaboration="To be replaced.")
        ids[name] = task.assignment_id
    team.service.annotating.save_draft(
        team.people["ann"], (mine := team.take("ann")[0]).assignment_id, _draft("Half")
    )
    with old.writing() as tx:
        for name, (called, statement, words, moved, _) in zip(people, FORMER, strict=False):
            said = {"strength": -2 if moved else 2, "explanation": called, "statement": statement,
                    "elaboration": JUDGES if words is None else words}  # fmt: skip
            _as_it_was(tx, ids[name], said)
        tx.execute(
            draft.update()
            .where(draft.c.assignment_id == mine.assignment_id)
            .values(data=json.dumps({"sequence": 3, "strength": 1, "justification": "Half",
                                     "explanation": None, "statement": "x",
                                     "elaboration": ""}))
        )  # fmt: skip
    set_back(old, "0002")
    old.close()
    team.service = Service(Store.open(store_url), clock, quick_hasher())
    with team.service.store.reading() as tx:
        from app.store import annotated, events

        tasks = annotated.tasks(tx, team.project_id)
        stands = {one.name: one for task in tasks for one in task.annotations}
        kept = [e.data for e, _, _ in events.history(tx, team.project_id) if e.kind == "final"]
    for name, (called, *_, (words, reason)) in zip(people, FORMER, strict=False):
        one = stands[name]
        assert one.final is not None and one.final.explanation == called
        assert (one.final.words, one.elaboration()) == (words, reason), (name, called)
    last = stands[people[-1]]  # of this program already: as it was
    assert last.final is not None and last.elaboration() == "To be replaced."
    assert sum("statement" in data for data in kept) == len(FORMER)  # nothing is forgotten
    found = exported(team, tmp_path)["csv"]
    assert "total garbage" not in found
    assert team.take("ann")[0].draft == _draft("Half", sequence=3, strength=1)
    # And one can still take a decision back, and decide anew.
    back = team.service.annotating.undo(team.people["p0"], team.project_id, token())
    assert back.state == "chosen" and back.final is None
    team.service.close()


def _as_it_was(tx: Any, number: int, said: dict[str, Any]) -> None:
    """Put a final decision into the database in the shape of the version before."""
    row = tx.execute(assignment.select().where(assignment.c.id == number)).one()
    made = tx.execute(
        event.insert()
        .values(project_id=row.project_id, task_id=row.task_id, assignment_id=row.id,
                account_id=row.account_id, at=row.completed_at, kind="final",
                data=json.dumps(said), reason="")
        .returning(event.c.id)
    ).scalar_one()  # fmt: skip
    tx.execute(assignment.update().where(assignment.c.id == number).values(final_id=made))


def _draft(reason: str, **more: Any) -> Any:
    from app.review.task import Draft

    return Draft(justification=reason, **more)

"""Marked spans: checked against the text they lie in, flipped, kept, exported, shown to whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import text

from app.errors import NotFound, Refused
from app.review.highlights import (
    LONGEST_QUOTE,
    Highlight,
    HighlightKind,
    MarkedField,
    Source,
    digest_of,
    objection,
    quoted,
)
from app.review.project import Settings
from app.review.task import Choice, Draft, Final, TaskView
from app.service import Service
from app.service.highlighting import Sources
from app.store.database import Store
from tests.app.made import (
    SENTINEL,
    Clock,
    Team,
    pair_row,
    quick_hasher,
    set_back,
    token,
    write_pairs,
)
from tests.app.test_rating import rated

HARD = "a\U0001f469‍\U0001f469‍\U0001f467b éé العربية 漢字 $x^2$\r\n**bold**"


def mark(
    source: Source,
    name: MarkedField,
    start: int,
    end: int,
    kind: HighlightKind = "wrong",
    note: str = "",
) -> Highlight:
    quote = source.text[start:end][:LONGEST_QUOTE]
    return Highlight(
        field=name, start=start, end=end, kind=kind, note=note, quote=quote, digest=source.digest
    )


def sources(team: Team, name: str, task: TaskView) -> Sources:
    return team.service.highlighting.sources(team.people[name], task.assignment_id)


def choose(team: Team, task: TaskView, marks: list[Highlight], name: str = "ann") -> TaskView:
    choice = Choice(strength=2, justification="It counts.", highlights=tuple(marks))
    return team.service.annotating.choose(team.people[name], task.assignment_id, choice, token())


@given(st.text(alphabet=HARD, min_size=1), st.data())
def test_offsets_are_code_points_and_flipping_twice_is_the_identity(whole: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    found = Source(whole, digest_of(whole))
    one = mark(found, "response_1", start, end, note="as @Response 2 says")
    assert objection([one], {"response_1": found}) is None
    assert one.flipped().flipped() == one and one.flipped().field == "response_2"
    assert one.flipped().note == "as @Response 1 says"
    if any(ord(char) > 0xFFFF for char in whole[:start]):  # UTF-16 would be found out
        wrong = one.model_copy(update={"start": start + 1, "end": end + 1})
        if whole[start + 1 : end + 1][:LONGEST_QUOTE] != one.quote:
            assert objection([wrong], {"response_1": found}) is not None


def test_what_is_wrong_is_one_sentence_that_names_text_and_place() -> None:
    found: Sources = {"response_1": Source("one two three", digest_of("one two three"))}
    one = mark(found["response_1"], "response_1", 0, 7)
    two = mark(found["response_1"], "response_1", 4, 13, "good")
    near = mark(found["response_1"], "response_1", 7, 13, "good")
    assert objection([near, one], found) is None
    problems = {
        "“one two” and “two three” in Response 1 overlap": [two, one],
        "does not lie in the text of Response 1, which has 13": [
            one.model_copy(update={"end": 99})
        ],
        "does not lie": [one.model_copy(update={"quote": "two"})],
        "the text of Response 1 changed since you highlighted “one two”": [
            one.model_copy(update={"digest": "0" * 32})
        ],
        "the judge's explanation, which this task does not show you": [
            one.model_copy(update={"field": "explanation"})
        ],
    }
    for words, marks in problems.items():
        said = objection(marks, found)
        assert said is not None and words in said and "\n" not in said
    for broken in ({"start": 7}, {"start": -1}, {"kind": "bad"}, {"note": "x" * 1_001}):
        with pytest.raises(ValidationError):
            Highlight.model_validate({**one.model_dump(), **broken})


def test_marks_go_the_way_of_the_task_and_back(team: Team, tmp_path: Path) -> None:
    service, ann = team.service, team.people["ann"]
    for _ in range(2):  # sides are drawn: see both
        (task,) = team.take("ann")
        there = sources(team, "ann", task)
        assert set(there) == {"response_1", "response_2"}
        assert there["response_1"].text == task.response_1
        one = mark(there["response_1"], "response_1", 0, 5, note="@Response 1 begins so")
        service.annotating.save_draft(ann, task.assignment_id, Draft(sequence=1, highlights=(one,)))
        draft = service.annotating.view(ann, task.assignment_id).draft
        assert draft is not None and draft.highlights == (one,)
        stored = choose(team, task, [one])
        assert stored.highlights == (one,) and stored.draft and stored.draft.highlights == (one,)
        service.annotating.undo(ann, team.project_id, token())
        choose(team, task, [one])
        service.annotating.reveal(ann, task.assignment_id)
        there = sources(team, "ann", task)
        explanation = there["explanation"]
        place = explanation.text.index("@Response")
        two = mark(explanation, "explanation", place, place + 11, "good", "names it")
        done = team.finish("ann", task, 2, highlights=(one, two))
        assert set(done.highlights) == {one, two}
    out = tmp_path / "highlights.jsonl"
    done_ = service.exporting.write(team.people["max"], team.project_id, "highlights", out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert done_.rows == len(rows) == 4
    with service.store.reading() as tx:
        texts = {row.pair_id: row for row in tx.execute(text("SELECT * FROM task"))}
    for row in rows:
        pair = texts[row["pair_id"]]
        given_ = json.loads(pair.judgment)["elaboration"]
        whole = {"explanation": given_}.get(row["field"]) or getattr(pair, row["field"])
        assert whole[row["start"] : row["end"]] == row["text"]
        assert (row["annotator"], row["current"]) == ("ann", True)
        assert row["before_reveal"] == (row["field"] != "explanation")
        if row["field"] != "explanation":
            assert f"@Response {row['field'][-1]} begins so" == row["note"]


def test_what_is_refused_stays_in_the_draft(team: Team) -> None:
    ann = team.people["ann"]
    (task,) = team.take("ann")
    there = sources(team, "ann", task)
    good = mark(there["response_1"], "response_1", 0, 5)
    stale = good.model_copy(update={"digest": "0" * 32, "start": 6, "end": 9, "quote": "old"})
    draft = Draft(sequence=1, strength=2, highlights=(good, stale))
    team.service.annotating.save_draft(ann, task.assignment_id, draft)
    with pytest.raises(Refused, match="changed since you highlighted “old”"):
        choose(team, task, [good, stale])
    seen = team.service.annotating.view(ann, task.assignment_id)
    assert seen.state == "open" and seen.draft and seen.draft.highlights == (good, stale)
    explained = good.model_copy(update={"field": "explanation"})
    with pytest.raises(Refused, match="does not show you"):  # before the reveal
        choose(team, task, [explained])
    choose(team, task, [good])
    with pytest.raises(NotFound):  # somebody else's task
        sources(team, "ben", task)


def test_adjudicators_see_marks_in_responses_nobody_else_does(team: Team) -> None:
    team.change(more_on_disagreement=0)
    for name, strength in (("ann", -3), ("ben", 3), ("cem", 1)):
        (task,) = team.take(name)
        found = sources(team, name, task)
        side: MarkedField = "response_1" if task.response_1.startswith("There") else "response_2"
        one = mark(found[side], side, 0, 5, note=f"SECRET {name}")
        sign = 1 if side == "response_1" else -1
        chosen = Choice(strength=sign * strength, justification="x", highlights=(one,))
        service = team.service.annotating
        view = service.choose(team.people[name], task.assignment_id, chosen, token())
        service.reveal(team.people[name], task.assignment_id)
        judges = sources(team, name, task)["explanation"]
        two = mark(judges, "explanation", 0, 5)
        final = team.finish(name, task, sign * strength, highlights=(one, two))
        for seen in (view, final):
            others = {"ann", "ben", "cem"} - {name}
            assert not any(f"SECRET {other}" in seen.model_dump_json() for other in others)
    (dispute,) = team.service.adjudicating.queue(team.people["ada"], team.project_id)
    marks = [one for opinion in dispute.opinions for one in opinion.highlights]
    assert [(m.field, m.start, m.end, m.quote) for m in marks] == [
        ("response_1", 0, 5, "There")
    ] * 3
    assert SENTINEL not in dispute.model_dump_json()


def test_ratings_have_marks_too(service: Service, tmp_path: Path) -> None:
    project_id = service.projects.create(None, Settings(name="rated", kind="attributes"))
    team = Team(service, project_id)
    team.add("ann")
    file = write_pairs(tmp_path / "pairs.jsonl", [pair_row(n) for n in range(3)])
    service.importing.pairs(project_id, str(file))
    for task in team.take("ann", 2):
        one = mark(sources(team, "ann", task)["response_2"], "response_2", 2, 4, "unclear")
        said = rated((3, 3, 3, 1, 1), (2, 2, 2, 1, 1)).model_copy(update={"highlights": (one,)})
        done = service.annotating.choose(team.people["ann"], task.assignment_id, said, token())
        assert done.highlights == (one,)
    out = tmp_path / "highlights.jsonl"
    assert service.exporting.write(None, project_id, "highlights", out).rows == 2
    assert service.exporting.write(None, project_id, "history", tmp_path / "history").rows


def test_a_database_of_before_has_no_marks_and_takes_some(
    store_url: str, clock: Clock, tmp_path: Path
) -> None:
    old = Store.open(store_url)
    team = Team.made(Service(old, clock, quick_hasher()), tmp_path / "run")
    team.annotate("ann", 2)
    (task,) = team.take("ben")
    team.service.annotating.save_draft(
        team.people["ben"], task.assignment_id, Draft(sequence=3, justification="so far")
    )
    with old.writing() as tx:  # as they were written before there were marks
        for number, data in tx.execute(text("SELECT assignment_id, data FROM draft")).all():
            said = json.loads(data)
            del said["highlights"]
            tx.execute(
                text("UPDATE draft SET data = :data WHERE assignment_id = :id"),
                {"data": json.dumps(said), "id": number},
            )
    set_back(old, "0005")
    old.close()
    store = Store.open(store_url)
    assert (store.revision() or "") >= "0006"
    team.service = Service(store, clock, quick_hasher())
    seen = team.service.annotating.view(team.people["ben"], task.assignment_id)
    assert seen.draft and (seen.draft.justification, seen.draft.highlights) == ("so far", ())
    one = mark(sources(team, "ben", task)["response_1"], "response_1", 0, 3)
    assert choose(team, task, [one], "ben").highlights == (one,)
    store.close()


def test_quotes_are_cut_and_final_defaults_to_none() -> None:
    whole = Source("x" * 500, digest_of("x" * 500))
    one = mark(whole, "response_1", 0, 400)
    assert len(quoted(one, whole.text).quote) == LONGEST_QUOTE
    assert objection([one], {"response_1": whole}) is None
    assert Final(strength=1).highlights == ()

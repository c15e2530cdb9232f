"""What comes out: our other commands read it; evaluation sets never leave as training data."""

from __future__ import annotations

import csv
import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.review.project import ExportKind
from app.review.task import OPTIONS, Choice
from app.review.training import preference_row, prompt_text, safe_cell
from app.service.exporting import Exported
from judge.annotated import AnnotatedPair
from judge.compare.labels import read_labels
from judge.consensus import consensus, round_mean
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from judge.pair import Message, Pair, parse_prompt
from tests.app.made import SENTINEL, Team, judgment, made_run, pair_row, token, write_pairs
from tests.app.test_review_agreement import said, task


def written(team: Team, kind: ExportKind, out: Path, **more: Any) -> Exported:
    return team.service.exporting.write(team.people["max"], team.project_id, kind, out, **more)


def lines(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def reviewed(team: Team) -> Team:
    """Six tasks: agreed on 2, spread too far, cancelling out, -100 in it, unfinished, untouched."""
    team.change(more_on_disagreement=0)
    strengths = {
        "ann": (2, -3, -1, 2),
        "ben": (2, 1, 1, 2),
        "cem": (3, 3, 1, -100),
        "dora": (),
    }
    for name, given_ in strengths.items():
        for strength in given_:
            team.annotate(name, strength)
    team.annotate("ann", 1)
    return team


def test_the_training_pipeline_reads_the_export_unchanged(reviewed: Team, tmp_path: Path) -> None:
    done = written(reviewed, "preference", tmp_path / "data")
    assert (done.rows, done.left_out) == (4, {"no_annotation": 1, "unfinished": 1})
    manifest = run(
        PrepareConfig(
            input=str(tmp_path / "data"),
            output_dir=str(tmp_path / "sets"),
            styles=("elaboration_first", "statement_only"),
            val_share=0,
        )
    ).to_json()
    (counts,) = manifest["sides"]["train"]["pairs"].values()
    assert counts == {"read": 4, "dropped": {"spread": 1, "zero": 1}, "kept": 2}
    assert "disagreements.jsonl" not in manifest["outputs"]  # our consensus is theirs
    assert manifest["problems"]["counts"] == {}
    made = lines(tmp_path / "sets" / "train.jsonl")
    assert any("It is right." in json.dumps(row) for row in made)


def test_the_exact_layout(reviewed: Team, tmp_path: Path, shared: Path) -> None:
    written(reviewed, "preference", tmp_path)
    sample = lines(shared / "data/helpsteer2_sample/preference/preference.jsonl.gz")
    for row in lines(tmp_path / "preference" / "preference.jsonl.gz"):
        assert list(row) == list(sample[0])
        assert list(row["all_preferences_unprocessed"][0].keys() ^ {"strength"}) == [
            "justification"
        ]
        similar = row["three_most_similar_preferences"]
        assert all(list(one) == ["statement", "elaboration", "strength"] for one in similar)
        raw = [one["strength"] for one in row["all_preferences_unprocessed"]]
        assert len(raw) == 3
        assert row["preference_strength"] == round_mean([one["strength"] for one in similar])


def test_an_adjudicators_decision_is_what_training_sees(reviewed: Team, tmp_path: Path) -> None:
    ada, adjudicating = reviewed.people["ada"], reviewed.service.adjudicating
    spread = next(d for d in adjudicating.queue(ada, reviewed.project_id) if d.spread == 6)
    choice = Choice(strength=-1, justification="Both count, the first is shorter.")
    adjudicating.decide(ada, spread.task_id, choice, "Looked it up.", token())
    written(reviewed, "preference", tmp_path)
    before, row, *_ = lines(tmp_path / "preference" / "preference.jsonl.gz")
    assert list(row) == list(before)
    assert [one["strength"] for one in row["all_preferences_unprocessed"]] == [-1]
    found = list(read_annotated(str(tmp_path)))
    assert isinstance(found[1], AnnotatedPair)
    assert consensus(found[1].annotations).strength == -1


def test_adjudicators_who_agree_with_the_consensus_change_nothing() -> None:
    from app.review.annotation import Adjudication
    from tests.app.test_review_agreement import NOW

    plain = task(said("a", 1, 1), said("b", 1, 1), said("c", -3, -3), said("d", 1, 1))
    decision = Adjudication(name="ada", choice=Choice(strength=1), reason="yes", at=NOW)
    pair = Pair(pair_id="p", prompt=(_user("Q"),), response_1="a", response_2="b")
    decided = plain.model_copy(update={"decision": decision})
    assert preference_row(decided, pair) == preference_row(plain, pair)


def test_first_choices_instead_of_final_ones(team: Team, tmp_path: Path) -> None:
    for name in ("ann", "ben", "cem"):
        team.annotate(name, -1, final=3)
    for first, strength in ((False, 3), (True, -1)):
        written(team, "labels", tmp_path / "labels.jsonl", first=first)
        (row,) = lines(tmp_path / "labels.jsonl")
        assert row["strength"] == strength


def test_the_comparison_reads_the_labels(reviewed: Team, tmp_path: Path) -> None:
    done = written(reviewed, "labels", tmp_path / "labels.jsonl")
    assert done.left_out["undecided"] == 1
    decisions = read_labels(str(tmp_path / "labels.jsonl")).people.decisions
    assert {key: found.preference for key, found in decisions.items()} == {
        "pair-0": "response_2",
        "pair-2": None,
        "pair-3": "response_2",
    }


def test_dpo_pairs(reviewed: Team, tmp_path: Path) -> None:
    written(reviewed, "dpo", tmp_path / "dpo.jsonl")
    first, second = lines(tmp_path / "dpo.jsonl")
    assert first == {
        "prompt": [{"role": "user", "content": "Question 0: how many?"}],
        "chosen": [{"role": "assistant", "content": "I count 1, and here is why."}],
        "rejected": [{"role": "assistant", "content": "There are 0 of them."}],
        "strength": 2,
        "pair_id": "pair-0",
    }
    assert second["pair_id"] == "pair-3"


def test_nothing_of_an_evaluation_set_is_trained_on_wherever_it_comes_from(
    team: Team, tmp_path: Path
) -> None:
    """pair-0 comes from a run; later an evaluation set holds it flipped and in capitals."""
    one = pair_row(0)
    loud = {
        "pair_id": "other",
        "prompt": one["prompt"].upper(),
        "response_1": one["response_2"],
        "response_2": f"  {one['response_1']}\n",
    }
    same_prompt = pair_row(1, pair_id="eval-1", response_1="There are none.")
    file = write_pairs(tmp_path / "eval.jsonl", [loud, same_prompt, pair_row(50)])
    done = team.service.importing.pairs(team.project_id, str(file), evaluation=True)
    assert (done.added, done.known) == (2, 1)
    for name in ("ann", "ben", "cem"):
        for _ in range(8):
            team.annotate(name, 2)
    for kind in ("preference", "dpo"):
        found = written(team, kind, tmp_path / kind)
        assert (found.rows, found.left_out["evaluation"]) == (5, 3), kind
        assert found.shared_prompts == 1  # pair-1: the same question, other responses
    ids = {
        row["id"] for row in lines(tmp_path / "preference" / "preference" / "preference.jsonl.gz")
    }
    assert ids == {f"pair-{n}" for n in range(1, 6)}
    # Labels are what an evaluation set is annotated for.
    assert written(team, "labels", tmp_path / "labels").rows == 8


def test_the_guard_outlives_the_project_the_set_was_imported_into(
    team: Team, tmp_path: Path
) -> None:
    from app.review.project import Settings

    other = team.service.projects.create(None, Settings(name="evaluation"))
    file = write_pairs(tmp_path / "eval.jsonl", [pair_row(0)])
    team.service.importing.pairs(other, str(file), evaluation=True)
    for name in ("ann", "ben", "cem"):
        team.annotate(name, 2)
    assert written(team, "dpo", tmp_path / "dpo").left_out["evaluation"] == 1


def test_checks_and_withdrawn_tasks_are_no_training_data(team: Team, tmp_path: Path) -> None:
    gold = write_pairs(tmp_path / "g.jsonl", [pair_row(9, annotations=[{"strength": 2}])])
    team.service.importing.checks(team.project_id, str(gold), "gold")
    team.change(check_every=1, annotations=1)
    for name in ("ann", "ben"):
        team.annotate(name, 2)
    team.annotate("ann", 1)
    team.annotate("ann", 1)
    with team.service.store.reading() as tx:
        from app.store import annotated

        first = annotated.tasks(tx, team.project_id)[0].task_id
    team.service.projects.withdraw(team.people["max"], first, "broken")
    found = written(team, "preference", tmp_path / "out")
    assert (found.rows, found.left_out["check"], found.left_out["withdrawn"]) == (1, 1, 1)


def test_a_spreadsheet_takes_no_cell_for_a_formula(team: Team, tmp_path: Path) -> None:
    (mine,) = team.take("ann")
    team.choose("ann", mine, -1, '=HYPERLINK("http://evil")')
    team.finish("ann", mine, -1, elaboration="@SUM(A1:A9)\nand more")
    written(team, "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["elaboration"] == "'@SUM(A1:A9)\nand more"
    assert row["own_justification"].startswith("'=HYPERLINK")
    assert row["statement"].startswith("'@Response")
    assert int(row["strength"]) in (-1, 1)  # a number stays one
    assert (row["annotator"], row["blind"], row["text_origin"]) == ("ann", "true", "own")
    assert row["judge_strength"] == "2"


MINUS = "\N{MINUS SIGN}"
WIDE = (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20, 0xFE66, 0xFE62, 0xFE63, 0xFE6B, 0x207C, 0x208A)
"""Full-width, small, raised and lowered forms of the signs."""
SIGNS = (*"=+-@\t\r\n", MINUS, *map(chr, WIDE))
BEFORE = ("", " ", "\u3000", "\xa0", "\u200b", "\ufeff", "\u2060", "\x0b", " \u200e ")


@given(st.text() | st.builds("{}{}{}".format, *map(st.sampled_from, (BEFORE, SIGNS)), st.text()))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """A sign of any width, plainly or behind what nobody sees; what is no formula stays."""
    cell = safe_cell(text)
    assert isinstance(cell, str) and cell.endswith(text)
    seen = [c for c in text if unicodedata.category(c)[0] not in "CZ"][:1]
    folded = unicodedata.normalize("NFKC", "".join(seen)).replace(MINUS, "-")
    if cell == text:
        assert not folded.startswith(("=", "+", "-", "@"))
        assert not text.lstrip(" ").startswith(("\t", "\r", "\n"))
    else:
        assert cell == f"'{text}"


@pytest.mark.parametrize("text", [f"{b}{s}1+1" for b in BEFORE for s in SIGNS])
def test_every_sign_gets_its_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", " ", "plain", "a=b", "1-2", "'=x", "„=“", "é", "“@x”", f"5 {MINUS} 3"]
)
def test_what_is_no_formula_stays(text: str) -> None:
    assert safe_cell(text) == text


def test_the_history_tells_everything_in_its_order(team: Team, tmp_path: Path) -> None:
    team.annotate("ann", 1, final=2)
    team.service.annotating.undo(team.people["ann"], team.project_id, token())
    (mine,) = team.take("ben")
    team.service.annotating.skip(team.people["ben"], mine.assignment_id, "unsure", token())
    written(team, "history", tmp_path / "history.jsonl")
    found = lines(tmp_path / "history.jsonl")
    assert [row["id"] for row in found] == sorted(row["id"] for row in found)
    told = [(row["who"], row["what"]) for row in found if row["who"] in ("ann", "ben")]
    assert told == [
        ("ann", "choice"), ("ann", "reveal"), ("ann", "final"), ("ann", "undo"), ("ben", "skip")
    ]  # fmt: skip
    choice, final, undo, skip = (
        next(row for row in found if row["what"] == what)
        for what in ("choice", "final", "undo", "skip")
    )
    assert (choice["data"]["strength"], final["data"]["strength"]) == (1, 2)
    assert (undo["undoes"], skip["reason"], choice["pair_id"]) == (final["id"], "unsure", "pair-0")
    assert choice["at"].startswith("2026-11-21T09:00")
    written(team, "history", tmp_path / "again.jsonl")
    assert lines(tmp_path / "again.jsonl")[-1]["what"] == "export"


def test_the_same_annotations_give_the_same_bytes(reviewed: Team, tmp_path: Path) -> None:
    for kind in ("preference", "labels", "dpo", "csv"):
        paths = [written(reviewed, kind, tmp_path / f"{kind}{n}").path for n in range(2)]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_place_that_cannot_be_written_is_named(team: Team, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot write"):
        written(team, "csv", tmp_path / "file" / "x.csv")


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=20)),
        max_size=3,
    ),
    st.text(max_size=20),
)
def test_prompts_are_written_so_that_they_read_the_same(
    turns: list[tuple[Any, str]], last: str
) -> None:
    messages = tuple(Message(role=role, content=text) for role, text in [*turns, ("user", last)])
    text = prompt_text(messages)
    if isinstance(text, str):
        assert parse_prompt(text) == messages
    else:
        assert [Message(**message) for message in text] == list(messages)


def test_turns_are_inline() -> None:
    messages = [_user("a"), Message(role="assistant", content="b"), _user("c")]
    assert prompt_text(messages) == "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc"
    assert prompt_text([Message(role="system", content="s"), _user("c")]) != "s"


@given(
    st.sampled_from(OPTIONS), st.text(alphabet="&;#x20ltgamp<> a@Response 12better.\n", max_size=40)
)
def test_what_people_wrote_comes_back_from_the_file(strength: int, text: str) -> None:
    """Readers resolve HTML entities, which HelpSteer2's files are full of: ours must survive."""
    from judge.formats.rows import Row, annotations_of

    one = said("a", strength).model_copy(
        update={"choice": Choice(strength=strength, justification=text)}
    )
    pair = Pair(pair_id="p", prompt=(_user("Q"),), response_1="a", response_2="b")
    row = preference_row(task(one, wanted=1), pair)
    (back,) = annotations_of(Row(json.loads(json.dumps(row))), "all_preferences_unprocessed")
    assert back.strength == strength
    assert back.justification == one.annotation().justification.strip()


def test_the_judges_words_are_told_from_peoples(team: Team, tmp_path: Path) -> None:
    wanted = {}
    for name, elaboration in (
        ("ann", None),
        ("ben", "My own words about counting."),
        ("cem", "edited"),
    ):
        (mine,) = team.take(name)
        strength = 1 if mine.response_2.startswith("I count") else -1
        team.choose(name, mine, strength)
        theirs = team.service.annotating.reveal(team.people[name], mine.assignment_id).elaboration
        text = {None: theirs, "edited": f"{theirs} But both do."}.get(elaboration, elaboration)
        team.finish(name, mine, strength, elaboration=text)
        wanted[name] = {None: "judge", "edited": "edited"}.get(elaboration, "own")
    written(team, "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        found = {row["annotator"]: row["text_origin"] for row in csv.DictReader(file)}
    assert found == wanted


def test_a_run_of_reward_models_alone_has_rewards_to_reveal(team: Team, tmp_path: Path) -> None:
    scored = judgment("pair-30").model_copy(
        update={"strength": None, "statement": None, "elaboration": None, "orders": {},
                "rewards": {"bt": [0.5, 2.0]}}
    )  # fmt: skip
    run_ = made_run(tmp_path / "scored", [pair_row(30)], [scored])
    team.service.importing.run(team.project_id, run_)
    team.change(annotations=1)
    for _ in range(6):
        team.annotate("ann", 1)
    (mine,) = team.take("ann")
    team.choose("ann", mine, 1)
    found = team.service.annotating.reveal(team.people["ann"], mine.assignment_id)
    assert {found.rewards[0].response_1, found.rewards[0].response_2} == {0.5, 2.0}
    assert SENTINEL in found.model and found.strength is None
    assert team.finish("ann", mine, 1, explanation=None).state == "complete"


def _user(text: str) -> Message:
    return Message(role="user", content=text)

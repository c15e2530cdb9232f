"""Labels out of the rows of every public layout, and what several people decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.formats.labels import Label, RowLabel, Vote, decide, row_label
from judge.formats.records import Record
from judge.formats.sources import FileSource
from tests.scripted import row

votes = st.builds(
    lambda s: Vote(-100 if s == -100 else (0 if s == 0 else 1 + (s > 0)), None if s == -100 else s),
    st.sampled_from([-100, -3, -2, -1, 0, 1, 2, 3]),
)


@given(st.lists(votes, max_size=6), st.sampled_from(["consensus", "majority"]))
def test_relabelling_the_responses_flips_the_decision(given_votes: list[Vote], rule: Any) -> None:
    other = {1: 2, 2: 1, 0: 0, -100: -100}
    flipped = [
        Vote(other[v.better], None if v.strength is None else -v.strength) for v in given_votes
    ]
    decision = decide(given_votes, rule)
    assert decide(flipped, rule) == decision.flipped()
    assert decide(given_votes[::-1], rule) == decision


@given(st.lists(votes, min_size=1, max_size=6))
def test_a_majority_is_the_sign_of_the_sum(given_votes: list[Vote]) -> None:
    valid = [v for v in given_votes if v.better != -100]
    decision = decide(given_votes, "majority")
    if not valid:
        assert decision.missing == "no_valid_annotation"
        return
    balance = sum({1: -1, 2: 1, 0: 0}[v.better] for v in valid)
    expected = None if balance == 0 else f"response_{1 if balance < 0 else 2}"
    assert decision == Label(expected)  # type: ignore[arg-type]


def label(fields: dict[str, Any]) -> RowLabel:
    return row_label(Record(7, json.dumps(fields).encode()))


def votes_like(*strengths: int) -> dict[str, Any]:
    return {"all_preferences_unprocessed": [{"strength": s} for s in strengths]}


JUDGEBENCH = {"pair_id": "j", "question": "Q?", "response_A": "one", "response_B": "other"}
REWARDBENCH = {"id": 3, "prompt": "Q?", "chosen": "good", "rejected": "bad one", "subset": "x"}


@pytest.mark.parametrize(
    ("fields", "preference", "why_not"),
    [
        (row(1, label=1), "response_1", None),
        (row(1, preference="response_2"), "response_2", None),
        (row(1, winner="B"), "response_2", None),
        (row(1, strength=-2), "response_1", None),
        (row(1, preference_strength=3), "response_2", None),
        (row(1, margin="1"), "response_2", None),
        (row(1, label=1, strength=3), "response_1", None),
        (row(1, annotations=[{"strength": 1}, {"strength": 2}]), "response_2", None),
        (row(1, split="dev", label=2), "response_2", None),
        (row(1, **votes_like(-3, -2, -2)), "response_1", None),
        (row(1, three_most_similar_preferences=[{"strength": 2}]), "response_2", None),
        ({**JUDGEBENCH, "label": "A>B"}, "response_1", None),
        ({**JUDGEBENCH, "label": "B>A"}, "response_2", None),
        (REWARDBENCH, "response_1", None),
        ({k: v for k, v in REWARDBENCH.items() if k != "subset"}, "response_1", None),
        (row(1, label="tie"), None, "tie"),
        (row(1, strength=0), None, "tie"),
        (row(1, **votes_like(-1, -1, 1)), None, "tie"),
        (row(1, label="neither"), None, "no_valid_annotation"),
        (row(1, **votes_like(-100, -100)), None, "no_valid_annotation"),
        (row(1, **votes_like(-3, -1, 2, 3)), None, "spread"),
        (row(1), None, "unlabelled"),
        (row(1, label="", strength=None, score=5), None, "unlabelled"),
        (JUDGEBENCH, None, "unlabelled"),
        (row(1, label="first"), None, "bad_label"),
        (row(1, label=1, strength=0), None, "bad_label"),
        ({**JUDGEBENCH, "label": "A"}, None, "bad_label"),
        (row(1, strength=7), None, "strength_off_scale"),
        (row(1, **votes_like(7)), None, "no_annotations"),
        (row(1, response_1=" ", label=1), None, "empty_response"),
        ({"pair_id": "p", "label": 1}, None, "unlabelled"),
    ],
)
def test_labels_of_every_layout(
    fields: dict[str, Any], preference: str | None, why_not: str | None
) -> None:
    found = label(fields)
    assert (found.preference, found.why_not) == (preference, why_not)
    said = why_not is None or why_not in ("tie", "no_valid_annotation", "spread", "unlabelled")
    assert (found.problem is None) == said, "what is no label is said in words"


def test_where_a_label_stands_and_which_response_is_longer() -> None:
    assert label(row(1, label=1)) == RowLabel(7, "p1", "response_1", None, "response_2")
    assert label(row(1, label=1, response_1="A very long answer.")).longer == "response_1"
    same = label(row(1, label=1, response_1="same size", response_2="same SIZE"))
    assert (same.preference, same.longer) == ("response_1", None)
    unnamed = {k: v for k, v in row(1, label=2).items() if k != "pair_id"}
    assert label(unnamed).pair_id == "row-7"
    assert label(REWARDBENCH).pair_id == "3"


def test_a_label_of_other_texts_than_those_judged_is_none() -> None:
    """``response_1`` and ``response_2`` are judged; ``chosen`` says which of them is better."""
    both = row(1)
    one, two = both["response_1"], both["response_2"]
    assert label({**both, "chosen": one, "rejected": two}).preference == "response_1"
    assert label({**both, "chosen": two, "rejected": one}).preference == "response_2"
    assert label({**both, "chosen": "else", "rejected": two}).why_not == "unlabelled"


def test_rows_that_are_no_rows() -> None:
    assert row_label(Record(2, b"{")) == RowLabel(2, None, None, "bad_json")
    assert row_label(Record(3, b"[1]")).why_not == "wrong_type"
    assert row_label(Record(4, json.dumps(row(1, pair_id=[1])).encode())).why_not == "wrong_type"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NAMES = (
    "pair_id prompt response_1 response_2 chosen rejected question response_A response_B label"
    " preference winner strength preference_strength margin annotations split source subset domain"
    " num_correct all_preferences_unprocessed three_most_similar_preferences context response1"
    " response2 conversation_a conversation_b input output_1 output_2"
)


@given(st.dictionaries(st.sampled_from(NAMES.split()), json_values, max_size=8), st.booleans())
def test_no_row_stops_a_run(fields: dict[str, Any], whole: bool) -> None:
    """A label is read beside rows of any kind: what cannot be read is a reason, never an error."""
    found = row_label(Record(1, {**row(1), **fields} if whole else fields))
    assert (found.preference is None) == (found.why_not is not None)


def test_the_examples_have_labels(root: Path) -> None:
    records = FileSource.open(root / "examples" / "pairs.jsonl").records()
    found = [row_label(record).preference for record in records]
    assert (found.count("response_1"), found.count("response_2")) == (20, 20)

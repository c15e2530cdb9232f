"""Thinking told apart from an answer, in text and in the regex that lets a model think."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import RowError
from judge.formats.pairs import read_row
from judge.formats.records import Record
from judge.idset import IdSet
from judge.judgment import Failure, Judgment, reconcile
from judge.pair import Pair
from judge.thinking import (
    MARKS,
    USUAL,
    Marks,
    Reply,
    answer_of,
    known_marks,
    may_open,
    opened_by,
    part,
    part_response,
    part_unknown,
    rest_regex,
    thinking_regex,
)
from judge.verdict import JUSTIFY_REGEX, Verdict, render_statement, thoughtful_regex

ONE, TWO = render_statement(-2), render_statement(2)
SIMPLE = [marks for marks in MARKS if marks.closing[0] not in marks.closing[1:]]


@pytest.mark.parametrize("marks", MARKS)
def test_every_pair_of_marks(marks: Marks) -> None:
    text = f"\n{marks.opening}\nOne is {ONE}\n{marks.closing}\n\nShort.\n{TWO}"
    assert part(text) == Reply(f"One is {ONE}", f"\n\nShort.\n{TWO}")
    assert part_unknown(text) == part_response(text) == part(text)
    opened = text[text.index(marks.opening) + len(marks.opening) :]
    assert part(opened, marks) == part(text)
    assert part_unknown(opened) == part(text)
    assert opened_by(f"assistant\n{marks.opening}\n") == marks
    assert opened_by(f"assistant\n{marks.opening}\n\n{marks.closing}\n\n") is None


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Short.", Reply(None, "Short.")),
        ("", Reply(None, "")),
        ("<think>never closed", Reply("never closed", "", ended=False)),
        ("<think>", Reply("", "", ended=False)),
        ("<think></think>Short.", Reply(None, "Short.")),
        ("<THINK>a</Think>b", Reply("a", "b")),
        ("<think>a</think>\n<think>b</think>c", Reply("a\n\nb", "c")),
        ("<think>a</think><think>b", Reply("a\n\nb", "", ended=False)),
        ("<think>a</thinking>b", Reply("a</thinking>b", "", ended=False)),
        ("<think>a</think>b</think>c", Reply("a", "b</think>c")),
        ("Short.\n<think>a", Reply(None, "Short.\n<think>a")),
    ],
)
def test_where_thinking_ends(text: str, reply: Reply) -> None:
    assert part(text) == reply


@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [
        ("Short.", False),
        ("It writes <think> into the text.", False),
        ("<think>a</think>b</think>c", True),
        ("Short.\n<think>a", True),
        ("Short.\n<think>a</think>b", False),
        ("a</think>b", False),
        ("a</think>b\n[THINK]c", True),
    ],
)
def test_what_may_be_thinking(text: str, ambiguous: bool) -> None:
    assert part_unknown(text).ambiguous == ambiguous


def test_a_judged_response_may_speak_of_marks() -> None:
    for text in (
        "The tag </think> ends it.",
        "Use `<think>` and `</think>`.",
        "First.\n<think>\nas an example\n</think> and so on",
    ):
        assert answer_of("response_1", text) == text
    assert answer_of("response_1", "I wonder.\n</think>\n\nParis. ") == "Paris."
    assert answer_of("response_1", "<think>I wonder.</think>Paris.") == "Paris."
    with pytest.raises(RowError, match=r"response_2 is only thinking, which was never closed"):
        answer_of("response_2", "<think>I wonder.")
    with pytest.raises(RowError, match="response_2 is empty after its thinking"):
        answer_of("response_2", "<think>I wonder.</think>\n")


TEXT = st.lists(
    st.sampled_from(["<", "</", "</t", "</think", "</think>", "<think>", "k>", " ", "\n", "x", ONE])
).map("".join)


@given(TEXT, st.sampled_from(SIMPLE))
def test_the_regex_of_an_open_block_ends_at_its_first_closing_mark(text: str, marks: Marks) -> None:
    text = text.replace("</think>", marks.closing).replace("</", marks.closing[:2])
    _, closed, rest = text.partition(marks.closing)
    assert bool(re.fullmatch(rest_regex(marks), text)) == (bool(closed) and not rest.strip())


@given(TEXT)
def test_the_regex_of_thinking_is_what_is_parted(text: str) -> None:
    reply = part(text)
    whole = reply.ended and not reply.answer and not text[:1].isspace()
    assert bool(re.fullmatch(thinking_regex([USUAL]), text)) == whole or "<think>" not in text


@given(TEXT, st.sampled_from([None, USUAL]))
def test_a_statement_ends_a_text_only_after_its_thinking(text: str, opened: Marks | None) -> None:
    """What is allowed without thinking is, and no statement in an open block ends a text."""
    whole = f"{text}\n{ONE}"
    found = re.fullmatch(thoughtful_regex([USUAL], opened), whole)
    parts = part(whole, opened)
    if opened is None and not text.startswith("<think>"):
        assert bool(found) == bool(re.fullmatch(JUSTIFY_REGEX, whole))
    elif not parts.ended:
        assert found is None
    else:
        wanted = re.fullmatch(JUSTIFY_REGEX, parts.answer.lstrip())
        assert bool(found) == bool(wanted)


def test_what_may_yet_be_thinking() -> None:
    assert all(may_open(text) for text in ("", "\n", "<", "<thi", "<think>", "<think>a", "[T"))
    assert not any(may_open(text) for text in ("a", "<p", "@", "[1"))


def test_marks_that_a_tokenizer_knows() -> None:
    assert known_marks(["<think>", "</think>", "[THINK]", "<s>"]) == [USUAL]


def test_a_verdict_keeps_its_thinking_in_its_own_names() -> None:
    verdict = Verdict(
        strength=-2,
        statement=ONE,
        elaboration="@Response 1 is short.",
        thinking="@Response 2 is long.",
        finish_reason="stop",
    )
    assert verdict.flipped().thinking == "@Response 1 is long."
    assert verdict.flipped().flipped() == verdict
    judgment = reconcile("a", {"given": verdict, "flipped": verdict.flipped()})
    row = judgment.to_json()
    assert row["orders"]["given"]["thinking"] == "@Response 2 is long."
    assert Judgment.from_json(row) == judgment
    del row["orders"]["given"]["thinking"]  # a line of an older run
    assert Judgment.from_json(row).orders["given"].thinking is None
    plain = reconcile("a", {"given": verdict.model_copy(update={"thinking": None})})
    assert "thinking" not in plain.to_json()["orders"]["given"]


def test_responses_without_their_thinking() -> None:
    def row(**fields: str) -> Pair | Failure:
        given = {
            "prompt": "p",
            "response_1": "<think>a</think>One.",
            "response_2": "Two.",
            **fields,
        }
        return read_row(Record(3, given), IdSet(), strip_thinking=True)

    pair = row()
    assert isinstance(pair, Pair) and (pair.response_1, pair.response_2) == ("One.", "Two.")
    same = row(response_2="b\n</think>\nOne.")
    assert isinstance(same, Failure) and same.reason == "identical_responses"
    endless = row(response_2="<think>b")
    assert isinstance(endless, Failure) and endless.reason == "empty_response"
    assert endless.line == 3 and "response_2" in endless.detail

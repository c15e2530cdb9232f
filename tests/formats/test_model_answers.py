"""Models' answers in every published layout, and what is wrong with a row, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.errors import UsageError
from judge.formats.model_answers import read_answers, read_questions, read_references
from tests.compare.arenas import EXAMPLES


def test_the_same_answers_in_every_layout() -> None:
    alpaca = read_answers(str(EXAMPLES / "alpaca_eval" / "willow.json"))
    fastchat = read_answers(str(EXAMPLES / "mt_bench" / "willow.jsonl"))
    hard = read_answers(str(EXAMPLES / "arena_hard" / "willow.jsonl"))
    assert len(alpaca) == len(fastchat) == len(hard) == 5
    texts = [a.turns[0] for a in alpaca]
    assert texts == [a.turns[0] for a in fastchat] == [a.turns[0] for a in hard]
    assert {a.model for a in (*alpaca, *fastchat, *hard)} == {"willow"}
    assert [a.asked for a in alpaca] == [a.asked for a in hard]
    assert [len(a.turns) for a in fastchat] == [2] * 5
    assert fastchat[0].asked == ()
    assert hard[0].tokens == (len(texts[0].split()),)


def test_responses_of_judge_respond() -> None:
    first = read_answers(str(EXAMPLES / "respond"))[1]
    assert (first.model, first.question_id, first.sample) == ("birch", "fox-2", 0)
    assert first.turns == ("12 cups. That is all.", "18 cups.")
    assert [m.role for m in first.asked] == ["user", "user"]
    assert first.cut == (False, False) and first.tokens == (5, 2)
    assert first.reference[0].startswith("3 / 0.25")


def test_arena_hards_first_layout(tmp_path: Path) -> None:
    """Turns are objects with their tokens; each choice is a sample."""
    turns = [[{"content": "one", "token_len": 7}], [{"content": "two", "token_len": 8}]]
    row = {
        "question_id": 81,
        "model_id": "oak",
        "choices": [{"index": i, "turns": t} for i, t in enumerate(turns)],
    }
    found = read_answers(write(tmp_path, row))
    assert [(a.turns, a.tokens, a.sample) for a in found] == [
        (("one",), (7,), 0),
        (("two",), (8,), 1),
    ]
    assert {a.question_id for a in found} == {"81"}


def test_questions_and_references() -> None:
    questions = read_questions(str(EXAMPLES / "mt_bench" / "question.jsonl"))
    assert list(questions) == [f"fox-{n}" for n in range(1, 6)]
    assert questions["fox-2"].category == "math" and questions["fox-2"].turns == 2
    by_file = read_references(str(EXAMPLES / "mt_bench" / "reference.jsonl"))
    own = read_references(str(EXAMPLES / "mt_bench" / "question.jsonl"))
    assert set(by_file) == {"fox-2", "fox-3", "fox-4"}
    assert by_file == own
    hard = read_questions(str(EXAMPLES / "arena_hard" / "question.jsonl"))
    assert hard["fox-1"].prompt == questions["fox-1"].prompt


GOOD: dict[str, Any] = {"instruction": "Why?", "output": "So.", "generator": "oak"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"text": "what?"},
            "line 1: unknown layout, the fields are text; expected a row of answers",
        ),
        (
            {**GOOD, "generator": ""},
            "line 1: generator is missing: it names the model that answered",
        ),
        ({**GOOD, "output": 3}, "line 1: output is a number, expected text"),
        ({"question_id": 1, "model_id": "oak", "choices": "x"}, "choices is text, expected a list"),
        (
            {"question_id": 1, "model_id": "oak", "choices": [{"turns": []}]},
            "turns holds no answer",
        ),
        ({"model_id": "oak", "choices": [{"turns": ["x"]}]}, "question_id is missing"),
        (
            {"uid": "a", "model": "oak", "messages": [{"role": "user", "content": "x"}]},
            "not end with",
        ),
        ({"id": "a", "model": "oak", "prompt": [], "responses": ["x"]}, "no message from the user"),
        (b'{"instruction": "Why?", "outp', "line 1: Unterminated string"),
    ],
)
def test_a_row_that_is_no_answer_is_one_line(row: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_answers(write(tmp_path, row))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_file_of_answers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no responses\.jsonl"):
        read_answers(str(tmp_path))
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UsageError, match="has no rows; expected answers"):
        read_answers(str(tmp_path / "empty.jsonl"))
    with pytest.raises(UsageError, match="has question '1' twice"):
        read_questions(
            write(tmp_path, {"question_id": 1, "turns": ["x"]}, {"uid": "1", "prompt": "y"})
        )


def test_null_is_an_answer_without_a_word(tmp_path: Path) -> None:
    assert read_answers(write(tmp_path, {**GOOD, "output": None}))[0].turns == ("",)


def write(folder: Path, *rows: Any) -> str:
    path = folder / "rows.jsonl"
    path.write_bytes(
        b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)
    )
    return str(path)

"""Rows to questions: the benchmarks' layouts, plain prompts, and every way a row can be bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.errors import RowError, UsageError
from judge.formats.lines import LONGEST_LINE
from judge.formats.questions import Question, question_of
from judge.formats.records import Record
from judge.formats.sources import open_source
from judge.pair import Message


def question(line: int = 1, **fields: Any) -> Question:
    return question_of(Record(line, json.dumps(fields).encode()))


def said(*texts: str) -> tuple[Message, ...]:
    return tuple(Message(role="user", content=text) for text in texts)


def test_mt_bench() -> None:
    found = question(
        question_id=101,
        category="reasoning",
        turns=["Overtake the second.", "And the last?"],
        reference=["You are second.", "Impossible."],
    )
    assert found == Question(
        id="101",
        prompt=said("Overtake the second."),
        later=("And the last?",),
        category="reasoning",
        reference=("You are second.", "Impossible."),
    )
    assert (found.turns, found.messages) == (2, said("Overtake the second.", "And the last?"))
    assert question(question_id=81, turns=["Write."]).reference is None


def test_alpaca_eval() -> None:
    """Its rows have no id, and the answer of the model that they were compared with."""
    row = {"instruction": "Name fruits.", "output": "Pear.", "generator": "x", "dataset": "koala"}
    assert question(7, **row) == Question("row-7", said("Name fruits."), category="koala")


def test_arena_hard_of_both_versions() -> None:
    first = question(
        question_id="9a", category="arena-hard-v0.1", cluster="Git", turns=[{"content": "Rebase?"}]
    )
    assert first == Question("9a", said("Rebase?"), category="Git")
    second = question(uid="b7", category="hard_prompt", subcategory="coding", prompt="Sort.")
    assert second == Question("b7", said("Sort."), category="hard_prompt")


@pytest.mark.parametrize("name", ["prompt", "instruction", "question", "input", "messages"])
def test_a_plain_prompt_in_any_field(name: str) -> None:
    assert question(4, **{name: "Why?"}).prompt == said("Why?")
    assert question(4, **{name: "Why?"}).id == "row-4"


def test_messages_and_inline_turns_are_a_conversation() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "Really?"},
    ]
    found = question(id=3, prompt=messages)
    assert [m.role for m in found.prompt] == ["system", "user", "assistant", "user"]
    assert found.turns == 1
    inline = question(prompt="Why?\n<extra_id_1>Assistant\nSo.\n<extra_id_1>User\nReally?")
    assert [m.role for m in inline.prompt] == ["user", "assistant", "user"]


def test_responses_and_labels_are_never_looked_at() -> None:
    found = question(pair_id="p", prompt="Why?", chosen=7, rejected=None, preference_strength=3)
    assert found == Question("p", said("Why?"))


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"response_1": "x"}, "missing_field", "expected prompt, turns, instruction"),
        ({"prompt": ""}, "bad_prompt", "prompt is empty"),
        ({"prompt": "  \n"}, "bad_prompt", "prompt is empty"),
        ({"prompt": 7}, "wrong_type", "prompt is a number"),
        ({"prompt": []}, "bad_prompt", "empty list"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "bad_prompt", "from the assistant"),
        ({"prompt": "a\0b"}, "nul_character", "character 2"),
        ({"turns": []}, "wrong_type", "turns is an empty list"),
        ({"turns": "Why?"}, "wrong_type", "turns is text"),
        ({"turns": ["Why?", 3]}, "wrong_type", "turns is a number"),
        ({"turns": ["Why?", " "]}, "bad_prompt", "turn 2 of turns is empty"),
        ({"turns": [{"text": "Why?"}]}, "wrong_type", "turns is null"),
        ({"instruction": "Add.", "input": "1 2"}, "bad_prompt", "both in one prompt"),
        ({"id": [1], "prompt": "Why?"}, "wrong_type", "id is a list"),
        ({"prompt": "Why?", "reference": 3}, "wrong_type", "reference is 3"),
        ({"turns": ["Why?"], "reference": [None]}, "wrong_type", "expected a list of texts"),
        ({"prompt": "x" * (LONGEST_LINE + 1)}, "line_too_long", "bytes"),
    ],
)
def test_a_bad_row_says_what_and_what_was_expected(
    fields: dict[str, Any], reason: str, detail: str
) -> None:
    with pytest.raises(RowError) as error:
        question(**fields)
    assert error.value.reason == reason
    assert detail in error.value.detail and "\n" not in error.value.detail


def test_every_file_format_gives_the_same_questions(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question_id": "1", "category": "math", "turns": ["2 + 2?", 'Say "4".']},
        {"question_id": "2", "category": "stem", "turns": ["Why?"]},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "in.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    cells = ('1,math,"[""2 + 2?"", ""Say \\""4\\"".""]"', '2,stem,"[""Why?""]"')
    (tmp_path / "in.csv").write_text("\n".join(["question_id,category,turns", *cells, ""]))
    found = [
        [question_of(record) for record in open_source(str(file), rows="prompts").records()]
        for file in sorted(tmp_path.iterdir())
    ]
    assert len(found) == 4
    assert all(questions == found[0] for questions in found)
    assert found[0][0].later == ('Say "4".',)


def test_a_folder_and_a_table_of_pairs_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder; expected a file of prompts in it"):
        open_source(str(tmp_path), rows="prompts")
    file = tmp_path / "in.csv"
    file.write_text("prompt\nWhy?\n")
    assert len(list(open_source(str(file), rows="prompts").records())) == 1
    with pytest.raises(UsageError, match="has the columns prompt; expected"):
        list(open_source(str(file)).records())

"""Prompts of a set as token ids that a policy goes on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.conversation import ConversationBuilder
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.train.align.prompts import load_prompts


def rows(path: Path, *prompts: Any) -> Path:
    lines = [
        {"prompt_id": f"p{n}", "messages": [{"role": "user", "content": text}]}
        for n, text in enumerate(prompts)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_prepare_writes_is_read(mini_tokenizer: Any, tmp_path: Path) -> None:
    run(PrepareConfig(input="examples/pairs.jsonl", output_dir=str(tmp_path), kind="prompts"))
    builder = ConversationBuilder(mini_tokenizer)
    found = load_prompts(tmp_path / "train.jsonl", builder, 4096, None)
    assert len(found) == len(found.names) == len(found.conversations) == 39
    assert all(conversation[-1].role == "user" for conversation in found.conversations)
    assert found.ids == builder.prompts(found.conversations)
    assert found.ids[0] != builder.build(found.conversations[:1])[0], "the turn is opened"
    assert not found.left_out


def test_too_long_ones_are_left_out_and_counted(mini_tokenizer: Any, tmp_path: Path) -> None:
    builder = ConversationBuilder(mini_tokenizer)
    path = rows(tmp_path / "p.jsonl", "short", "word " * 50, "short, too", "the last")
    whole = load_prompts(path, builder, 4096, None)
    edge = len(whole.ids[1])
    assert load_prompts(path, builder, edge, None).left_out["too_long"] == 0
    found = load_prompts(path, builder, edge - 1, 2)
    assert found.names == ["p0", "p2"]
    assert found.ids == [whole.ids[0], whole.ids[2]], "none is cut"
    assert found.left_out == {"too_long": 1}
    none = load_prompts(path, builder, 1, None)
    with pytest.raises(UsageError, match=r"no prompt to train on \(4 too_long\)"):
        none.refuse_none(path, "prompt to train on")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"messages": []}', "no field 'prompt_id'"),
        ('{"prompt_id": 3, "messages": [{"role": "user", "content": "x"}]}', "prompt_id: expected"),
        ('{"prompt_id": "a", "messages": []}', "ends with the user's turn"),
        (
            '{"prompt_id": "a", "messages": [{"role": "assistant", "content": "x"}]}',
            "ends with the user's turn",
        ),
        ('{"prompt_id": "a", "messages": [{"role": "user"}]}', "content"),
        ("{", "line 2"),
    ],
)
def test_a_bad_line_is_named(mini_tokenizer: Any, tmp_path: Path, line: str, message: str) -> None:
    path = rows(tmp_path / "p.jsonl", "fine")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UsageError, match="line 2") as error:
        load_prompts(path, ConversationBuilder(mini_tokenizer), 64, None)
    assert message in str(error.value)
    assert "\n" not in str(error.value)

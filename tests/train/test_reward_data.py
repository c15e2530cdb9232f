"""Prepared preferences and ratings become token ids and labels; what is wrong is one clear line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.train.batches.sequences import SequenceSet
from judge.train.reward.data import load_set

FIVE = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


@pytest.fixture(scope="module")
def builder(mini_tokenizer: Any) -> ConversationBuilder:
    return ConversationBuilder(mini_tokenizer)


def pair(name: str = "p", **fields: Any) -> dict[str, Any]:
    return {
        "pair_id": name,
        "prompt": [{"role": "user", "content": "Why?"}],
        "chosen": [{"role": "assistant", "content": "Because of the wind."}],
        "rejected": [{"role": "assistant", "content": "No idea."}],
        "margin": 2,
    } | fields


def rated(name: str = "r", **fields: Any) -> dict[str, Any]:
    return {
        "rating_id": name,
        "prompt": [{"role": "user", "content": "Why?"}],
        "response": [{"role": "assistant", "content": "Because."}],
        **dict.fromkeys(FIVE, 2.0),
    } | fields


def load(
    path: Path, rows: list[Any], builder: ConversationBuilder, objective: Any, **options: Any
) -> SequenceSet:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows),
        encoding="utf-8",
    )
    outputs = options.pop("outputs", FIVE if objective == "regression" else ("reward",))
    options = {"max_length": 200, "limit": None} | options
    return load_set(path, objective, outputs, builder, **options)


def test_a_pair_becomes_two_conversations_and_a_margin(
    builder: ConversationBuilder, tmp_path: Path
) -> None:
    found = load(tmp_path / "f", [pair("a"), pair("b", margin=0.5)], builder, "scaled_bt")
    assert found.names == ["a", "b"]
    assert [item["labels"] for item in found.items] == [[2.0], [0.5]]
    text = builder.tokenizer.decode(found.items[0]["sequences"][0])
    assert text.startswith("<|begin_of_text|><|start_header_id|>user") and "wind" in text
    assert text.endswith("wind.<|eot_id|>"), "the reward is read at the end of the response"
    assert "No idea" in builder.tokenizer.decode(found.items[0]["sequences"][1])


def test_missing_ratings_are_masked(builder: ConversationBuilder, tmp_path: Path) -> None:
    rows = [rated("a", correctness=None, verbosity=4), rated("b", **dict.fromkeys(FIVE))]
    found = load(tmp_path / "f", rows, builder, "regression")
    assert found.names == ["a"] and found.left_out == {"no_rating": 1}
    labels = found.items[0]["labels"]
    assert math.isnan(labels[1]) and labels[0] == 2.0 and labels[4] == 4.0
    alone = load(
        tmp_path / "f",
        [rated(correctness=None), rated(helpfulness=None)],
        builder,
        "regression",
        outputs=("helpfulness",),
    )
    assert [item["labels"] for item in alone.items] == [[2.0]]


def test_a_pair_without_a_strict_preference_is_skipped_and_counted(
    builder: ConversationBuilder, tmp_path: Path
) -> None:
    same = pair("same")
    rows = [pair("zero", margin=0), same | {"rejected": same["chosen"]}, pair("good")]
    found = load(tmp_path / "f", rows, builder, "bt")
    assert found.names == ["good"] and found.left_out == {"no_preference": 2}


def test_over_long_examples_are_dropped_whole(builder: ConversationBuilder, tmp_path: Path) -> None:
    long = [{"role": "assistant", "content": "word " * 300}]
    rows = [pair("long", rejected=long), pair("short")]
    found = load(tmp_path / "f", rows, builder, "bt")
    assert found.names == ["short"] and found.left_out == {"too_long": 1}


def test_a_limit_counts_usable_examples(builder: ConversationBuilder, tmp_path: Path) -> None:
    rows = [pair("x", margin=0), *(pair(str(i)) for i in range(5))]
    assert load(tmp_path / "f", rows, builder, "bt", limit=2).names == ["0", "1"]


def test_hostile_text_stays_text(builder: ConversationBuilder, tmp_path: Path) -> None:
    hostile = [{"role": "assistant", "content": "<|eot_id|><|begin_of_text|> \x00 <b>&#x20;" * 4}]
    found = load(tmp_path / "f", [pair(chosen=hostile)], builder, "bt", max_length=9999)
    ids, tokenizer = found.items[0]["sequences"][0], builder.tokenizer
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids.count(tokenizer.convert_tokens_to_ids("<|eot_id|>")) == 2  # one a message


def test_regular_bradley_terry_needs_no_margin(
    builder: ConversationBuilder, tmp_path: Path
) -> None:
    row = pair()
    del row["margin"]
    assert len(load(tmp_path / "f", [row], builder, "bt")) == 1
    with pytest.raises(UsageError, match="line 1: margin None"):
        load(tmp_path / "f", [row], builder, "margin_bt")


@pytest.mark.parametrize(
    ("objective", "row", "problem"),
    [
        ("scaled_bt", pair(margin=-1), "margin -1 is off the scale"),
        ("bt", pair(margin=7), "margin 7 is off the scale"),
        ("bt", pair(margin=math.nan), "margin nan is off the scale"),
        ("bt", pair(margin=math.inf), "margin inf is off the scale"),
        ("bt", pair(margin="2"), "margin '2' is off the scale"),
        ("bt", pair(margin=True), "margin True is off the scale"),
        ("regression", rated(helpfulness=5), "helpfulness 5 is off the scale, expected 0 to 4"),
        ("regression", rated(verbosity=-0.1), "verbosity -0.1 is off the scale"),
        ("regression", rated(coherence="2"), "coherence '2' is off the scale"),
        ("bt", {"pair_id": "x", "margin": 1}, "no field 'prompt'"),
        ("bt", rated(), "margin|chosen"),
        ("regression", pair(), "no field 'response'"),
        ("bt", pair(chosen="text"), "list"),
        ("bt", pair(chosen=[]), "end with the assistant's"),
        ("bt", "not json", "line 2"),
        ("bt", "[1]", "line 2"),
    ],
)
def test_a_bad_line_is_one_clear_line(
    builder: ConversationBuilder, tmp_path: Path, objective: str, row: Any, problem: str
) -> None:
    good = rated() if objective == "regression" else pair()
    with pytest.raises(UsageError, match=problem) as raised:
        load(tmp_path / "f.jsonl", [good, row], builder, objective)
    text = str(raised.value)
    assert "f.jsonl, line 2: " in text and "\n" not in text and len(text) < 500


def test_a_file_without_an_example_says_why(builder: ConversationBuilder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"2 no_preference"):
        load(tmp_path / "f", [pair(margin=0)] * 2, builder, "bt")
    with pytest.raises(UsageError, match="the file is empty"):
        load(tmp_path / "f", [], builder, "bt")
    with pytest.raises(UsageError, match="not a file"):
        load_set(tmp_path / "none", "bt", ("reward",), builder, 9, None)

"""Prepared rows become token ids that the engines would have built, with the right labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from judge.errors import UsageError
from judge.grammar import Grammar
from judge.prompt import PromptBuilder, load_template
from judge.train.batches.balancing import LengthGroupedTwins
from judge.train.sft.examples import (
    IGNORED,
    JustifierCollator,
    read_rows,
    tokenize,
)
from judge.verdict import STRENGTHS, parse_completion, parse_statement, render_statement


@pytest.fixture(scope="module")
def builder(mini_tokenizer: Any) -> PromptBuilder:
    return PromptBuilder(mini_tokenizer, load_template("pairwise_justifier.v1"))


@pytest.fixture(scope="module")
def rows(prepared: Path) -> list[dict[str, Any]]:
    return read_rows(prepared / "train.jsonl", None, None)


def test_labels_cover_the_completion_and_its_end_only(
    rows: list[dict[str, Any]], builder: PromptBuilder
) -> None:
    examples = tokenize(rows, builder, 4096, 1.0)
    assert len(examples) == len(rows) and examples.twins
    for row, item in zip(rows, examples.items, strict=True):
        trained = [i for i, label in enumerate(item["labels"]) if label != IGNORED]
        assert trained == list(range(trained[0], len(item["input_ids"])))
        text = builder.tokenizer.decode([item["labels"][i] for i in trained])
        assert text == row["completion"][0]["content"] + "<|eot_id|>"
        prompt = builder.frame([row["prompt"][0]["content"]])[0]
        assert item["input_ids"][: trained[0]] == prompt


def test_a_completion_parses_back_to_its_strength(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        text = row["completion"][0]["content"]
        parsed = parse_completion(text) or (parse_statement(text), "")
        assert parsed[0] == row["strength"]


def test_the_branch_is_where_one_and_two_part(
    rows: list[dict[str, Any]], builder: PromptBuilder
) -> None:
    grammar = Grammar(builder)
    for row, item in zip(rows, tokenize(rows, builder, 4096, 7.0).items, strict=True):
        said = item["input_ids"][item["branch"] + 1]
        assert said == grammar.sides[0 if row["strength"] < 0 else 1]
        heavy = [i for i, weight in enumerate(item["weights"]) if weight == 7.0]
        words = [builder.tokenizer.decode([item["input_ids"][i]]).strip() for i in heavy]
        assert words[0] in "12" and words[1] in ("slightly", "better", "much")
        assert len(words) == 2


def test_an_elaboration_that_opens_with_the_better_response_decides_there(
    builder: PromptBuilder,
) -> None:
    statement = "@Response 2 is better than @Response 1."
    said = ["@Response 2 names it.", "It is @Response 2.", "@Response 1 does not."]
    rows = [
        {
            "pair_id": "p",
            "style": "elaboration_first",
            "order": "given",
            "strength": 2,
            "prompt": [{"role": "user", "content": "Which?"}],
            "completion": [{"role": "assistant", "content": f"{text}\n{statement}"}],
        }
        for text in said
    ]
    start = len(builder.frame(["Which?"])[0])
    found = tokenize(rows, builder, 4096, 7.0, opening_weight=9.0).items
    decode = builder.tokenizer.decode
    heavy = [
        [decode([i["input_ids"][k]]) for k, w in enumerate(i["weights"]) if w == 9] for i in found
    ]
    assert [[word.strip() for word in words] for words in heavy] == [["2"], [], []]
    number = found[0]["weights"].index(9.0)
    assert found[0]["branch"] == number - 1 and decode(found[0]["input_ids"][start:number]) != ""
    for item in found[1:]:  # where the statement parts, as without the weight
        assert (
            item["input_ids"][item["branch"] + 1] == item["input_ids"][item["weights"].index(7.0)]
        )
        assert item["branch"] + 1 == item["weights"].index(7.0)
    plain = tokenize(rows, builder, 4096, 7.0).items
    assert 9.0 not in plain[0]["weights"] and plain[0]["branch"] > number


@pytest.mark.parametrize("strength", STRENGTHS)
def test_branches_are_the_tokens_that_other_statements_change(
    strength: int, builder: PromptBuilder
) -> None:
    # By hand, from the wording: "1" or "2", then "slightly", "much" or "better".
    grammar = Grammar(builder)
    path = grammar.paths[strength]
    words = [builder.tokenizer.decode([path[i]]).strip() for i in grammar.branches(strength)]
    degree = {1: "slightly", 2: "better", 3: "much"}[abs(strength)]
    assert words == ["1" if strength < 0 else "2", degree]
    assert builder.tokenizer.decode(list(path)) == render_statement(strength)


def test_long_examples_are_dropped_with_their_twin_and_counted(
    rows: list[dict[str, Any]], builder: PromptBuilder
) -> None:
    whole = tokenize(rows, builder, 4096, 1.0)
    limit = sorted(whole.lengths)[len(whole) // 2]
    cut = tokenize(rows, builder, limit, 1.0)
    assert len(cut) + cut.too_long == len(rows) and cut.too_long > 0
    assert max(cut.lengths) <= limit and len(cut) % 2 == 0
    kept = {tuple(item["input_ids"]) for item in cut.items}
    assert kept <= {tuple(item["input_ids"]) for item in whole.items}


def test_shares_of_styles_keep_whole_twins(prepared: Path) -> None:
    every = read_rows(prepared / "train.jsonl", None, None)
    half = read_rows(
        prepared / "train.jsonl", {"statement_only": 1.0, "elaboration_first": 0.5}, None
    )
    statements = [r for r in every if r["style"] == "statement_only"]
    assert [r for r in half if r["style"] == "statement_only"] == statements
    explained = [r for r in half if r["style"] == "elaboration_first"]
    total = sum(r["style"] == "elaboration_first" for r in every)
    assert len(explained) == 2 * (total // 2 // 2)
    orders = [(r["pair_id"], r["order"]) for r in explained]
    for given, flipped in zip(orders[::2], orders[1::2], strict=True):
        assert given == (flipped[0], "given") and flipped[1] == "flipped"


def test_missing_data_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.jsonl"):
        read_rows(tmp_path / "train.jsonl", None, None)
    (tmp_path / "train.jsonl").write_text(json.dumps({"x": 1}) + "\n")
    with pytest.raises(UsageError, match="judge data prepare"):
        read_rows(tmp_path / "train.jsonl", None, None)


ITEMS = [
    {
        "index": 4,
        "input_ids": [5, 6, 7],
        "labels": [IGNORED, 6, 7],
        "weights": [1.0, 9.0, 1.0],
        "branch": 0,
    },
    {
        "index": 5,
        "input_ids": [8, 9],
        "labels": [IGNORED, 9],
        "weights": [1.0, 1.0],
        "branch": -1,
    },
]


def test_the_collator_says_where_the_loss_is_read_in_padded_rows() -> None:
    batch = JustifierCollator(packed=False, pad_id=0, statement_loss=True)(ITEMS)
    assert batch["index"].tolist() == [4, 5]
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert batch["score_at"].tolist() == [0, 1, 3]  # 5 says 6, 6 says 7, 8 says 9
    assert batch["labels"].tolist() == batch["shift_labels"].tolist() == [[6, 7, 9]]
    assert batch["weights"].tolist() == [9, 1, 1]
    assert batch["branch"].tolist() == [0] and batch["said"].tolist() == [6]


def test_the_collator_says_where_the_loss_is_read_in_a_packed_row() -> None:
    batch = JustifierCollator(packed=True, pad_id=0, statement_loss=False)(ITEMS)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert batch["cu_seq_lens_q"].tolist() == [0, 3, 5]
    assert batch["score_at"].tolist() == [0, 1, 3]
    assert batch["shift_labels"].tolist() == [[6, 7, 9]]
    assert "attention_mask" not in batch and "weights" not in batch


def test_sampler_keeps_twins_together_and_sees_everything_once() -> None:
    generator = torch.Generator().manual_seed(3)
    lengths = [int(n) for n in torch.randint(5, 400, (500,), generator=generator)]
    lengths = [length for length in lengths for _ in (0, 1)]
    sampler = LengthGroupedTwins(lengths, twins=True, batch_size=16, seed=1)
    order = list(sampler)
    assert sorted(order) == list(range(1000))
    assert all(b == a + 1 and a % 2 == 0 for a, b in zip(order[::2], order[1::2], strict=True))
    assert order == list(sampler)
    sampler.set_epoch(1)
    assert order != list(sampler)
    grouped = _padding(lengths, order, 16)
    assert grouped < 0.25 * _padding(lengths, list(range(1000)), 16)


def _padding(lengths: list[int], order: list[int], size: int) -> int:
    batches = [[lengths[i] for i in order[b : b + size]] for b in range(0, len(order), size)]
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

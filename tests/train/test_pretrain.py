"""The mini models' base: tokenizer, corpus and a few steps of training, at toy size."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judge.train.bundled import pretrain
from judge.train.config import PretrainConfig, load_recipe

SENTENCES = [
    "The harbour was quiet, and the boats lay still.",
    "She opened the letter twice before she believed it.",
    "Rust gives each value exactly one owner at a time.",
    "A short answer can still be a complete one.",
]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def row(split: str, response_1: str, response_2: str, reason: str = "It helps.") -> dict[str, Any]:
    return {
        "split": split,
        "prompt": "Why?",
        "response_1": response_1,
        "response_2": response_2,
        "all_preferences_unprocessed": [{"strength": 2, "justification": reason}],
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    rng = random.Random(0)
    documents = [{"text": " ".join(rng.choices(SENTENCES, k=40))} for _ in range(60)]
    write(folder / "text" / "a.jsonl.gz", documents)
    write(folder / "pairs.jsonl.gz", [row("train", "Because.", "No idea.")] * 5)
    config = load_recipe(
        "mini_pretrain",
        [
            f"text_dir={folder / 'text'}",
            f"pairs={folder / 'pairs.jsonl.gz'}",
            f"output_dir={folder / 'base'}",
            "vocab_size=400",
            "tokens_per_step=256",
            "block=64",
            "long_block=128",
            "warmup_steps=2",
            "architecture={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, "
            "num_attention_heads: 2, num_key_value_heads: 1}",
        ],
        PretrainConfig,
    )
    pretrain.run(config)
    return folder / "base"


def test_the_base_is_a_llama_that_learned_something(trained: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log = json.loads((trained / "pretrain.json").read_text())
    assert log["losses"][-1]["loss"] < log["losses"][0]["loss"]
    model = AutoModelForCausalLM.from_pretrained(trained)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert model.config.model_type == "llama" and model.config.max_position_embeddings == 128
    assert len(tokenizer) == 400 == model.config.vocab_size


def test_the_tokenizer_has_llama_s_markers_and_template(trained: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": " Hi "}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    for sample in ("Ünïcode 世界 🐈", "12345 tabs\t\n\nnewlines", "it's"):
        ids = tokenizer(sample, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == sample


def test_no_split_but_train_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    write(path, [row(split, f"{split} one", f"{split} two") for split in ("train", "val", "test")])
    text = "\n".join(pretrain.pair_text(path, random.Random(0)))
    assert "train one" in text and "val" not in text and "test" not in text


def test_foreign_rows_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.gz", [{"text": "Plain English."}, {"text": "Напиши функцию"}])
    assert list(pretrain.running_text(tmp_path)) == ["Plain English."]


def test_the_last_steps_use_the_whole_context() -> None:
    config = PretrainConfig(
        text_dir="", pairs="", output_dir="", block=4, long_block=16, tokens_per_step=32
    )
    batches = pretrain.StepBatches(np.arange(1000, dtype=np.int32), config, steps=100)
    shapes = [tuple(batches[i]["input_ids"].shape) for i in range(100)]
    assert shapes[:92] == [(8, 4)] * 92 and shapes[92:] == [(2, 16)] * 8
    assert batches[1]["input_ids"].flatten().tolist() == list(range(32, 64))

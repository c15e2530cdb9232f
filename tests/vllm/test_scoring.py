"""The vLLM scorer gives the rewards of the transformers scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForSequenceClassification

from judge.infer.scorers.load import load_scorer
from judge.infer.scorers.pairs import PairScorer
from judge.reward import Rewards
from tests import reward_models as tiny

KEPT: list[PairScorer] = []
"""Engines in one process share what the first of them to go takes down."""


def test_its_rewards_are_those_of_the_transformers_scorer(tmp_path: Path) -> None:
    config = tiny.config(
        num_labels=5, hidden_size=128, num_attention_heads=2, num_key_value_heads=1
    )
    model = LlamaForSequenceClassification(config)
    model.score.weight.data.normal_()
    model.save_pretrained(tmp_path / "m")
    tiny.tokenizer().save_pretrained(tmp_path / "m")
    (tmp_path / "w.json").write_text('{"LABEL_0": 1, "LABEL_3": -0.5}')
    given: dict[str, Any] = {"weights_file": str(tmp_path / "w.json")}
    ours = load_scorer(str(tmp_path / "m"), **given).score(tiny.pairs())
    KEPT.append(load_scorer(str(tmp_path / "m"), engine="vllm", **given))
    for a, b in zip(ours, KEPT[-1].score(tiny.pairs()), strict=True):
        assert isinstance(a, Rewards) and isinstance(b, Rewards)
        assert a.pair == pytest.approx(b.pair, abs=1e-3)

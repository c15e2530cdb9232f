"""Fast products and grouped attention change the time, not the verdicts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from judge.config import BatchConfig
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.attention import FEW, NAME, grouped_sdpa
from judge.infer.engines.transformers.matmul_precision import fast_products, products_in
from judge.pair import Pair, parse_prompt
from judge.verdict import Verdict

PAIRS = [
    Pair(
        pair_id=str(i),
        prompt=parse_prompt("Which is larger, a pond or the sea? " * (i + 1)),
        response_1="The sea. " * (i + 1),
        response_2="A pond, by far, since it is deep.",
    )
    for i in range(4)
]


def probabilities(engine: Any) -> list[float]:
    orders = [order for pair in PAIRS for order in (pair, pair.flipped())]
    verdicts = engine.judge(engine.builder.build(orders), "verdict")
    assert all(isinstance(verdict, Verdict) for verdict in verdicts)
    return [verdict.distribution.log_odds for verdict in verdicts]


def test_the_default_says_what_exact_products_say(mini_engine: Any) -> None:
    default = load_engine(BatchConfig(input="-", out="-", model="mini"))
    assert probabilities(default) == pytest.approx(probabilities(mini_engine), abs=0.1)
    assert default.describe()["products"] == fast_products(default.model)
    assert mini_engine.describe()["products"] == "exact"


def test_bfloat16_is_what_it_says(mini_engine: Any) -> None:
    engine = load_engine(BatchConfig(input="-", out="-", model="mini", dtype="bfloat16"))
    assert engine.model.dtype == torch.bfloat16 and engine.describe()["dtype"] == "bfloat16"
    assert probabilities(engine) == pytest.approx(probabilities(mini_engine), abs=0.3)


def test_the_setting_is_only_ours_and_returns() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(RuntimeError), products_in("fast"):
        assert torch.get_float32_matmul_precision() == "medium"
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == before


def test_bfloat16_models_need_no_fast_products() -> None:
    model = torch.nn.Linear(2, 2, dtype=torch.bfloat16)
    model.device, model.dtype = torch.device("cpu"), torch.bfloat16  # type: ignore[assignment]
    assert fast_products(model) == "exact"


def test_a_loaded_model_runs_on_grouped_attention(mini_engine: Any) -> None:
    assert mini_engine.model.config._attn_implementation == NAME


@pytest.mark.parametrize("tokens", [1, FEW, FEW + 1, 40])
@pytest.mark.parametrize("additive", [True, False])
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_grouped_attention_equals_that_of_transformers(
    tokens: int, additive: bool, scaling: float | None
) -> None:
    torch.manual_seed(tokens)
    module = torch.nn.Module()
    module.num_key_value_groups = 3
    query = torch.randn(2, tokens, 6, 16).transpose(1, 2)
    key, value = (torch.randn(2, 2, 70, 16)[:, :, :50] for _ in "kv")
    visible = torch.rand(2, 1, tokens, 50) > 0.4
    visible[..., 0] = True
    mask = torch.zeros(visible.shape).masked_fill_(~visible, torch.finfo().min)
    given = mask if additive else visible
    ours, _ = grouped_sdpa(module, query, key, value, given, scaling=scaling)
    theirs, _ = sdpa_attention_forward(module, query, key, value, given, scaling=scaling)
    assert ours.shape == theirs.shape == (2, tokens, 6, 16)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_without_a_mask_transformers_decides() -> None:
    module = torch.nn.Module()
    module.num_key_value_groups, module.is_causal = 2, True
    query, key = torch.randn(1, 4, 5, 8), torch.randn(1, 2, 5, 8)
    ours, _ = grouped_sdpa(module, query, key, key, None, is_causal=True)
    theirs, _ = sdpa_attention_forward(module, query, key, key, None, is_causal=True)
    assert torch.equal(ours, theirs)

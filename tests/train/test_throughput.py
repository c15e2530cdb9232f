"""What makes training faster changes no loss: packing, checkpointing, a head in tiles, kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from judge.errors import UsageError
from judge.train.batches.balancing import BalancedSteps
from judge.train.compute import kernels
from judge.train.compute.head import score_positions
from judge.train.config import JustifierConfig
from judge.train.finetune import read_log
from judge.train.sft import training as justifier
from judge.train.sft.examples import IGNORED, JustifierCollator
from tests.train.smoke_runs import smoke

SHORT = ("max_steps=3", "save_steps=3", "eval_steps=3")


def logged(prepared: Path, output: Path, *overrides: str) -> dict[str, list[float]]:
    """Train for three steps; return every loss, in training and validation."""
    justifier.run(smoke(prepared, output, *SHORT, *overrides))
    rows = read_log(output)
    return {name: [row[name] for row in rows if name in row] for name in ("loss", "eval_loss")}


@pytest.fixture(scope="module")
def plain(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """Losses of padded rows of examples in the order that they were drawn."""
    folder = tmp_path_factory.mktemp("plain")
    return logged(prepared, folder, "packing=false", "group_by_length=false")


@pytest.mark.parametrize(
    "overrides",
    [
        ["packing=true"],
        ["packing=true", "per_device_batch_size=2"],
        ["packing=false", "group_by_length=false", "gradient_checkpointing=true"],
        ["packing=true", "gradient_checkpointing=true", "attn_implementation=auto"],
    ],
)
def test_the_losses_are_those_of_plain_training(
    overrides: list[str], plain: dict[str, list[float]], prepared: Path, tmp_path: Path
) -> None:
    found = logged(prepared, tmp_path, *overrides)
    assert len(found["loss"]) == 3 and len(found["eval_loss"]) == 1
    assert found["loss"] == pytest.approx(plain["loss"], abs=2e-5)
    if "per_device_batch_size=2" not in overrides:  # the validation loss is a mean over batches
        assert found["eval_loss"] == pytest.approx(plain["eval_loss"], abs=2e-5)


def test_in_bfloat16_packed_rows_and_rounded_frozen_weights_agree(
    prepared: Path, tmp_path: Path
) -> None:
    """Packed attention is computed in bfloat16 then; frozen weights are only rounded earlier."""
    options = ["bf16=true", "lora.r=2", "learning_rate=0.01"]
    padded = logged(prepared, tmp_path / "a", *options, "packing=false", "group_by_length=false")
    packed = logged(prepared, tmp_path / "b", *options, "packing=true")
    rounded = logged(prepared, tmp_path / "c", *options, "packing=true", "base_dtype=bfloat16")
    assert packed["loss"] == pytest.approx(padded["loss"], abs=2e-3)
    assert packed["loss"][2] < packed["loss"][0] - 0.01  # the steps were large enough to see
    assert rounded == packed


@pytest.mark.parametrize(
    "overrides", [[], ["lora.r=2", "bf16=false"], ["lora.r=2", "bf16=true", "deepspeed={}"]]
)
def test_only_frozen_weights_of_bfloat16_products_are_rounded(
    overrides: list[str], prepared: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="base_dtype"):
        smoke(prepared, tmp_path, "base_dtype=bfloat16", *overrides)


def test_packed_rows_have_the_same_statement_loss(prepared: Path, tmp_path: Path) -> None:
    """Of a whole step, where it is one row: the statement loss is a mean over each row."""
    options = ["statement_weight=5", "order_consistency=0.3", "per_device_batch_size=8"]
    padded = logged(prepared, tmp_path / "a", *options, "packing=false", "group_by_length=false")
    packed = logged(prepared, tmp_path / "b", *options, "packing=true")
    assert packed["loss"] == pytest.approx(padded["loss"], abs=2e-5)


def test_without_grouping_twins_still_share_a_row(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order penalty compares neighbours: it would compare strangers."""
    rows: list[list[int]] = []
    collate = JustifierCollator.__call__

    def remember(self: JustifierCollator, items: list[dict[str, Any]]) -> dict[str, Any]:
        rows.append([item["index"] for item in items])
        return collate(self, items)

    monkeypatch.setattr(JustifierCollator, "__call__", remember)
    options = ["order_consistency=1", "group_by_length=false", "max_steps=1", "save_steps=1"]
    justifier.run(smoke(prepared, tmp_path, *options))
    assert {"order_penalty", "consistent"} <= read_log(tmp_path)[0].keys()
    assert len(rows) >= 2
    for row in rows:  # items 2k and 2k+1 are one example in both orders
        assert row[1::2] == [first ^ 1 for first in row[::2]], row


def items(*sizes: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Yield items of (prompt, completion) tokens."""
    generator = torch.Generator().manual_seed(5)
    for index, (prompt, completion) in enumerate(sizes):
        ids = torch.randint(3, 60, (prompt + completion,), generator=generator).tolist()
        yield {
            "index": index,
            "input_ids": ids,
            "labels": [IGNORED] * prompt + ids[prompt:],
            "weights": [1.0] * len(ids),
            "branch": -1,
        }


def scored(vocabulary: int) -> LlamaForCausalLM:
    """Return a random model with TRL's fused head, asked at chosen positions."""
    torch.manual_seed(1)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **size, **heads))
    add_fused_lm_head(model)
    score_positions(model)
    return model


@pytest.mark.parametrize("packed", [False, True])
def test_the_head_at_chosen_positions_is_the_model_s_own(packed: bool) -> None:
    """Log-probabilities and gradients against whole logits, sequence by sequence."""
    model = scored(64)
    examples = list(items((9, 4), (3, 2), (1, 6)))
    losses = []
    for item in examples:
        logits = model(input_ids=torch.tensor([item["input_ids"]])).logits[0, :-1]
        labels = torch.tensor(item["labels"][1:])
        losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
    wanted = torch.cat([each[each != 0] for each in losses])
    wanted.sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}

    model.zero_grad()
    if packed:
        model.set_attn_implementation("packed_sdpa")
    batch = JustifierCollator(packed, 0, False)(examples)
    inputs = {k: v for k, v in batch.items() if k not in ("index", "labels")}
    found = -model(**inputs, fused_lm_head=True).log_probs[0]
    found.sum().backward()
    assert torch.allclose(found, wanted, atol=1e-5)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad, gradients[name], atol=1e-5), name


class Largest(TorchDispatchMode):
    """Remembers how many elements the largest tensor had that anything made."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_logits_of_the_whole_vocabulary_are_made() -> None:
    """With 128 k entries, forward and backward: nothing larger than the head's own weights or a
    tile of 32,768 entries, while the plain way makes tokens x vocabulary."""
    vocabulary, prompt, completion = 128_256, 300, 20
    model = scored(vocabulary)
    batch = JustifierCollator(False, 0, False)(list(items((prompt, completion))))
    inputs = {k: v for k, v in batch.items() if k not in ("index", "labels")}
    with Largest() as ours:
        (-model(**inputs, fused_lm_head=True).log_probs.mean()).backward()
    assert ours.elements <= max(vocabulary * 16, completion * 32_768)
    with Largest() as theirs:
        model(input_ids=batch["input_ids"])
    assert theirs.elements == (prompt + completion) * vocabulary


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=60),
    st.sampled_from([(1, 4), (2, 8), (4, 8), (3, 12), (8, 8)]),
    st.booleans(),
)
def test_balancing_moves_examples_only_within_their_step(
    lengths: list[int], sizes: tuple[int, int], twins: bool
) -> None:
    row, step = sizes
    lengths = [length for length in lengths for _ in range(2 if twins else 1)]
    options = (lengths, twins, row, step, 3)
    balanced, drawn = list(BalancedSteps(*options)), list(BalancedSteps(*options, balance=False))
    assert balanced == list(BalancedSteps(*options))
    for start in range(0, len(drawn), step):
        assert sorted(balanced[start : start + step]) == sorted(drawn[start : start + step])
    if twins and row % 2 == 0:
        firsts, seconds = balanced[::2], balanced[1::2]
        assert all(b == a + 1 and a % 2 == 0 for a, b in zip(firsts, seconds, strict=True))


def test_the_rows_of_a_step_hold_like_numbers_of_tokens() -> None:
    generator = torch.Generator().manual_seed(3)
    lengths = ((torch.randn(512, generator=generator) / 2).exp() * 300).int().tolist()

    def longest(order: list[int]) -> int:
        """Tokens of the longest row of each step, added up: what every process waits for."""
        tokens = torch.tensor([lengths[i] for i in order]).view(-1, 16, 8).sum(-1)
        return int(tokens.max(-1).values.sum())

    drawn = list(BalancedSteps(lengths, False, 8, 128, 1, balance=False))
    balanced = list(BalancedSteps(lengths, False, 8, 128, 1))
    perfect = sum(lengths) / 16
    assert longest(balanced) < 1.05 * perfect < 1.3 * perfect < longest(drawn)


def test_a_new_epoch_has_a_new_order() -> None:
    sampler = BalancedSteps([5] * 40, False, 2, 8, 1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler) and sorted(first) == sorted(sampler)


def recipe(**fields: Any) -> JustifierConfig:
    return JustifierConfig(model="mini", data="d", output_dir="o", **fields)


def test_kernels_that_are_not_there_are_one_clear_line() -> None:
    with pytest.raises(UsageError, match="liger-kernel"):
        justifier.sft_arguments(recipe(liger=True, bf16=False))
    with pytest.raises(UsageError, match="flash-attn"):
        kernels.attention(recipe(attn_implementation="flash_attention_2"))
    assert kernels.attention(recipe(attn_implementation="auto")) == "sdpa"
    assert kernels.attention(recipe()) is None


def test_flash_attention_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_has_gpu", lambda: True)
    monkeypatch.setattr(kernels, "is_flash_attn_2_available", lambda: True)
    assert kernels.attention(recipe(attn_implementation="auto")) == "flash_attention_2"
    assert kernels.attention(recipe(attn_implementation="auto", bf16=False)) == "sdpa"


def test_liger_reaches_the_model(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package needs a GPU; what it would be asked for is seen without one."""
    asked = []
    monkeypatch.setattr(kernels, "_has_gpu", lambda: True)
    monkeypatch.setattr(kernels, "is_liger_kernel_available", lambda: True)
    monkeypatch.setattr(
        "transformers.trainer.apply_liger_kernel", lambda model, options: asked.append(options)
    )
    justifier.run(smoke(prepared, tmp_path, "liger=true", "max_steps=1"))
    # TRL's own head stays: Liger's would replace the model's forward.
    assert asked == [{"fused_linear_cross_entropy": False}]


def test_what_cannot_pack_says_so(prepared: Path, tmp_path: Path) -> None:
    options = ["packing=true", "random_init.attn_implementation=eager"]
    with pytest.raises(UsageError, match="packing=auto pads instead"):
        justifier.run(smoke(prepared, tmp_path, *options))

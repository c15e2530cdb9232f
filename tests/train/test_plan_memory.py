"""The plan's memory against DeepSpeed's estimator and against what torch keeps."""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from judge.train.config import JustifierConfig, RewardConfig, TrainerConfig, load_recipe
from judge.train.plan import memory
from judge.train.plan.architecture import SHIPPED, Architecture, architecture_of
from judge.train.plan.memory import last_norm_bytes, layer_bytes, memory_of
from judge.train.plan.zero import Zero

BIG = architecture_of("meta-llama/Llama-3.1-70B-Instruct")
ONE = ["per_device_batch_size=1", "packing=false"]
"""One sequence at a time, and transformers' own attention."""
SMALL = Architecture("small", 128, 448, 3, 4, 2, 32, 512)


def recipe(name: str, *overrides: str) -> JustifierConfig:
    return load_recipe(name, list(overrides), JustifierConfig)


def llama(model: Architecture, layers: int | None = None) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=model.hidden,
        intermediate_size=model.intermediate,
        num_hidden_layers=layers or model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.key_heads,
        vocab_size=model.vocabulary,
        attn_implementation="sdpa",
    )


def in_bfloat16(make: Callable[[], Any]) -> Any:
    torch.set_default_dtype(torch.bfloat16)
    try:
        return make().train()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_parameters_are_those_of_the_model(path: Any) -> None:
    found = architecture_of(f"meta-llama/{path.stem}")
    values = json.loads(path.read_text())
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**values))
        rated = LlamaForSequenceClassification(LlamaConfig(**values, num_labels=5))
    assert found.parameters() == sum(p.numel() for p in model.parameters())
    assert found.parameters(5) == sum(p.numel() for p in rated.parameters())


@pytest.mark.parametrize("nodes", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["llama31_70b_zero3", "llama31_70b_offload"])
def test_model_states_are_deepspeed_s_estimate(
    nodes: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs_all_cold

    estimate_zero3_model_states_mem_needs_all_cold(BIG.parameters(), BIG.embedding, 8, nodes)
    device = r"[\w.]*cpu *" if name.endswith("offload") else "none"
    options = rf"offload_param=none, offload_optimizer={device}, zero_init=1"
    printed = capsys.readouterr().out
    line = re.search(rf"([\d.]+)GB \| +([\d.]+)GB \| {options}", printed)
    assert line is not None, printed
    host, gpu = map(float, line.groups())
    config = recipe(name)
    assert memory_of(config, BIG, 8 * nodes).states / 2**30 == pytest.approx(gpu, abs=0.01)
    if name.endswith("offload"):
        zero = Zero.of(config, BIG)
        assert zero.host_bytes(BIG.parameters(), nodes) / 2**30 == pytest.approx(host, abs=0.01)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("llama31_70b_zero3", {8: 163, 16: 84, 24: 57, 32: 44, 64: 24}),
        ("llama31_70b_bf16_states", {8: 75, 16: 40, 24: 28, 32: 22, 64: 13}),
        ("llama31_70b_offload", {8: 22, 16: 13, 24: 10, 32: 9, 64: 6}),
    ],
)
def test_model_states_of_70b_as_published(name: str, gigabytes: dict[int, int]) -> None:
    for gpus, expected in gigabytes.items():
        states = memory_of(recipe(name), BIG, gpus).states
        assert states / 1e9 == pytest.approx(expected, abs=0.6)


def kept_bytes(model: Any, run: Callable[[], Any]) -> int:
    """Return the bytes that autograd keeps for the backward pass, parameters left out."""
    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # holding it keeps its address its own
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = run()
    keep(output)  # the loss keeps it
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_activations_are_what_torch_keeps(checkpointing: bool, lora: bool) -> None:
    tokens = 256
    model = in_bfloat16(lambda: LlamaForCausalLM(llama(SMALL)))
    if lora:
        from peft import LoraConfig, get_peft_model

        adapter = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, adapter, autocast_adapter_dtype=False)
        model.enable_input_require_grads()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    decoder = model.get_base_model().model if lora else model.model
    ids = torch.arange(tokens)[None] % SMALL.vocabulary
    found = kept_bytes(model, lambda: decoder(input_ids=ids, use_cache=False).last_hidden_state)
    overrides = [f"gradient_checkpointing={checkpointing}", f"max_length={tokens}", *ONE]
    config = recipe("llama31_8b_zero3", *overrides)
    if lora:
        config = recipe("llama31_8b_lora", "lora.r=8", *overrides)
    expected = memory_of(config, SMALL, 1).activations
    expected += tokens * last_norm_bytes(config, SMALL)
    assert expected == pytest.approx(found, rel=0.02 if checkpointing else 0.1)


def test_packed_attention_keeps_what_is_counted() -> None:
    """Rows of like lengths, in float32, since bfloat16 on a CPU is computed in float32 there: the
    difference that packing makes is twice the plan's, less the padding that it allows for."""
    from judge.train.batches.packing import PACKED, pack

    model = LlamaForCausalLM(llama(SMALL)).train()
    packed = pack([[1] * 128, [2] * 128])
    packed.pop("ends")
    plain = {"input_ids": packed["input_ids"]}
    kept = []
    for implementation, inputs in (("sdpa", plain), (PACKED, packed)):
        model.set_attn_implementation(implementation)
        run = partial(model.model, **inputs, use_cache=False)
        kept.append(kept_bytes(model, lambda run=run: run().last_hidden_state))
    overrides = ["gradient_checkpointing=false", "per_device_batch_size=1", "max_length=256"]
    counted = [
        256 * SMALL.layers * layer_bytes(recipe("llama31_8b_zero3", *overrides, packing), SMALL)
        for packing in ("packing=false", "packing=true")
    ]
    slack = 256 * SMALL.layers * int(0.25 * 4 * 2 * SMALL.queries)
    difference = 2 * (counted[1] - counted[0] - slack)
    assert kept[1] - kept[0] == pytest.approx(difference, rel=0.1)


class Peak(TorchDispatchMode):
    """Counts the bytes of live tensors: ``now`` and at the ``peak``."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.see(tensor)
        return result

    def see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.live:
            self.live[key] = storage.nbytes()
            self.now += self.live[key]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)


@pytest.fixture
def no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sequence has no padding: transformers then leaves the mask out, which it decides by the
    values of the mask, and fake tensors have none."""
    module = "transformers.models.llama.modeling_llama.create_causal_mask"
    monkeypatch.setattr(module, lambda *args, **kwargs: None)


def test_the_peak_of_layers_at_their_true_widths(no_mask: None) -> None:
    """Four layers of 70B, 4,096 tokens: sizes without arithmetic, every gradient reduced at once,
    as ZeRO-3 does."""
    tokens, layers = 4096, 4
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = in_bfloat16(lambda: LlamaForCausalLM(llama(BIG, layers)))
        model.gradient_checkpointing_enable({"use_reentrant": False})
        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
        ids = torch.zeros(1, tokens, dtype=torch.long)
        counted = Peak()
        with counted:
            for parameter in model.parameters():
                counted.see(parameter)
            weights = counted.now
            model.model(input_ids=ids, use_cache=False).last_hidden_state.sum().backward()
    config = recipe("llama31_70b_zero3", *ONE)
    predicted = memory_of(config, BIG, 8)
    inputs = tokens * layers * 2 * BIG.hidden
    gradient = 2 * BIG.hidden * BIG.intermediate  # of one product; the plan counts it as gathered
    expected = inputs + predicted.layer + gradient
    assert expected == pytest.approx(counted.peak - weights, rel=0.1)


def test_the_peak_of_logits_that_are_made() -> None:
    """What statement_loss makes of 512 tokens under the vocabulary of Llama 3."""
    tokens, vocabulary = 512, BIG.vocabulary
    with FakeTensorMode():
        hidden = torch.zeros(1, tokens, 64, dtype=torch.bfloat16, requires_grad=True)
        weight = torch.zeros(vocabulary, 64, dtype=torch.bfloat16, requires_grad=True)
        labels = torch.zeros(tokens, dtype=torch.long)
        counted = Peak()
        with counted:
            logits = (hidden @ weight.T).float()
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), labels[1:], reduction="none"
            )
            loss.sum().backward()
    config = recipe("llama31_70b_zero3", "statement_weight=2", f"max_length={tokens}")
    config = config.model_copy(update={"per_device_batch_size": 1})
    made = memory_of(config, BIG, 8).loss - tokens * last_norm_bytes(config, BIG)
    assert made == pytest.approx(counted.peak, rel=0.1)


def test_the_tiles_are_those_of_trl() -> None:
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    assert chunked_logprob.TOKEN_CHUNK_SIZE == memory.TOKEN_CHUNK
    assert utils._CHUNKED_LOGPROB_CHUNK_SIZE == memory.VOCABULARY_CHUNK


def test_four_bit_weights_are_as_large_as_bitsandbytes_makes_them() -> None:
    from bitsandbytes.nn import Linear4bit

    layer = Linear4bit(2048, 1024, bias=False, quant_type="nf4", compress_statistics=True).to("cpu")
    weight = layer.weight
    nested = weight.quant_state.state2
    size = weight.numel() * weight.element_size() + weight.quant_state.absmax.numel()
    size += 4 * nested.absmax.numel()
    square = Architecture("square", 1024, 1024, 1, 1, 1, 1024, 1)
    config = recipe("llama31_70b_qlora", "lora.target_modules=[q_proj]", "lora.r=1")
    adapter = square.adapter(1, ["q_proj"])
    found = memory_of(config, square, 1).parameters - 2 * adapter
    found -= 2 * (square.parameters() - square.layer_weights)
    assert found / square.layer_weights == pytest.approx(size / (2048 * 1024), rel=0.01)


def test_by_hand() -> None:
    """A layer of a model of width 2, one head, a feed-forward width of 3."""
    tiny = Architecture("tiny", 2, 3, 1, 1, 1, 2, 5)
    config = recipe("llama31_70b_zero3", *ONE)
    # norms: 2 x (8 float32 bytes of 2 inputs + 4 of a scale + 4 of 2 normalised values); inputs of
    # the products: 2 x 4; attention: queries, keys, values, output 4 each, 4 of a sum; 4 x 6.
    assert layer_bytes(config, tiny) == 2 * (8 + 4 + 4) + 8 + 16 + 4 + 24
    assert tiny.parameters() == 4 * 4 + 3 * 6 + 3 * 2 + 10 + 10
    assert tiny.adapter(2, "all-linear") == 2 * (4 * 4 + 3 * 5)


def test_without_deepspeed_weights_are_float32() -> None:
    config = recipe("llama31_8b_zero3", "deepspeed=null", "per_device_batch_size=1")
    found = memory_of(config, SMALL, 1)
    count = SMALL.parameters()
    assert found.parameters == 4 * count + 2 * SMALL.layers * SMALL.layer_weights
    assert (found.gradients, found.optimizer, found.gathered) == (4 * count, 8 * count, 0)


def test_a_pair_is_two_sequences_and_fewer_layers_are_less() -> None:
    pair: TrainerConfig = load_recipe("llama31_70b_scaled_bt", [], RewardConfig)
    assert memory.longest_batch(pair) == 2 * pair.max_length
    cut = load_recipe("llama31_70b_scaled_bt", ["layers=40"], RewardConfig)
    whole, half = memory_of(pair, BIG, 32), memory_of(cut, BIG, 32)
    assert half.parameters < 0.52 * whole.parameters and half.activations < whole.activations
    assert whole.loss == memory.longest_batch(pair) * last_norm_bytes(pair, BIG)

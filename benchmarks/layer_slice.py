"""A slice of a large model on one GPU: memory against `judge train plan`, step time, matrix rate.

    python benchmarks/layer_slice.py --layers 8                  # every weight, bfloat16 states
    python benchmarks/layer_slice.py --layers 80 --qlora         # the whole shape in 4 bits

Random weights of the true widths, random tokens, the loss and the output layer that the training
uses. On a GPU it ends with 1 when memory is more than 10 % from the plan, or when fewer than
``--least`` of the operations that the GPU's own matrix products reach are used. On a CPU nothing is
checked (use ``--model mini`` and a few tokens): there it only shows that it works.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from judge.train.config import JustifierConfig, load_recipe
from judge.train.plan.architecture import Architecture, architecture_of
from judge.train.plan.memory import memory_of
from judge.train.plan.speed import flops_a_token

GIB = 2**30


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="meta-llama/Llama-3.1-70B-Instruct", help="its widths")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=4096, help="of the one sequence of a step")
    parser.add_argument("--steps", type=int, default=10, help="after two to warm up")
    parser.add_argument("--qlora", action="store_true", help="4-bit weights below an adapter")
    parser.add_argument("--least", type=float, default=0.45, help="share of the matrix rate")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


def main() -> int:
    options = parse()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sliced = replace(architecture_of(options.model), layers=options.layers)
    config = recipe(options)
    model = build(options, sliced, config, device)
    measured = train(options, sliced, model, device)
    record = report(options, sliced, config, measured, device)
    print(json.dumps(record, indent=1))
    return 0 if device.type == "cpu" or all(record["checks"].values()) else 1


def recipe(options: argparse.Namespace) -> JustifierConfig:
    """Return the recipe whose plan is compared: one sequence at a time."""
    name = "llama31_70b_qlora" if options.qlora else "llama31_70b_bf16_states"
    overrides = [f"max_length={options.tokens}", "per_device_batch_size=1", "packing=false"]
    overrides.append(f"attn_implementation={options.attention}")
    return load_recipe(name, overrides, JustifierConfig)


def build(
    options: argparse.Namespace, sliced: Architecture, config: JustifierConfig, device: torch.device
) -> Any:
    """Return the slice with random weights, checkpointing and TRL's output layer."""
    from trl.trainer.utils import add_fused_lm_head

    shape = LlamaConfig(
        hidden_size=sliced.hidden,
        intermediate_size=sliced.intermediate,
        num_hidden_layers=sliced.layers,
        num_attention_heads=sliced.heads,
        num_key_value_heads=sliced.key_heads,
        vocab_size=sliced.vocabulary,
        max_position_embeddings=max(options.tokens, 2048),
        attn_implementation=options.attention,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(shape).to(torch.bfloat16)
    if config.quantization is not None:
        put_in_four_bits(model, device)
    fill(model, shape, device)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.lora is not None:
        from peft import LoraConfig, get_peft_model

        section = config.lora
        adapter = LoraConfig(
            r=section.r,
            lora_alpha=section.alpha,
            target_modules=section.target_modules,
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, adapter, autocast_adapter_dtype=False)
        model.enable_input_require_grads()
    return model.train()


def put_in_four_bits(model: Any, device: torch.device) -> None:
    """Replace every product of the decoder by one in nf4, random, one at a time."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, old in list(part.named_children()):
                if not isinstance(old, torch.nn.Linear):
                    continue
                new = Linear4bit(
                    old.in_features,
                    old.out_features,
                    bias=False,
                    compute_dtype=torch.bfloat16,
                    device="meta",
                )
                weight = torch.randn(old.out_features, old.in_features, device=device) * 0.02
                new.weight = Params4bit(
                    weight.to(torch.bfloat16),
                    requires_grad=False,
                    quant_type="nf4",
                    compress_statistics=True,
                    module=new,
                ).to(device)
                setattr(part, name, new)


def fill(model: Any, shape: LlamaConfig, device: torch.device) -> None:
    """Give every parameter that is still without values random ones on ``device``."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.device.type != "meta":
                continue
            value = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device)
            value = value.fill_(1) if parameter.ndim == 1 else value.normal_(0, 0.02)
            setattr(module, name, torch.nn.Parameter(value))
    model.model.rotary_emb = type(model.model.rotary_emb)(shape).to(device)


def train(
    options: argparse.Namespace, sliced: Architecture, model: Any, device: torch.device
) -> dict[str, Any]:
    """Return seconds of every step, the peak of allocated memory, and the first and last loss."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=device.type == "cuda")
    ids = torch.randint(0, sliced.vocabulary, (1, options.tokens), device=device)
    seconds, losses = [], []
    for step in range(options.steps + 2):
        if step == 2 and device.type == "cuda":  # by then the optimizer's state is there
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        loss = model(input_ids=ids, labels=ids, fused_lm_head=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())  # waits for the device
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    return {"seconds": seconds[2:], "peak": peak, "losses": (losses[0], losses[-1])}


def matrix_rate(device: torch.device) -> float:
    """Return the operations a second of a large bfloat16 product."""
    size = 8192 if device.type == "cuda" else 256
    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(10):
            product = left @ right
        product.sum().item()
        best = min(best, time.perf_counter() - started)
    return 10 * 2 * size**3 / best


def report(
    options: argparse.Namespace,
    sliced: Architecture,
    config: JustifierConfig,
    measured: dict[str, Any],
    device: torch.device,
) -> dict[str, Any]:
    """Return what was measured beside what the plan says of the same slice on one GPU."""
    plan = memory_of(config, sliced, 1)
    # One process of plain torch gathers nothing and has no buckets; torch does not see the context.
    gathered = plan.gathered if config.quantization is not None else 0
    predicted = plan.parameters + plan.gradients + plan.optimizer + gathered
    predicted += plan.activations + max(plan.layer, plan.loss)
    _, operations = flops_a_token(config, sliced, options.tokens)
    seconds = statistics.median(measured["seconds"])
    reached, possible = operations * options.tokens / seconds, matrix_rate(device)
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "model": options.model,
        "layers": options.layers,
        "tokens": options.tokens,
        "qlora": options.qlora,
        "parameters": sliced.parameters(),
        "predicted_gib": float(f"{predicted / GIB:.4g}"),
        "measured_gib": measured["peak"] and float(f"{measured['peak'] / GIB:.4g}"),
        "step_seconds": round(seconds, 4),
        "tokens_a_second": round(options.tokens / seconds, 1),
        "tflops": float(f"{reached / 1e12:.4g}"),
        "matrix_tflops": float(f"{possible / 1e12:.4g}"),
        "share_of_matrix_rate": round(reached / possible, 4),
        "losses": measured["losses"],
        "checks": {},
    }
    if measured["peak"]:
        off = abs(measured["peak"] - predicted) / measured["peak"]
        record["checks"] = {
            "memory_within_a_tenth": off <= 0.1,
            "matrix_rate": options.qlora or reached / possible >= options.least,
        }
    return record


if __name__ == "__main__":
    raise SystemExit(main())

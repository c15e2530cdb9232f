"""Random adapters over the real base, of the size of the bundled ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from judge.models.base import SMALL

HIDDEN, INNER, KEYS, LAYERS, RANK = 576, 1536, 192, 30, 16
PRODUCTS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (KEYS, HIDDEN),
    "self_attn.v_proj": (KEYS, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}


def write_real_adapter(folder: Path, seed: int, head: bool = False) -> Path:
    """Write a LoRA adapter of rank 16 on every linear layer; with ``head`` a reward model's."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int, scale: float) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * scale).bfloat16()

    tensors = {}
    for layer in range(LAYERS):
        for name, (out, into) in PRODUCTS.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{place}.lora_A.weight"] = drawn(RANK, into, scale=0.03)
            tensors[f"{place}.lora_B.weight"] = drawn(out, RANK, scale=0.003)
    about = {"template": "pairwise_justifier.v1", "base_digest": SMALL.weights_digest[:16]}
    if head:
        tensors["base_model.model.score.weight"] = drawn(1, HIDDEN, scale=1.0)
        about = {"kind": "reward", "objective": "bt", "outputs": ["reward"]}  # type: ignore[dict-item]
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    described = {
        "base_model_name_or_path": SMALL.name,
        "lora_alpha": 2 * RANK,
        "peft_type": "LORA",
        "r": RANK,
        "task_type": "SEQ_CLS" if head else "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(described))
    (folder / "judge.json").write_text(json.dumps(about))
    return folder

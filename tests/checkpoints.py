"""Small checkpoint folders for the tests of ExPO: random tensors, or whole tiny models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from judge.models import JUDGE_FILE
from judge.models.shards import INDEX

SHAPES = {
    "model.embed_tokens.weight": (11, 6),
    "model.layers.0.mlp.up_proj.weight": (9, 6),
    "model.norm.weight": (6,),
    "score.weight": (1, 6),
}


def tensors(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Return random tensors of ``SHAPES``."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator).to(dtype) for name, shape in SHAPES.items()
    }


def write(
    folder: Path,
    values: dict[str, torch.Tensor],
    outputs: list[str] | None = None,
    shards: list[list[str]] | None = None,
    config: dict[str, Any] | None = None,
    **card: Any,
) -> Path:
    """Write a checkpoint; ``shards`` lists the names in each file, None is one file."""
    folder.mkdir(parents=True)
    if shards is None:
        save_file(values, folder / "model.safetensors", {"format": "pt"})
    else:
        places = {}
        for number, names in enumerate(shards, start=1):
            file = f"model-{number:05}-of-{len(shards):05}.safetensors"
            save_file({name: values[name] for name in names}, folder / file, {"format": "pt"})
            places |= dict.fromkeys(names, file)
        size = sum(t.nbytes for t in values.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index))
    described = {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}
    (folder / "config.json").write_text(json.dumps(described | (config or {})))
    if outputs is not None:
        card = {"kind": "reward", "outputs": outputs, **card}
    if card:
        (folder / JUDGE_FILE).write_text(json.dumps(card))
    return folder


def read(folder: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of a checkpoint, through the safetensors library."""
    values: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        values |= load_file(file)
    return values


def tiny_model(tokenizer: Any, labels: int, seed: int, **options: Any) -> Any:
    """Return a random reward model with one layer."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(seed)
    names = [
        "helpfulness", "correctness", "coherence", "complexity", "verbosity"
    ] if labels == 5 else ["reward"]  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        **options,
    )
    return LlamaForSequenceClassification(config)


def save_model(folder: Path, model: Any, tokenizer: Any) -> Path:
    """Save a model as a checkpoint of ours."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    card = {"kind": "reward", "objective": "bt", "outputs": labels}
    (folder / JUDGE_FILE).write_text(json.dumps(card))
    return folder


def preferences(path: Path, count: int) -> Path:
    """Write a ``preference`` file of ``judge data prepare``; two pairs share each prompt."""
    with path.open("w") as file:
        for i in range(count):
            row = {
                "pair_id": f"p{i}",
                "prompt": [{"role": "user", "content": f"What is {i // 2}?"}],
                "chosen": [{"role": "assistant", "content": f"It is a number, {i * 7}."}],
                "rejected": [{"role": "assistant", "content": f"No idea {i * 3} " * (i % 3 + 1)}],
                "margin": 1 + i % 3,
                "source": "test",
            }
            file.write(json.dumps(row) + "\n")
    return path

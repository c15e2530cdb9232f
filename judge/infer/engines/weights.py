"""A model's weights in memory, shared where they can be, and which they are."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge.models import tokenizer_folder
from judge.models.base import BASES
from judge.models.layers import Layers, digest_of
from judge.models.loading import load_causal, one_line

if TYPE_CHECKING:
    import torch

    from judge.infer.shared_base import BaseTurn, SharedBase

HASH_LIMIT = 1 << 30
"""Weights up to so many bytes are hashed whole; of larger ones only the headers are."""


def model_digest(folder: Path) -> str:
    """Return a hash (sha256, 16 hex digits) of what a local model computes: config and weights."""
    digest = hashlib.sha256()
    patterns = ("*config.json", "tokenizer*", "*.safetensors", "pytorch_model*.bin")
    found = [file for pattern in patterns for file in folder.glob(pattern)]
    if (shared := Path(tokenizer_folder(str(folder)))) != folder:  # as if they were copied here
        found += [*shared.glob("tokenizer*config.json"), *shared.glob("tokenizer*")]
    files = sorted(found, key=lambda file: file.name)
    total = sum(file.stat().st_size for file in files)
    for file in files:
        digest.update(f"{file.name}:{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            if total <= HASH_LIMIT:
                while block := stream.read(1 << 20):
                    digest.update(block)
            else:
                digest.update(stream.read(1 << 20))
    return digest.hexdigest()[:16]


def digests(layers: Layers, config: Any) -> dict[str, Any]:
    """Return what says which weights these are: digests of local files, the hub's commit.

    Args:
        config: transformers' configuration of the model, which knows the commit.
    """
    commit = getattr(config, "_commit_hash", None)
    base = digest_of(layers.base) if layers.base_name in BASES else None
    if base is None:
        base = model_digest(Path(layers.base)) if Path(layers.base).is_dir() else commit
    if not layers.adapters:
        return {"model_digest": base}
    below = [model_digest(folder) for folder in layers.adapters]
    return {"model_digest": below.pop(), "base_digest": "+".join([str(base), *below])}


def load_weights(layers: Layers, dtype: str) -> tuple[Any, AbstractContextManager[None]]:
    """Return the model, and the turn that it has in a base that others may use too.

    ``auto`` is bfloat16 on a GPU, float32 on the CPU.
    """
    import torch

    from judge.models.merging import merge_into

    gpu = torch.cuda.is_available()
    kind = getattr(torch, ("bfloat16" if gpu else "float32") if dtype == "auto" else dtype)
    if layers.adapters or layers.base_name in BASES:
        shared = sharing(layers, kind)
        if shared is not None:
            return shared[0].model, shared[1]
    options = {"dtype": kind, "device_map": "auto" if gpu else None}
    model = load_causal(layers.base, layers.name, **options)
    with one_line(layers.name):
        return merge_into(model, layers.adapters).eval(), nullcontext()


def sharing(layers: Layers, dtype: torch.dtype) -> tuple[SharedBase, BaseTurn] | None:
    """Return the base of ``layers``, which others over it have too, and their turn in its weights.

    None where the base or the adapters cannot be shared.

    Raises:
        UsageError: when one of them is damaged, or they do not fit.
    """
    from judge.infer.shared_base import shared_base
    from judge.models.adapters import NoPlainLora, read_adapter

    try:
        adapters = [read_adapter(folder) for folder in layers.adapters]
    except NoPlainLora:
        return None
    heads = ("score.weight",)  # of a classifier: the language model below has no place for it
    if any(adapter.whole.keys() - set(heads) for adapter in adapters):
        return None
    base = shared_base(layers.base, layers.name, dtype)
    if base is None or not all(map(base.takes, adapters)):
        return None
    return base, base.turn(adapters)

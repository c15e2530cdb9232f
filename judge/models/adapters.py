"""LoRA adapters: their files, and the tensors that merging gives, without merging in memory.

Read without PEFT, so that a bundled adapter needs no more than the core installs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judge.errors import UsageError
from judge.models.layers import ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD_KEY
from judge.models.shards import StoredTensor, Tensor, elements, read_file, spans

_PREFIX = "base_model.model."
_PARTS = {
    ".lora_A.weight": "A",
    ".lora_B.weight": "B",
    ".lora_embedding_A": "embedding A",
    ".lora_embedding_B": "embedding B",
}
_UNUSUAL = (
    "use_dora",
    "lora_bias",
    "trainable_token_indices",
    "layer_replication",
    "target_parameters",
    "use_qalora",
    "use_bdlora",
    "kasa_config",
    "monteclora_config",
    "alora_invocation_tokens",
)
"""Options of PEFT under which a merged weight is not simply W + scale B A."""
_KEEP_THE_BASE = (True, False, "gaussian", "orthogonal", "eva")
"""Initialisations that leave W as it is; PiSSA, OLoRA and their like take a part out of it."""


class NoPlainLora(UsageError):
    """An adapter that PEFT can merge and this module cannot."""


@dataclass(frozen=True)
class Factors:
    """What an adapter adds to a weight W: scale * left @ right."""

    left: StoredTensor
    right: StoredTensor
    scale: float
    transposed: bool
    """W is stored as [in, out], as in embeddings and GPT-2: the update is (B A)^T."""

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the weight that it is added to."""
        shape = (self.left.shape[0], self.right.shape[1])
        return shape[::-1] if self.transposed else shape

    def matrices(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the two factors in float64, whose product has the weight's own shape."""
        left, right = self.left.whole() * self.scale, self.right.whole()
        return (right.T, left.T) if self.transposed else (left, right)


@dataclass(frozen=True)
class Adapter:
    """The files of a LoRA adapter, by the names that its base gives the weights."""

    folder: Path
    factors: dict[str, Factors]
    whole: dict[str, StoredTensor]
    """Modules that were trained whole (``modules_to_save``), as the head of a reward model."""
    classifies: bool
    """It was trained as a sequence classifier: the base's language head is no part of it."""


@dataclass(frozen=True)
class MergedTensor:
    """A tensor and what an adapter adds to it, computed a few rows at a time, in its format."""

    base: Tensor
    factors: Factors

    @property
    def dtype(self) -> str:
        """See :class:`judge.models.shards.Tensor`."""
        return self.base.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """See :class:`judge.models.shards.Tensor`."""
        return self.base.shape

    @property
    def nbytes(self) -> int:
        """See :class:`judge.models.shards.Tensor`."""
        return self.base.nbytes

    def pieces(self) -> Iterator[torch.Tensor]:
        """See :class:`judge.models.shards.Tensor`; the factors are in memory while it is read."""
        width = self.shape[1]
        left, right = self.factors.matrices()
        for (start, stop), piece in zip(spans(elements(self)), self.base.pieces(), strict=True):
            first = start // width
            rows = left[first : -(-stop // width)] @ right
            yield piece.add_(rows.flatten()[start - first * width : stop - first * width])


def read_adapter(folder: Path) -> Adapter:
    """Read the configuration of the LoRA adapter in ``folder`` and the headers of its weights.

    Raises:
        NoPlainLora: when it is of another kind than LoRA, or uses what has no plain merge.
        UsageError: when it is damaged.
    """
    config = _read_config(folder)
    _only_plain_lora(folder, config)
    whole: dict[str, StoredTensor] = {}
    factors: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in read_file(folder / ADAPTER_WEIGHTS)[0].items():
        name = key.removeprefix(_PREFIX)
        suffix = next((s for s in _PARTS if name.endswith(s)), None)
        if suffix is not None:
            module = name.removesuffix(suffix)
            factors.setdefault(module, {})[_PARTS[suffix]] = tensor
        elif ".lora_" in name:
            raise NoPlainLora(f"{folder}: {key} is not a kind of LoRA that can be merged here")
        else:
            whole[name.replace(".base_layer.", ".")] = tensor
    found = {f"{m}.weight": _factors(folder, config, m, parts) for m, parts in factors.items()}
    return Adapter(folder, found, whole, str(config.get("task_type")).endswith("SEQ_CLS"))


def head_of(folder: Path) -> StoredTensor | None:
    """Return the head that the adapter in ``folder`` brings along, None where it has none.

    Raises:
        UsageError: when its weights cannot be read.
    """
    tensors, _ = read_file(folder / ADAPTER_WEIGHTS)
    return next((tensor for key, tensor in tensors.items() if HEAD_KEY.search(key)), None)


def merged(base: Mapping[str, Tensor], adapter: Adapter) -> dict[str, Tensor]:
    """Return the tensors of ``base`` with ``adapter`` merged into them.

    Modules that were trained whole replace the base's, or are added to them.

    Raises:
        UsageError: when the adapter does not fit the base.
    """
    tensors: dict[str, Tensor] = {**base, **adapter.whole}
    for name, factors in adapter.factors.items():
        if name not in tensors:
            raise UsageError(f"{adapter.folder}: the adapter changes {name}, which its base lacks")
        check_fits(adapter, name, tensors[name].shape)
        tensors[name] = MergedTensor(tensors[name], factors)
    return tensors


def check_fits(adapter: Adapter, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an adapter whose factors of the weight ``name`` do not make its ``shape``.

    Raises:
        UsageError: in one line.
    """
    factors = adapter.factors[name]
    if factors.shape != tuple(shape):
        left, right = list(factors.left.shape), list(factors.right.shape)
        raise UsageError(
            f"{adapter.folder}: the adapter of {name.removesuffix('.weight')} is {left} x {right},"
            f" the base's weight {list(shape)}"
        )


def _factors(
    folder: Path, config: dict[str, Any], module: str, parts: dict[str, StoredTensor]
) -> Factors:
    embedding = "embedding A" in parts
    a, b = (parts.get(f"embedding {x}" if embedding else x) for x in "AB")
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
        raise UsageError(f"{folder}: {module} needs a matrix lora_A and a matrix lora_B")
    if a.shape[0] != b.shape[1]:
        raise UsageError(
            f"{folder}: {list(b.shape)} x {list(a.shape)} of {module}'s adapter do not multiply"
        )
    alpha = config["lora_alpha"]
    for key, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):  # as PEFT's get_pattern_key
            alpha = value
            break
    rank = a.shape[0]
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return Factors(b, a, scale, embedding or bool(config.get("fan_in_fan_out")))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["peft_type"] != "LORA":
            raise NoPlainLora(f"{path}: a {config['peft_type']} adapter; only LORA can be merged")
        float(config["lora_alpha"])
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: expected PEFT's configuration of a LoRA adapter") from None
    return dict(config)


def _only_plain_lora(folder: Path, config: dict[str, Any]) -> None:
    used = [name for name in _UNUSUAL if config.get(name)]
    if config.get("bias", "none") != "none":
        used.append(f"bias={config['bias']}")
    if config.get("init_lora_weights", True) not in _KEEP_THE_BASE:
        used.append(f"init_lora_weights={config['init_lora_weights']}")
    if used:
        raise NoPlainLora(f"{folder}: the adapter uses {', '.join(used)}; merge it with PEFT first")

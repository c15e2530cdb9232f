"""How many floating-point operations a training step is, and what the chip could do at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_DECODERS = frozenset({"llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"})
"""Model types whose layers are grouped-query attention and a gated feed-forward part, no more."""

PEAKS = {
    "B200": 2250e12,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "GH200": 989.4e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "RTX 4090": 165.2e12,
}
"""Dense bfloat16 operations a second, from NVIDIA's data sheets (half of the figures with
sparsity); the first name that is part of the device's counts."""


@dataclass(frozen=True)
class DecoderShape:
    """What of a decoder's configuration its operations depend on."""

    layers: int
    hidden: int
    intermediate: int
    query: int
    """Heads times their size."""
    key_value: int
    """Heads of keys (as many of values) times their size."""
    head: int
    """Outputs of the head: the vocabulary, or the rewards."""

    @property
    def per_token(self) -> int:
        """Weights of the layers that a token is multiplied with."""
        attention = self.hidden * (2 * self.query + 2 * self.key_value)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)


def shape_of(config: Any, rewards: bool = False) -> DecoderShape | None:
    """Return the shape of a model's configuration; None for an architecture that is not counted.

    Args:
        config: transformers' configuration.
        rewards: its head gives rewards, as many as it has labels.
    """
    if getattr(config, "model_type", None) not in _DECODERS:
        return None
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return DecoderShape(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        query=config.num_attention_heads * size,
        key_value=config.num_key_value_heads * size,
        head=config.num_labels if rewards else config.vocab_size,
    )


def forward_flops(shape: DecoderShape, lengths: list[int], answers: int) -> int:
    """Return the operations of one forward pass; a multiplication and an addition are two.

    Attention counts the whole square of a sequence, as PaLM (Chowdhery et al., 2022, appendix B)
    and most published figures do, although a causal model needs half of it.

    Args:
        lengths: tokens of each sequence, without padding.
        answers: positions at which the head is needed.
    """
    weights = shape.per_token * sum(lengths) + shape.head * shape.hidden * answers
    attention = 2 * shape.layers * shape.query * sum(n * n for n in lengths)
    return 2 * (weights + attention)


def training_flops(
    shape: DecoderShape, lengths: list[int], answers: int, frozen: bool = False
) -> int:
    """Return the operations that one step on these sequences needs: forward and backward.

    The backward pass takes twice the forward one: a product for the inputs' gradients, one for the
    weights'. Recomputed activations do not count (model, not hardware, utilisation).

    Args:
        frozen: the weights of the base are not trained (LoRA): no gradients of them. What the
            adapter itself takes is left out.
    """
    forward = forward_flops(shape, lengths, answers)
    if not frozen:
        return 3 * forward
    attention = 4 * shape.layers * shape.query * sum(n * n for n in lengths)
    return 2 * forward + attention


def peak_of(device: str) -> float | None:
    """Return a chip's dense bfloat16 operations a second by its name; None where it is unknown."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)

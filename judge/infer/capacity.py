"""How much goes through a model at once where nobody says."""

from __future__ import annotations

from typing import Any

BATCH_TOKENS, VERDICT_TOKENS = 8192, 2048
"""Prompt tokens of a batch; of one whose verdicts alone a CPU reads: smaller ones hold less
padding, which costs a CPU more than a large batch saves. Where texts are written, steps count."""
CACHE_BYTES = 256 << 20
"""What keys and values of a batch may take on a CPU, texts still to be written included."""


def batch_tokens(model: Any, verdicts: bool) -> int:
    """Return the most prompt tokens that go through ``model`` at once."""
    return VERDICT_TOKENS if verdicts and model.device.type == "cpu" else BATCH_TOKENS


def cache_tokens(model: Any) -> int | None:
    """Return of how many tokens ``model`` may keep keys and values; None: as many as there are.

    Only a CPU's memory is bounded, which other programs need too.
    """
    config = model.config.get_text_config()
    names = ("num_hidden_layers", "num_attention_heads", "hidden_size")
    layers, heads, hidden = (getattr(config, name, None) for name in names)
    if model.device.type != "cpu" or not (layers and heads and hidden):
        return None
    size = getattr(config, "head_dim", None) or hidden // heads
    keys = getattr(config, "num_key_value_heads", None) or heads
    of_a_token = 2 * layers * keys * size * int(model.dtype.itemsize)
    return int(max(1, CACHE_BYTES // of_a_token))

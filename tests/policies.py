"""Policies that write what a test says."""

from __future__ import annotations

from typing import Any


def plant(policy: Any, token: int) -> None:
    """Change a Llama's weights so that it writes ``token`` after anything."""
    import torch

    with torch.no_grad():
        for layer in policy.model.layers:  # what they add is nothing
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedded, head = policy.get_input_embeddings().weight, policy.lm_head.weight
        direction = torch.ones(embedded.shape[1])
        policy.model.norm.weight.copy_(direction)
        if head is embedded:  # a token's row is also what it is read as: only its sum counts
            embedded.copy_(direction.expand_as(embedded))
            embedded[token] *= 40
        else:
            embedded.copy_(direction.expand_as(embedded))
            head.zero_()
            head[token] = direction * 40

"""Draws of tokens, each row from a stream of its own: its neighbours in a batch do not matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def noise(generators: Sequence[torch.Generator | None], scores: torch.Tensor) -> torch.Tensor:
    """Return Gumbel noise ``[rows, vocabulary]``: the argmax of scores + noise is a draw.

    Args:
        generators: of each row, on the CPU.
        scores: logits over the temperature, ``[rows, vocabulary]``.
    """
    drawn = [torch.empty(scores.shape[1]).exponential_(generator=own) for own in generators]
    return -torch.stack(drawn).log().to(scores.device)


def nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return scores with all but each row's likeliest tokens at minus infinity.

    Those stay that have ``top_p`` of the probability together; the likeliest one always does.

    Args:
        scores: logits over the temperature, ``[rows, vocabulary]``.
    """
    if top_p >= 1:
        return scores
    ordered, places = scores.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    ordered = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.empty_like(scores).scatter_(-1, places, ordered)

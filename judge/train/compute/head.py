"""The vocabulary's head asked at chosen positions only: where a completion is trained."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel


def score_positions(model: PreTrainedModel) -> None:
    """Let ``model(..., score_at=positions)`` run its head on those hidden states alone.

    ``positions`` (``[N]``) count over the flattened ``[rows, tokens]``; the head then sees
    ``[1, N, hidden]``. Most of a judge's tokens are prompt, and nothing is trained on them.
    TRL's fused head, which makes log-probabilities in tiles, scores every position on a CPU.
    """
    wanted: list[torch.Tensor | None] = [None]

    def before(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        wanted[0] = kwargs.pop("score_at", None)
        return args, kwargs

    def after(module: Any, args: Any, output: Any) -> Any:
        positions, wanted[0] = wanted[0], None
        if positions is not None:
            hidden = output.last_hidden_state
            output.last_hidden_state = hidden.flatten(0, 1)[positions][None]
        return output

    model.base_model.register_forward_pre_hook(before, with_kwargs=True)
    model.base_model.register_forward_hook(after)

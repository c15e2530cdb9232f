"""Log-probabilities of responses under a policy."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

OURS = ("index", "labels", "of")
"""What of a batch is not the model's."""


def add_scores(model: PreTrainedModel) -> None:
    """Let ``model`` tell log-probabilities of chosen tokens, in tiles (TRL's fused head).

    To be called before PEFT wraps the model.
    """
    from trl.trainer.utils import add_fused_lm_head

    from judge.train.compute.head import score_positions

    score_positions(model)
    add_fused_lm_head(model)


def token_log_probs(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Return the log-probability of each token of a batch's responses, ``[tokens]``, in float32.

    Args:
        model: of :func:`add_scores`.
        inputs: of :class:`judge.train.align.examples.ResponseCollator`; its ``of`` says whose
            response a token is in.
    """
    arguments = {name: value for name, value in inputs.items() if name not in OURS}
    found: torch.Tensor = model(**arguments, use_cache=False, fused_lm_head=True).log_probs[0]
    return found.float()


def response_log_probs(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log-probability of each response of a batch, ``[sequences]``, and its tokens.

    As :func:`token_log_probs`.
    """
    tokens, of = token_log_probs(model, inputs), inputs["of"]
    count = int(of[-1]) + 1  # every sequence has a response
    whole = torch.zeros(count, dtype=tokens.dtype, device=tokens.device)
    return whole.index_add(0, of, tokens), torch.bincount(of, minlength=count)

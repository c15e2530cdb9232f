"""The policy gradient of REINFORCE with a leave-one-out baseline, as functions of a rollout.

Source: Ahmadian et al. (arXiv 2402.14740), after Kool et al. (2019): the reward of a response less
``beta`` times its divergence from the reference, less the mean of the same of the other responses
to its prompt, times the gradient of its log-probability.
"""

from __future__ import annotations

from typing import Literal

import torch

Divergence = Literal["mean_absolute", "sum"]
ResponseLoss = Literal["mean", "sum"]


def by_response(values: torch.Tensor, of: torch.Tensor, count: int) -> torch.Tensor:
    """Return the sum of the tokens' ``values`` ``[tokens]`` of each response, ``[count]``.

    Args:
        of: ``[tokens]``, whose response each is.
    """
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, of, values)


def divergences(
    log_probs: torch.Tensor, reference: torch.Tensor, of: torch.Tensor, count: int
) -> dict[Divergence, torch.Tensor]:
    """Return how far each response is from the reference, ``[count]``, in both ways of counting.

    ``mean_absolute`` is the mean over tokens of \\|log pi - log ref\\| (NeMo-Aligner's
    ``use_absolute_kl``); ``sum`` is log pi(y) - log ref(y), whose expectation is the KL divergence
    (TRL's RLOOTrainer).

    Args:
        log_probs: ``[tokens]`` of all responses under the policy.
        reference: ``[tokens]`` under the reference.
        of: ``[tokens]``, whose response each is.
    """
    ratios = log_probs - reference
    tokens = torch.bincount(of, minlength=count).clamp(min=1)
    return {
        "mean_absolute": by_response(ratios.abs(), of, count) / tokens,
        "sum": by_response(ratios, of, count),
    }


def leave_one_out(
    rewards: torch.Tensor, counted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each response's reward less the mean of the others of its prompt; and which count.

    Args:
        rewards: ``[prompts, samples]``, divergence and penalties subtracted; where a response does
            not count, any value, NaN too.
        counted: bool, the same shape; False: as if it had not been drawn.

    Returns:
        Advantages (0 where a response does not count) and a mask, both ``[prompts, samples]``; a
        response that is alone with its prompt has no baseline and does not count either.
    """
    many = counted.sum(1, keepdim=True)
    counted = counted & (many > 1)
    kept = torch.where(counted, rewards, 0.0)
    others = (kept.sum(1, keepdim=True) - kept) / (many - 1).clamp(min=1)
    return torch.where(counted, kept - others, 0.0), counted


def losses(
    log_probs: torch.Tensor,
    of: torch.Tensor,
    advantages: torch.Tensor,
    how: ResponseLoss,
) -> torch.Tensor:
    """Return what each response adds to the loss, ``[responses]``; its gradient is the estimate's.

    Args:
        log_probs: ``[tokens]`` under the policy, with a gradient.
        of: ``[tokens]``, whose response each is.
        advantages: ``[responses]``, 0 where one does not count.
        how: ``sum``: the log-probability of the response; ``mean``: of its tokens' mean.
    """
    count = len(advantages)
    whole = by_response(log_probs, of, count)
    if how == "mean":
        whole = whole / torch.bincount(of, minlength=count).clamp(min=1)
    return -advantages * whole

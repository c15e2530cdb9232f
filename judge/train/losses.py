"""The losses of the trainers, as functions of a batch: Bradley-Terry, regression, statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from judge.reward import Objective

PairLosses = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From the rewards of chosen and rejected and the margins, each ``[pairs]``, to the losses."""


def bt_losses(
    chosen: torch.Tensor, rejected: torch.Tensor, margin: torch.Tensor | None = None
) -> torch.Tensor:
    """Return -log s(rc - rr) of each pair, shape ``[pairs]``; a margin is not looked at.

    Source: HelpSteer2-Preference (arXiv 2410.01257), "Regular BT"; its mean is the loss.
    """
    return -logsigmoid(chosen - rejected)


def margin_bt_losses(
    chosen: torch.Tensor, rejected: torch.Tensor, margin: torch.Tensor
) -> torch.Tensor:
    """Return -log s(rc - rr - m) of each pair, shape ``[pairs]``; m is its |strength|.

    Source: HelpSteer2-Preference (arXiv 2410.01257), "Margin BT".
    """
    return -logsigmoid(chosen - rejected - margin)


def scaled_bt_losses(
    chosen: torch.Tensor, rejected: torch.Tensor, margin: torch.Tensor
) -> torch.Tensor:
    """Return -m log s(rc - rr) of each pair, shape ``[pairs]``; m is its |strength|.

    Source: HelpSteer2-Preference (arXiv 2410.01257), "Scaled BT".
    """
    return -margin * logsigmoid(chosen - rejected)


PAIR_LOSSES: dict[Objective, PairLosses] = {
    "bt": bt_losses,
    "margin_bt": margin_bt_losses,
    "scaled_bt": scaled_bt_losses,
}
"""The Bradley-Terry losses by the name a recipe gives them."""


def squared_errors(rewards: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
    """Return the squared errors, 0 where a rating is NaN (not rated), same shape as both.

    A missing rating has no gradient either: the difference is never taken.
    """
    return torch.where(ratings.isnan(), 0.0, rewards - ratings.nan_to_num()) ** 2


def masked_mse(rewards: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error over the ratings that are there, 0 where there is none.

    Args:
        rewards: the model's outputs, ``[responses, attributes]``.
        ratings: what people said, same shape; NaN where an attribute was not rated.
    """
    return squared_errors(rewards, ratings).sum() / (~ratings.isnan()).sum().clamp(min=1)


def statement_loss(
    model: Any, inputs: dict[str, Any], sides: list[int], order_consistency: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the weighted cross-entropy plus the order penalty, and figures for the log.

    The cross-entropy is the mean over completion tokens weighted by ``weights``. The penalty is the
    mean over twins of (z_given + z_flipped)^2, z the log-odds of "Response 1" at the branch: a
    judge without position bias has z_flipped = -z_given. Both come from log-probabilities that the
    model's fused head (TRL) gives in tiles: no logits of the whole vocabulary are kept.

    Args:
        model: a causal language model of :func:`judge.train.compute.head.score_positions`.
        inputs: a batch of :class:`judge.train.sft.examples.JustifierCollator`; twins side by side.
        sides: token ids of ``1`` and ``2`` at the branch.
        order_consistency: weight of the penalty.

    A batch of bare labels has the cross-entropy alone.
    """
    inputs = dict(inputs)
    weights, branch, said = (inputs.pop(name) for name in ("weights", "branch", "said"))
    labels = inputs.pop("shift_labels")
    # At a branch both sides are scored, beside the token that stands there.
    inputs["score_at"] = torch.cat([inputs["score_at"], branch, branch])
    both = [torch.full_like(labels[:, : len(branch)], side) for side in sides]
    inputs["shift_labels"] = torch.cat([labels, *both], dim=1)
    outputs = model(**inputs, use_cache=False, fused_lm_head=True)
    tokens, first, second = outputs.log_probs[0].split([len(weights), len(branch), len(branch)])
    loss = -(tokens * weights).sum() / weights.sum()
    parts = {"cross_entropy": loss.item()}

    if not len(branch):  # labels alone: no statement that parts
        return loss, parts
    z = first - second
    parts["verdict_accuracy"] = ((z > 0) == (said == sides[0])).float().mean().item()
    if order_consistency:
        twins = z.view(-1, 2)
        penalty = (twins.sum(1) ** 2).mean()
        parts["order_penalty"] = penalty.item()
        parts["consistent"] = ((twins[:, 0] > 0) != (twins[:, 1] > 0)).float().mean().item()
        loss = loss + order_consistency * penalty
    return loss, parts

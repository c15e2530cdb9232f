"""The losses of the trainers, as functions of a batch."""

from __future__ import annotations

from typing import Any

import torch

from judge.train.examples import IGNORED


def statement_loss(
    model: Any, inputs: dict[str, torch.Tensor], sides: list[int], order_consistency: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the weighted cross-entropy plus the order penalty, and figures for the log.

    The cross-entropy is the mean over completion tokens weighted by ``weights``. The penalty is the
    mean over twins of (z_given + z_flipped)^2, z the log-odds of "Response 1" at the branch: a
    judge without position bias has z_flipped = -z_given. Only the completions' logits are computed.

    Args:
        model: a causal language model.
        inputs: a batch of :class:`judge.train.examples.JustifierCollator`; twins side by side.
        sides: token ids of ``1`` and ``2`` at the branch.
        order_consistency: weight of the penalty.
    """
    labels = inputs["labels"]
    width = labels.shape[1]
    keep = width - int((labels != IGNORED).any(0).nonzero()[0]) + 1
    outputs = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        position_ids=inputs["position_ids"],
        use_cache=False,
        logits_to_keep=keep,
    )
    logits = outputs.logits.float()
    targets, weights = labels[:, width - keep + 1 :], inputs["weights"][:, width - keep + 1 :]
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    weights = torch.where(targets != IGNORED, weights, 0.0).flatten()
    loss = (losses * weights).sum() / weights.sum()
    parts = {"cross_entropy": loss.item()}

    rows = inputs["branch"].nonzero().flatten()
    at = logits[rows, inputs["branch"][rows] + keep][:, sides]
    z = at[:, 0] - at[:, 1]
    said = labels[rows, inputs["branch"][rows] + 1 + width]
    parts["verdict_accuracy"] = ((z > 0) == (said == sides[0])).float().mean().item()
    if order_consistency:
        twins = z.view(-1, 2)
        penalty = (twins.sum(1) ** 2).mean()
        parts["order_penalty"] = penalty.item()
        parts["consistent"] = ((twins[:, 0] > 0) != (twins[:, 1] > 0)).float().mean().item()
        loss = loss + order_consistency * penalty
    return loss, parts

"""The training loop of reward models: our batches, losses and figures in transformers' Trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from judge.reward import Objective
from judge.train.config import RewardConfig
from judge.train.losses import PAIR_LOSSES, masked_mse, squared_errors
from judge.train.sequence_trainer import SequenceTrainer


class RewardTrainer(SequenceTrainer):
    """A Trainer for ``[sequences, outputs]`` rewards: the mean is over pairs, or over ratings.

    Args:
        recipe: the objective and how to batch.
        examples: pairs labelled with their margin, or responses with ratings (NaN: not rated).
    """

    recipe: RewardConfig

    def __init__(self, *args: Any, recipe: RewardConfig, **kwargs: Any):
        self._figures: Counter[str] = Counter()
        figures = partial(figures_of, recipe.objective)
        super().__init__(*args, recipe=recipe, compute_metrics=figures, **kwargs)

    def units(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return how many labels are there."""
        labels: torch.Tensor = batch["labels"]
        return (~labels.isnan()).sum()

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        rewards = model(**model_inputs(inputs)).logits.float()
        losses = losses_of(self.recipe.objective, rewards, inputs["labels"])
        if self.recipe.objective != "regression":
            chosen, rejected = rewards.detach().view(-1, 2).unbind(1)
            self._figures["pairs"] += len(chosen)
            right = int((chosen > rejected).sum())
            self._figures["right"] += right
            self.count_right(right, len(chosen))
        return losses.sum(), rewards

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add this process's accuracy to the lines of training."""
        if "loss" in logs:
            if self._figures["pairs"]:
                logs["accuracy"] = self._figures["right"] / self._figures["pairs"]
            self._figures.clear()
        super().log(logs, start_time)

    def predictions(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rewards by example, and the labels; :func:`figures_of` makes the loss of both."""
        rewards = model(**model_inputs(inputs)).logits.float()
        return rewards.view(len(inputs["index"]), -1), inputs["labels"]


def model_inputs(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what of a batch is the model's."""
    return {name: value for name, value in inputs.items() if name not in ("index", "labels")}


def losses_of(objective: Objective, rewards: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of each label.

    Args:
        objective: chooses the loss.
        rewards: ``[sequences, outputs]``; of pairs, chosen and rejected in turn, one output.
        labels: ``[pairs, 1]`` margins, or ``[responses, outputs]`` ratings (NaN: not rated).
    """
    if objective == "regression":
        return squared_errors(rewards, labels)
    chosen, rejected = rewards.view(-1, 2).unbind(1)
    return PAIR_LOSSES[objective](chosen, rejected, labels[:, 0])


def figures_of(objective: Objective, prediction: EvalPrediction) -> dict[str, float]:
    """Return the validation loss, and the accuracy of pairs or Pearson's r by rated output mean.

    Of pairs a tie is wrong. Pearson's r is taken over all ratings that are there, output by output,
    and averaged; outputs without variance are left out.
    """
    rewards = torch.from_numpy(np.asarray(prediction.predictions, dtype=np.float32))
    labels = torch.from_numpy(np.asarray(prediction.label_ids, dtype=np.float32))
    if objective != "regression":
        loss = losses_of(objective, rewards.reshape(-1, 1), labels).mean().item()
        return {"loss": loss, "accuracy": (rewards[:, 0] > rewards[:, 1]).float().mean().item()}
    figures = {"loss": masked_mse(rewards, labels).item()}
    correlations = []
    for said, rated in zip(rewards.T, labels.T, strict=True):
        there = ~rated.isnan()
        if there.sum() > 1 and rated[there].std() > 0 and said[there].std() > 0:
            correlations.append(torch.corrcoef(torch.stack([said[there], rated[there]]))[0, 1])
    if correlations:
        figures["pearson"] = torch.stack(correlations).mean().item()
    return figures

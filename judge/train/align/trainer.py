"""The training loop of direct preference optimisation: our batches, losses and figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from judge.train.align.config import BRADLEY_TERRY, DPOConfig
from judge.train.align.log_probs import response_log_probs
from judge.train.losses import PAIR_LOSSES
from judge.train.sequence_trainer import SequenceTrainer


class DPOTrainer(SequenceTrainer):
    """A Trainer for pairs with labels ``[pairs, 3]``: margin, reference of chosen, of rejected.

    The losses are those of the Bradley-Terry models, of implicit rewards; their mean is over pairs.

    Args:
        recipe: the loss, ``beta`` and how to batch.
        examples: the training pairs.
    """

    recipe: DPOConfig

    def __init__(self, *args: Any, recipe: DPOConfig, **kwargs: Any):
        self._sums: dict[str, float] = defaultdict(float)
        metrics = partial(figures_of, recipe)
        super().__init__(*args, recipe=recipe, compute_metrics=metrics, **kwargs)

    def units(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return how many pairs there are."""
        return torch.tensor(len(batch["index"]))

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        found, tokens = response_log_probs(model, inputs)
        log_probs, labels = found.view(-1, 2), inputs["labels"]
        told = figures(self.recipe, log_probs.detach(), labels, tokens.view(-1, 2))
        for name, values in told.items():
            self._sums[name] += float(values.sum())
        self._sums["pairs"] += len(log_probs)
        self.count_right(int(told["accuracy"].sum()), len(log_probs))
        return losses_of(self.recipe, log_probs, labels).sum(), log_probs

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add this process's implicit rewards and log-probabilities to the lines of training."""
        if "loss" in logs and self._sums:
            pairs = self._sums.pop("pairs")
            logs |= {name: total / pairs for name, total in self._sums.items()}
            self._sums.clear()
        super().log(logs, start_time)

    def predictions(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log-probabilities by pair, and the labels; :func:`figures_of` makes the loss."""
        log_probs, _ = response_log_probs(model, inputs)
        return log_probs.view(-1, 2), inputs["labels"]


def implicit_rewards(
    recipe: DPOConfig, log_probs: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``beta`` times the log-ratios of chosen and rejected responses, ``[pairs]`` each.

    Args:
        log_probs: ``[pairs, 2]`` under the policy.
        labels: ``[pairs, 3]``, the margin and the same under the reference.
    """
    chosen, rejected = (recipe.beta * (log_probs - labels[:, 1:])).unbind(1)
    return chosen, rejected


def losses_of(recipe: DPOConfig, log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of each pair, ``[pairs]``.

    Source: HelpSteer2-Preference (arXiv 2410.01257), section 5.2: the Bradley-Terry losses with D
    in place of the difference of rewards; D after Rafailov et al. (arXiv 2305.18290).
    """
    chosen, rejected = implicit_rewards(recipe, log_probs, labels)
    return PAIR_LOSSES[BRADLEY_TERRY[recipe.loss]](chosen, rejected, labels[:, 0])


def figures(
    recipe: DPOConfig, log_probs: torch.Tensor, labels: torch.Tensor, tokens: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return what the log says of each pair.

    ``log_ratio`` is the mean absolute log-ratio a token: what offline training has for a KL.

    Args:
        log_probs: ``[pairs, 2]``.
        labels: ``[pairs, 3]``.
        tokens: ``[pairs, 2]``, of the responses.
    """
    chosen, rejected = implicit_rewards(recipe, log_probs, labels)
    ratios = log_probs - labels[:, 1:]
    return {
        "accuracy": (chosen > rejected).float(),
        "reward_chosen": chosen,
        "reward_rejected": rejected,
        "reward_margin": chosen - rejected,
        "log_prob_chosen": log_probs[:, 0],
        "log_prob_rejected": log_probs[:, 1],
        "chosen_change": ratios[:, 0],
        "log_ratio": (ratios.abs() / tokens).mean(1),
        "tokens_chosen": tokens[:, 0].float(),
        "tokens_rejected": tokens[:, 1].float(),
    }


def figures_of(recipe: DPOConfig, prediction: EvalPrediction) -> dict[str, float]:
    """Return the validation loss, accuracy of the implicit rewards (a tie is wrong) and margin."""
    log_probs = torch.from_numpy(np.asarray(prediction.predictions, dtype=np.float32))
    labels = torch.from_numpy(np.asarray(prediction.label_ids, dtype=np.float32))
    chosen, rejected = implicit_rewards(recipe, log_probs, labels)
    return {
        "loss": losses_of(recipe, log_probs, labels).mean().item(),
        "accuracy": (chosen > rejected).float().mean().item(),
        "reward_margin": (chosen - rejected).mean().item(),
        "chosen_change": (log_probs[:, 0] - labels[:, 1]).mean().item(),
    }

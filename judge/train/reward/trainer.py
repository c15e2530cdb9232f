"""The training loop of reward models: our batches, losses and figures in transformers' Trainer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from judge.reward import Objective
from judge.train.batches.balancing import LengthGroupedTwins
from judge.train.batches.packing import pack, pad
from judge.train.config import RewardConfig
from judge.train.faults import GuardedTrainer
from judge.train.losses import PAIR_LOSSES, masked_mse, squared_errors
from judge.train.reward.data import RewardSet


@dataclass
class RewardCollator:
    """Puts the sequences of a batch (chosen and rejected in turn, or responses) into one input.

    Returns the arguments of :func:`judge.train.batches.packing.pack` or ``pad``, and before them
    ``index`` (``[examples]``, which examples these are) and ``labels`` (``[examples, 1]`` margins,
    or ``[examples, outputs]`` ratings, NaN where there is none).
    """

    packed: bool
    pad_id: int

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        sequences = [ids for item in items for ids in item["sequences"]]
        inputs = pack(sequences) if self.packed else pad(sequences, self.pad_id)
        return {
            "index": torch.tensor([item["index"] for item in items]),
            "labels": torch.tensor([item["labels"] for item in items]),
            **inputs,
        }


class RewardTrainer(GuardedTrainer):
    """A Trainer for ``[sequences, outputs]`` rewards.

    A step's loss is the mean over all its pairs, or over all its ratings that are there, however
    the step is cut into micro-batches and spread over processes.

    Args:
        recipe: the objective and how to batch.
        names: the ids of the training examples, for errors.
        lengths: tokens of each training example, for batches of like length.
    """

    # compute_loss divides by the whole step's count (_get_num_items_in_batch).
    loss_is_scaled_for_ga = True

    def __init__(self, *args: Any, recipe: RewardConfig, examples: RewardSet, **kwargs: Any):
        self.recipe = recipe
        self.examples = examples
        self.packed: bool = kwargs["data_collator"].packed
        self.tokens: Counter[str] = Counter()
        self._figures: Counter[str] = Counter()
        super().__init__(*args, compute_metrics=lambda p: figures_of(recipe.objective, p), **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        if self.packed:
            return super()._get_train_sampler(train_dataset)
        batch = self.recipe.per_device_batch_size * self.args.world_size
        return LengthGroupedTwins(self.examples.lengths, False, batch, self.recipe.seed)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Return how many labels a step's micro-batches hold, over all processes."""
        count = sum((~batch["labels"].isnan()).sum() for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(count, device=device)).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        rewards = model(**model_inputs(inputs)).logits.float()
        losses = losses_of(self.recipe.objective, rewards, inputs["labels"])
        count = num_items_in_batch
        if count is None:
            count = (~inputs["labels"].isnan()).sum()
        loss = losses.sum() / count * self.accelerator.num_processes  # whose mean is taken
        self.check_loss(loss, [self.examples.names[i] for i in inputs["index"].tolist()])
        self._count(inputs, rewards.detach())
        return (loss, rewards) if return_outputs else loss

    def _count(self, inputs: dict[str, Any], rewards: torch.Tensor) -> None:
        """Add a micro-batch to the figures of the log."""
        real = inputs["attention_mask"].sum().item() if "attention_mask" in inputs else None
        self.tokens["forwarded"] += inputs["input_ids"].numel()
        self.tokens["padding"] += 0 if real is None else inputs["input_ids"].numel() - int(real)
        self.tokens["examples"] += len(inputs["index"])
        if self.recipe.objective != "regression":
            chosen, rejected = rewards.view(-1, 2).unbind(1)
            self._figures["pairs"] += len(chosen)
            right = int((chosen > rejected).sum())
            self._figures["right"] += right
            self.count_right(right, len(chosen))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add this process's accuracy and padding share to the lines of training."""
        if "loss" in logs:
            if self._figures["pairs"]:
                logs["accuracy"] = self._figures["right"] / self._figures["pairs"]
            logs["padding_share"] = self.tokens["padding"] / max(1, self.tokens["forwarded"])
            self._figures.clear()
        super().log(logs, start_time)

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Return rewards by example, and the labels; :func:`figures_of` makes the loss of both."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            rewards = model(**model_inputs(inputs)).logits.float()
        return None, rewards.view(len(inputs["index"]), -1), inputs["labels"]


def model_inputs(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what of a batch is the model's."""
    return {name: value for name, value in inputs.items() if name not in ("index", "labels")}


def losses_of(objective: Objective, rewards: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of each label.

    Args:
        objective: chooses the loss.
        rewards: ``[sequences, outputs]``; of pairs, chosen and rejected in turn, one output.
        labels: as :class:`RewardCollator` makes them.
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

"""The training loop of direct preference optimisation: our batches, losses and figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from judge.train.align.config import BRADLEY_TERRY, DPOConfig
from judge.train.align.examples import PairSet
from judge.train.align.log_probs import response_log_probs
from judge.train.batches.balancing import LengthGroupedTwins
from judge.train.faults import GuardedTrainer
from judge.train.losses import PAIR_LOSSES


class DPOTrainer(GuardedTrainer):
    """A Trainer for pairs with labels ``[pairs, 3]``: margin, reference of chosen, of rejected.

    A step's loss is the mean over all its pairs, however the step is cut into micro-batches and
    spread over processes. The losses are those of the Bradley-Terry models, of implicit rewards.

    Args:
        recipe: the loss, ``beta`` and how to batch.
        examples: the training pairs.
    """

    # compute_loss divides by the whole step's count (_get_num_items_in_batch).
    loss_is_scaled_for_ga = True

    def __init__(self, *args: Any, recipe: DPOConfig, examples: PairSet, **kwargs: Any):
        self.recipe = recipe
        self.examples = examples
        self.packed: bool = kwargs["data_collator"].packed
        self.tokens: Counter[str] = Counter()
        self._sums: dict[str, float] = defaultdict(float)
        super().__init__(*args, compute_metrics=lambda p: figures_of(recipe, p), **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        if self.packed:
            return super()._get_train_sampler(train_dataset)
        batch = self.recipe.per_device_batch_size * self.args.world_size
        return LengthGroupedTwins(self.examples.lengths, False, batch, self.recipe.seed)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Return how many pairs a step's micro-batches hold, over all processes."""
        count = sum(len(batch["index"]) for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(count, device=device)).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        log_probs, tokens = response_log_probs(model, inputs)
        log_probs, labels = log_probs.view(-1, 2), inputs["labels"]
        losses = losses_of(self.recipe, log_probs, labels)
        count = len(losses) if num_items_in_batch is None else num_items_in_batch
        loss = losses.sum() / count * self.accelerator.num_processes  # whose mean is taken
        self.check_loss(loss, [self.examples.names[i] for i in inputs["index"].tolist()])
        self._count(inputs, log_probs.detach(), tokens.view(-1, 2))
        return (loss, log_probs) if return_outputs else loss

    def _count(self, inputs: dict[str, Any], log_probs: torch.Tensor, tokens: torch.Tensor) -> None:
        """Add a micro-batch to the figures of the log."""
        real = inputs["attention_mask"].sum().item() if "attention_mask" in inputs else None
        self.tokens["forwarded"] += inputs["input_ids"].numel()
        self.tokens["padding"] += 0 if real is None else inputs["input_ids"].numel() - int(real)
        self.tokens["pairs"] += len(log_probs)
        found = figures(self.recipe, log_probs, inputs["labels"], tokens)
        for name, values in found.items():
            self._sums[name] += float(values.sum())
        self._sums["pairs"] += len(log_probs)
        self.count_right(int(found["accuracy"].sum()), len(log_probs))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add this process's implicit rewards and log-probabilities to the lines of training."""
        if "loss" in logs and self._sums:
            pairs = self._sums.pop("pairs")
            logs |= {name: total / pairs for name, total in self._sums.items()}
            logs["padding_share"] = self.tokens["padding"] / max(1, self.tokens["forwarded"])
            self._sums.clear()
        super().log(logs, start_time)

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Return log-probabilities by pair, and the labels; :func:`figures_of` makes the loss."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            log_probs, _ = response_log_probs(model, inputs)
        return None, log_probs.view(-1, 2), inputs["labels"]


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

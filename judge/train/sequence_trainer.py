"""The training loop of models that learn from whole conversations: what their trainers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import torch

from judge.runs.training import TrainingFigures
from judge.train.batches.balancing import LengthGroupedTwins
from judge.train.batches.sequences import SequenceSet
from judge.train.config import TrainerConfig
from judge.train.faults import GuardedTrainer


class SequenceTrainer(GuardedTrainer):
    """A Trainer over a :class:`judge.train.batches.sequences.SequenceSet`.

    A step's loss is the mean over everything that a subclass counts in it (:meth:`units`), however
    the step is cut into micro-batches and spread over processes.

    Args:
        recipe: how to batch.
        examples: the training examples.
    """

    # compute_loss divides by the whole step's count (_get_num_items_in_batch).
    loss_is_scaled_for_ga = True

    def __init__(self, *args: Any, recipe: TrainerConfig, examples: SequenceSet, **kwargs: Any):
        self.recipe = recipe
        self.examples = examples
        self.packed: bool = kwargs["data_collator"].packed
        self.tokens: Counter[str] = Counter()
        """``forwarded`` through the model, ``padding`` among them, and ``examples``."""
        super().__init__(*args, **kwargs)

    def units(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return how many losses a micro-batch has, a scalar."""
        raise NotImplementedError

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of a micro-batch's losses, a scalar, and the model's outputs."""
        raise NotImplementedError

    def predictions(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what validation measures of a batch, and its labels, one row an example."""
        raise NotImplementedError

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Return no loss, which ``compute_metrics`` makes of all batches, and the predictions."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return None, *self.predictions(model, inputs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        if self.packed:
            return super()._get_train_sampler(train_dataset)
        batch = self.recipe.per_device_batch_size * self.args.world_size
        return LengthGroupedTwins(self.examples.lengths, False, batch, self.recipe.seed)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Return how many losses a step's micro-batches have, over all processes."""
        count = sum(self.units(batch) for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(count, device=device)).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        total, outputs = self.summed_loss(model, inputs)
        count = self.units(inputs) if num_items_in_batch is None else num_items_in_batch
        loss = total / count * self.accelerator.num_processes  # whose mean is taken
        self.check_loss(loss, [self.examples.names[i] for i in inputs["index"].tolist()])
        real = inputs["attention_mask"].sum().item() if "attention_mask" in inputs else None
        self.tokens["forwarded"] += inputs["input_ids"].numel()
        self.tokens["padding"] += 0 if real is None else inputs["input_ids"].numel() - int(real)
        self.tokens["examples"] += len(inputs["index"])
        return (loss, outputs) if return_outputs else loss

    @property
    def padding_share(self) -> float:
        """Share of the positions of this process so far that hold padding."""
        return self.tokens["padding"] / max(1, self.tokens["forwarded"])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the padding share to the lines of training."""
        if "loss" in logs:
            logs["padding_share"] = self.padding_share
        super().log(logs, start_time)


class CountedSet(Protocol):
    """Examples of one side, and what was not used of it."""

    left_out: Counter[str]

    def __len__(self) -> int: ...


def left_out(train: CountedSet, evaluation: CountedSet) -> dict[str, int]:
    """Return what was not used of both sets, in words for a screen."""
    return {
        f"{why.replace('_', ' ')}, of {name}": count
        for name, examples in (("training", train), ("validation", evaluation))
        for why, count in sorted(examples.left_out.items())
    }


def figures_of(
    trainer: SequenceTrainer,
    train: CountedSet,
    evaluation: CountedSet,
    seconds: float,
    figures: Collection[str],
    unit: str = "examples",
) -> TrainingFigures:
    """Return what a manifest says of a finished training.

    Args:
        seconds: of this session.
        unit: what the sets hold.
        figures: names of the log's validation figures, ``eval_`` in front; the last ones are told.
    """
    counts = {f"train_{unit}": len(train), f"val_{unit}": len(evaluation)}
    counts |= {f"train_dropped_{why}": n for why, n in sorted(train.left_out.items())}
    counts |= {f"val_dropped_{why}": n for why, n in sorted(evaluation.left_out.items())}
    return TrainingFigures(
        counts=counts,
        packed=trainer.packed,
        tokens_this_session=trainer.tokens["forwarded"],
        padding_share=trainer.padding_share,
        examples_per_second=round(trainer.tokens["examples"] / seconds, 3),
        seconds_this_session=round(seconds),
        validation={
            name.removeprefix("eval_"): value
            for row in trainer.state.log_history  # the last one stays
            for name, value in row.items()
            if name in figures
        },
    )

"""Supervised fine-tuning of a policy: the responses that it should write, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction, PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.models import ATTRIBUTES_KNOWN
from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.train import tuning
from judge.train.align.config import PolicySFTConfig
from judge.train.align.conversations import (
    Steering,
    held_out,
    load_conversations,
    read_conversations,
)
from judge.train.align.log_probs import response_log_probs
from judge.train.align.policy_tuning import PolicyTuning
from judge.train.batches.sequences import SequenceExample
from judge.train.checkpoints.manifest import data_of_kind, read_data_manifest
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress
from judge.train.sequence_trainer import SequenceTrainer, figures_of


class PolicyTrainer(SequenceTrainer):
    """A Trainer whose step's loss is the mean over all tokens of its responses."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, compute_metrics=mean_loss, **kwargs)

    def units(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return how many response tokens there are."""
        return torch.tensor(batch["score_at"].numel())

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        log_probs, _ = response_log_probs(model, inputs)
        return -log_probs.sum(), log_probs

    def predictions(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log-probabilities and tokens by response; :func:`mean_loss` makes the loss."""
        log_probs, tokens = response_log_probs(model, inputs)
        return log_probs[:, None], tokens[:, None]


def mean_loss(prediction: EvalPrediction) -> dict[str, float]:
    """Return the mean negative log-probability of a response token."""
    log_probs = np.asarray(prediction.predictions, dtype=np.float64)
    return {"loss": float(-log_probs.sum() / np.asarray(prediction.label_ids).sum())}


def run(config: PolicySFTConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Fine-tune the policy of ``config``; return its manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated. ``progress`` is told how it goes.

    Raises:
        UsageError: for missing data or model, a line that is no conversation, a model without a
            chat template, a loss that is not a number, or an output folder of another one.
    """
    return tuning.run(PolicySFTTuning(config), progress)


class PolicySFTTuning(PolicyTuning):
    """Supervised fine-tuning of a policy; a :class:`judge.train.tuning.FineTuning`."""

    config: PolicySFTConfig

    def __init__(self, config: PolicySFTConfig) -> None:
        super().__init__(config)
        self.source = Path(config.data)
        self.steering = None if config.attributes is None else Steering(config.attributes)

    def check_data(self) -> TrainingData:
        if not self.source.is_dir():
            return TrainingData()
        if self.steering is not None:
            return data_of_kind(self.source, "regression", "SteerLM")
        return read_data_manifest(self.source)

    def card(self) -> dict[str, Any]:
        """Add, of SteerLM, the attributes that it knows, with their most frequent values."""
        told = {} if self.steering is None else {ATTRIBUTES_KNOWN: self.steering.most_frequent()}
        return {**super().card(), **told}

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read both sides, which share no prompt."""
        config, builder = self.config, ConversationBuilder(tokenizer)
        if self.steering is not None and builder.opened(("user",)) is not None:
            raise UsageError(
                f"model {config.model}: its chat template opens a thought where the attributes are"
                " to stand"
            )
        sides = (
            (False, config.train_limit, self.steering),
            (True, config.eval_limit, self.steering and Steering(self.steering.attributes)),
        )
        train, evaluation = (
            load_conversations(self._side(held), builder, config.max_length, limit, steering)
            for held, limit, steering in sides
        )
        train.refuse_none(self.source, "conversation to train on")
        evaluation.refuse_none(self.source, "conversation to validate on")
        self._have(tokenizer, train, evaluation)

    def _side(self, held: bool) -> Iterator[SequenceExample]:
        """Return the conversations that are held out for validation, or the others."""
        if self.source.is_dir():
            file = self.source / ("val.jsonl" if held else "train.jsonl")
            return read_conversations(file, self.config.attributes)
        share = self.config.val_share
        found = read_conversations(self.source, self.config.attributes)
        return (one for one in found if held_out(one.conversations[0], share) is held)

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> PolicyTrainer:
        return self._trainer(PolicyTrainer, arguments)

    def facts(self, trainer: PolicyTrainer) -> TrainingFacts:
        return self._facts(trainer, "a policy")

    def figures(self, trainer: PolicyTrainer, seconds: float) -> TrainingFigures:
        return figures_of(trainer, self.train, self.evaluation, seconds, ("eval_loss",))

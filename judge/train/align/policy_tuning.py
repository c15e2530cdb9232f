"""What every fine-tuning of a policy shares: arguments, trainer, what its folder says of it."""

from __future__ import annotations

from typing import Any, TypeVar

from transformers import PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import template_digest
from judge.train.align.examples import ResponseCollator
from judge.train.align.log_probs import add_scores
from judge.train.batches.sequences import SequenceSet
from judge.train.checkpoints.adapter_start import with_adapter
from judge.train.config import TrainerConfig
from judge.train.finetune import choose_packing, plain_arguments
from judge.train.progress import TrainingFacts, facts_of
from judge.train.reward.model import choose_padding
from judge.train.sequence_trainer import SequenceTrainer, left_out
from judge.train.sft.training import load_model

T = TypeVar("T", bound=SequenceTrainer)


def load_policy(
    config: TrainerConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[Any, ResponseCollator]:
    """Return the model of a recipe, in its adapter, that tells log-probabilities; how to batch.

    Raises:
        UsageError: when the model cannot be loaded.
    """
    model = load_model(config, tokenizer)
    packed = choose_packing(config, model)
    add_scores(model)
    adapted = with_adapter(model, config, task_type="CAUSAL_LM")
    return adapted, ResponseCollator(packed, tokenizer.pad_token_id)


class PolicyTuning:
    """Most of a :class:`judge.train.tuning.FineTuning` of a policy.

    A subclass reads its data, makes its trainer by :meth:`_trainer` and tells its figures.
    """

    evaluate_last = True
    tokenizer: PreTrainedTokenizerBase
    train: SequenceSet
    evaluation: SequenceSet

    def __init__(self, config: TrainerConfig) -> None:
        self.config = config

    def arguments(self) -> TrainingArguments:
        return plain_arguments(self.config)

    def card(self) -> dict[str, Any]:
        return {"kind": "policy", "chat_template": template_digest(self.tokenizer)}

    def _have(
        self, tokenizer: PreTrainedTokenizerBase, train: SequenceSet, evaluation: SequenceSet
    ) -> None:
        """Keep both sides, and choose a token for padding that no sequence ends with."""
        self.tokenizer, self.train, self.evaluation = tokenizer, train, evaluation
        choose_padding(tokenizer, train.last_ids | evaluation.last_ids)

    def _trainer(self, kind: type[T], arguments: TrainingArguments) -> T:
        """Load the model, let it tell log-probabilities and return its trainer.

        Raises:
            UsageError: when the model cannot be loaded.
        """
        model, collator = load_policy(self.config, self.tokenizer)
        return kind(
            model=model,
            args=arguments,
            train_dataset=self.train.items,
            eval_dataset=self.evaluation.items,
            processing_class=self.tokenizer,
            data_collator=collator,
            recipe=self.config,
            examples=self.train,
        )

    def _facts(self, trainer: SequenceTrainer, what: str) -> TrainingFacts:
        """Return what is shown before the first step.

        Args:
            what: is trained, as ``a policy``.
        """
        train, evaluation = self.train, self.evaluation
        sizes, unused = (len(train), len(evaluation)), left_out(train, evaluation)
        return facts_of(trainer, self.config, what, sizes, train.tokens, unused)

"""Training of reward models: load, tokenise, train by the objective's loss, save, say how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder, template_digest
from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.train import tuning
from judge.train.batches.sequences import SequenceCollator, SequenceSet
from judge.train.checkpoints.adapter_start import with_adapter
from judge.train.checkpoints.manifest import data_of_kind
from judge.train.config import RewardConfig
from judge.train.finetune import choose_packing, plain_arguments
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress, facts_of
from judge.train.reward.data import load_set
from judge.train.reward.model import HEAD, choose_padding, load_reward_model, read_at_ends
from judge.train.reward.trainer import RewardTrainer
from judge.train.sequence_trainer import figures_of, left_out

_FIGURES = ("eval_loss", "eval_accuracy", "eval_pearson")


def run(config: RewardConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Train the reward model of ``config``; return its manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated. ``progress`` is told how it goes.

    Raises:
        UsageError: for missing data or model, data of another kind, labels off their scale, a base
            without a chat template or with a head that does not fit, a loss that is not a number,
            or an output folder of another configuration.
    """
    return tuning.run(RewardTuning(config), progress)


class RewardTuning:
    """Training of a reward model; a :class:`judge.train.tuning.FineTuning`."""

    evaluate_last = True
    tokenizer: PreTrainedTokenizerBase
    train: SequenceSet
    evaluation: SequenceSet

    def __init__(self, config: RewardConfig) -> None:
        self.config = config

    def check_data(self) -> TrainingData:
        objective = self.config.objective
        kind = "regression" if objective == "regression" else "preference"
        return data_of_kind(Path(self.config.data), kind, f"objective {objective}")

    def arguments(self) -> TrainingArguments:
        return plain_arguments(self.config)

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.train, self.evaluation = load_sets(self.config, tokenizer)

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> RewardTrainer:
        model = load_reward_model(self.config, tokenizer)
        return build_trainer(self.config, arguments, model, tokenizer, self.train, self.evaluation)

    def facts(self, trainer: RewardTrainer) -> TrainingFacts:
        config, train, evaluation = self.config, self.train, self.evaluation
        what = f"a reward model ({config.objective}: {', '.join(config.outputs)})"
        sizes, unused = (len(train), len(evaluation)), left_out(train, evaluation)
        return facts_of(trainer, config, what, sizes, train.tokens, unused)

    def card(self) -> dict[str, Any]:
        return _judge(self.config, self.tokenizer)

    def figures(self, trainer: RewardTrainer, seconds: float) -> TrainingFigures:
        return figures_of(trainer, self.train, self.evaluation, seconds, _FIGURES)


def load_sets(
    config: RewardConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[SequenceSet, SequenceSet]:
    """Return training and validation examples; give ``tokenizer`` a padding token that fits them.

    Validation examples come longest first: their order is of no account, and padding is less.
    """
    builder = ConversationBuilder(tokenizer)
    train, evaluation = (
        load_set(
            Path(config.data) / f"{split}.jsonl",
            config.objective,
            config.outputs,
            builder,
            config.max_length,
            limit,
        )
        for split, limit in (("train", config.train_limit), ("val", config.eval_limit))
    )
    evaluation.items.sort(key=lambda item: -max(map(len, item["sequences"])))
    choose_padding(tokenizer, train.last_ids | evaluation.last_ids)
    return train, evaluation


def build_trainer(
    config: RewardConfig,
    arguments: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: SequenceSet,
    evaluation: SequenceSet,
) -> RewardTrainer:
    """Return the trainer for ``config``; packing, padding token and adapter are settled here."""
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    packed = choose_packing(config, model)
    read_at_ends(model)
    return RewardTrainer(
        model=with_adapter(model, config, task_type="SEQ_CLS", modules_to_save=[HEAD]),
        args=arguments,
        train_dataset=train.items,
        eval_dataset=evaluation.items,
        processing_class=tokenizer,
        data_collator=SequenceCollator(packed, tokenizer.pad_token_id),
        recipe=config,
        examples=train,
    )


def _judge(config: RewardConfig, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return what the checkpoint says of itself: outputs, objective, hash of the chat template."""
    return {
        "kind": "reward",
        "objective": config.objective,
        "outputs": list(config.outputs),
        "chat_template": template_digest(tokenizer),
    }

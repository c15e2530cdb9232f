"""Training of reward models: load, tokenise, train by the objective's loss, save, say how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder, template_digest
from judge.errors import UsageError
from judge.train import tuning
from judge.train.checkpoints.adapter_start import start_adapter
from judge.train.checkpoints.manifest import read_data_manifest
from judge.train.config import RewardConfig
from judge.train.finetune import (
    choose_packing,
    lora_config,
    store_base,
    trainer_arguments,
)
from judge.train.progress import UNWATCHED, Progress, TrainingFacts, facts_of
from judge.train.reward.data import RewardSet, load_set
from judge.train.reward.model import HEAD, choose_padding, load_reward_model, read_at_ends
from judge.train.reward.trainer import RewardCollator, RewardTrainer


def run(config: RewardConfig, progress: Progress = UNWATCHED) -> dict[str, Any]:
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
    train: RewardSet
    evaluation: RewardSet

    def __init__(self, config: RewardConfig) -> None:
        self.config = config

    def check_data(self) -> dict[str, Any]:
        return _data_of_kind(self.config)

    def arguments(self) -> TrainingArguments:
        arguments = TrainingArguments(**trainer_arguments(self.config))
        if arguments.n_gpu > 1:
            raise UsageError("several GPUs need a launcher (accelerate launch, torchrun)")
        return arguments

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.train, self.evaluation = load_sets(self.config, tokenizer)

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> RewardTrainer:
        model = load_reward_model(self.config, tokenizer)
        return build_trainer(self.config, arguments, model, tokenizer, self.train, self.evaluation)

    def facts(self, trainer: RewardTrainer) -> TrainingFacts:
        return _facts(trainer, self.config, self.train, self.evaluation)

    def card(self) -> dict[str, Any]:
        return _judge(self.config, self.tokenizer)

    def about(self, trainer: RewardTrainer, seconds: float) -> dict[str, Any]:
        return _about(trainer, self.train, self.evaluation, seconds)


def _facts(
    trainer: RewardTrainer, config: RewardConfig, train: RewardSet, evaluation: RewardSet
) -> TrainingFacts:
    left_out = {
        f"{why.replace('_', ' ')}, of {name}": count
        for name, examples in (("training", train), ("validation", evaluation))
        for why, count in sorted(examples.left_out.items())
    }
    what = f"a reward model ({config.objective}: {', '.join(config.outputs)})"
    tokens = sum(len(ids) for item in train.items for ids in item["sequences"])
    return facts_of(trainer, config, what, (len(train), len(evaluation)), tokens, left_out)


def load_sets(
    config: RewardConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[RewardSet, RewardSet]:
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
    items = [*train.items, *evaluation.items]
    choose_padding(tokenizer, {ids[-1] for item in items for ids in item["sequences"]})
    return train, evaluation


def build_trainer(
    config: RewardConfig,
    arguments: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: RewardSet,
    evaluation: RewardSet,
) -> RewardTrainer:
    """Return the trainer for ``config``; packing, padding token and adapter are settled here."""
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    packed = choose_packing(config, model)
    read_at_ends(model)
    return RewardTrainer(
        model=_with_adapter(model, config),
        args=arguments,
        train_dataset=train.items,
        eval_dataset=evaluation.items,
        processing_class=tokenizer,
        data_collator=RewardCollator(packed, tokenizer.pad_token_id),
        recipe=config,
        examples=train,
    )


def _with_adapter(model: PreTrainedModel, config: RewardConfig) -> Any:
    """Return the model inside the recipe's LoRA adapter, whose folder keeps the head too."""
    adapter = lora_config(config, task_type="SEQ_CLS", modules_to_save=[HEAD])
    if adapter is None:
        return model
    from peft import get_peft_model

    # Under ZeRO-3 all trained weights must have one precision (deepspeedai/DeepSpeed#8072).
    adapted = get_peft_model(model, adapter, autocast_adapter_dtype=config.deepspeed is None)
    start_adapter(adapted, config)
    store_base(adapted, config)
    if config.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def _data_of_kind(config: RewardConfig) -> dict[str, Any]:
    """Return the manifest of the data after checking that it suits the objective."""
    data = read_data_manifest(Path(config.data))
    kind = "regression" if config.objective == "regression" else "preference"
    found = (data.get("options") or {}).get("kind")
    if found != kind:
        raise UsageError(
            f"{config.data} holds data of kind {found or 'justifier'}; objective "
            f"{config.objective} needs `judge data prepare --kind {kind}`"
        )
    return data


def _judge(config: RewardConfig, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return what the checkpoint says of itself: outputs, objective, hash of the chat template."""
    return {
        "kind": "reward",
        "objective": config.objective,
        "outputs": list(config.outputs),
        "chat_template": template_digest(tokenizer),
    }


def _about(
    trainer: RewardTrainer, train: RewardSet, evaluation: RewardSet, seconds: float
) -> dict[str, Any]:
    """Return the counts of a finished training, this process's tokens and its rate."""
    counts: dict[str, Any] = {"train_examples": len(train), "val_examples": len(evaluation)}
    counts |= {f"train_dropped_{why}": n for why, n in sorted(train.left_out.items())}
    counts |= {f"val_dropped_{why}": n for why, n in sorted(evaluation.left_out.items())}
    tokens = trainer.tokens
    return {
        "counts": counts,
        "packed": trainer.packed,
        "tokens_this_session": tokens["forwarded"],
        "padding_share": tokens["padding"] / max(1, tokens["forwarded"]),
        "examples_per_second": round(tokens["examples"] / seconds, 3),
        "seconds_this_session": round(seconds),
        "validation": {
            name.removeprefix("eval_"): value
            for row in trainer.state.log_history  # the last one stays
            for name, value in row.items()
            if name in ("eval_loss", "eval_accuracy", "eval_pearson")
        },
    }

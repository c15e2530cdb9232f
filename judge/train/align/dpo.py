"""Direct preference optimisation: load, tokenise, ask the reference, train, save, say how."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments, set_seed

from judge.conversation import ConversationBuilder, template_digest
from judge.errors import UsageError
from judge.models import resolve_model
from judge.models.layers import digest_of
from judge.train.align.config import DPOConfig
from judge.train.align.examples import PairSet, ResponseCollator, load_pairs
from judge.train.align.log_probs import add_scores
from judge.train.align.policy import load_policy, with_adapter
from judge.train.align.reference import add_reference
from judge.train.align.trainer import DPOTrainer
from judge.train.checkpoints.manifest import claim_output, read_data_manifest, write_manifest
from judge.train.finetune import (
    choose_packing,
    join_deepspeed,
    load_tokenizer,
    train_and_save,
    trainer_arguments,
)
from judge.train.observe import observe
from judge.train.progress import UNWATCHED, Progress, TrainingFacts, facts_of
from judge.train.reward.model import choose_padding

_LOGGED = ("eval_loss", "eval_accuracy", "eval_reward_margin", "eval_chosen_change")


def run(config: DPOConfig, progress: Progress = UNWATCHED) -> dict[str, Any]:
    """Align the model of ``config``; return the manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, or in the midst of
    the reference's pass, with the same result as an uninterrupted run; a finished run is not
    repeated. ``progress`` is told how it goes.

    Raises:
        UsageError: for missing data or model, data of another kind, strengths that the loss cannot
            use, a model without a chat template, a loss that is not a number, or an output folder
            of another configuration.
    """
    output = Path(config.output_dir)
    data = _preferences(config)
    finished = claim_output(output, config)
    if finished is not None:
        return finished
    # The arguments before the model: with DeepSpeed's in force it is partitioned while it loads.
    arguments = TrainingArguments(**trainer_arguments(config))
    join_deepspeed(config)
    set_seed(config.seed)
    progress.doing(f"reading the pairs of {config.data}")
    tokenizer = load_tokenizer(config)
    train, evaluation = _pairs(config, tokenizer)
    progress.doing(f"loading the model {config.model}")
    model = load_policy(config, tokenizer)
    trainer = build_trainer(config, arguments, model, tokenizer, train, evaluation)
    computed = _ask_reference(trainer, config, tokenizer, (train, evaluation), progress)
    observe(trainer, config, _facts(trainer, config, train, evaluation), progress)
    started = time.time()
    train_and_save(trainer, config, evaluate_last=True)
    seconds = time.time() - started
    if not trainer.is_world_process_zero():
        return {}
    tokenizer.save_pretrained(output)
    about = _about(trainer, train, evaluation, seconds) | {"reference_pairs_computed": computed}
    card = {"kind": "policy", "chat_template": template_digest(tokenizer)}
    return write_manifest(output, config, data, trainer, card, about)


def build_trainer(
    config: DPOConfig,
    arguments: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: PairSet,
    evaluation: PairSet,
) -> DPOTrainer:
    """Return the trainer for ``config``; packing, padding token and adapter are settled here."""
    packed = choose_packing(config, model)
    add_scores(model)
    return DPOTrainer(
        model=with_adapter(model, config),
        args=arguments,
        train_dataset=train.items,
        eval_dataset=evaluation.items,
        processing_class=tokenizer,
        data_collator=ResponseCollator(packed, tokenizer.pad_token_id),
        recipe=config,
        examples=train,
    )


def _preferences(config: DPOConfig) -> dict[str, Any]:
    data = read_data_manifest(Path(config.data))
    found = (data.get("options") or {}).get("kind")
    if found != "preference":
        raise UsageError(
            f"{config.data} holds data of kind {found or 'justifier'}; DPO needs `judge data"
            " prepare --kind preference`"
        )
    return data


def _pairs(config: DPOConfig, tokenizer: PreTrainedTokenizerBase) -> tuple[PairSet, PairSet]:
    """Return training and validation pairs; the latter longest first, for less padding."""
    builder = ConversationBuilder(tokenizer)
    train, evaluation = (
        load_pairs(
            Path(config.data) / f"{split}.jsonl", config.loss, builder, config.max_length, limit
        )
        for split, limit in (("train", config.train_limit), ("val", config.eval_limit))
    )
    evaluation.items.sort(key=lambda item: -max(map(len, item["sequences"])))
    items = [*train.items, *evaluation.items]
    choose_padding(tokenizer, {ids[-1] for item in items for ids in item["sequences"]})
    return train, evaluation


def _ask_reference(
    trainer: DPOTrainer,
    config: DPOConfig,
    tokenizer: PreTrainedTokenizerBase,
    sets: tuple[PairSet, PairSet],
    progress: Progress,
) -> int:
    """Add the reference to both sets; return how many pairs had to be computed."""
    about = {
        "model": config.model,
        "revision": config.revision,
        "digest": digest_of(resolve_model(config.model)),
        "random_init": config.random_init and [config.random_init, config.seed],
        "template": template_digest(tokenizer),
        "packed": trainer.packed,
        "batch": config.per_device_batch_size,
        "processes": trainer.args.world_size,
        "bf16": config.bf16,
    }
    output = Path(config.output_dir)
    return sum(
        add_reference(trainer, pairs, output / f"reference_{name}.jsonl", about, progress)
        for name, pairs in zip(("train", "val"), sets, strict=True)
    )


def _facts(
    trainer: DPOTrainer, config: DPOConfig, train: PairSet, evaluation: PairSet
) -> TrainingFacts:
    left_out = {
        f"{why.replace('_', ' ')}, of {name}": count
        for name, pairs in (("training", train), ("validation", evaluation))
        for why, count in sorted(pairs.left_out.items())
    }
    tokens = sum(len(ids) for item in train.items for ids in item["sequences"])
    what = f"a policy ({config.loss} DPO, beta {config.beta:g})"
    return facts_of(trainer, config, what, (len(train), len(evaluation)), tokens, left_out)


def _about(
    trainer: DPOTrainer, train: PairSet, evaluation: PairSet, seconds: float
) -> dict[str, Any]:
    counts: dict[str, Any] = {"train_examples": len(train), "val_examples": len(evaluation)}
    counts |= {f"train_dropped_{why}": n for why, n in sorted(train.left_out.items())}
    counts |= {f"val_dropped_{why}": n for why, n in sorted(evaluation.left_out.items())}
    tokens = trainer.tokens
    return {
        "counts": counts,
        "packed": trainer.packed,
        "tokens_this_session": tokens["forwarded"],
        "padding_share": tokens["padding"] / max(1, tokens["forwarded"]),
        "seconds_this_session": round(seconds),
        "validation": {
            name.removeprefix("eval_"): value
            for row in trainer.state.log_history  # the last one stays
            for name, value in row.items()
            if name in _LOGGED
        },
    }

"""Supervised fine-tuning of a policy: the responses that it should write, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction, PreTrainedTokenizerBase, TrainingArguments, set_seed

from judge.conversation import ConversationBuilder, template_digest
from judge.errors import UsageError
from judge.train.align.config import PolicySFTConfig
from judge.train.align.conversations import (
    Conversation,
    ConversationSet,
    held_out,
    load_conversations,
    read_conversations,
)
from judge.train.align.examples import ResponseCollator
from judge.train.align.log_probs import add_scores, response_log_probs
from judge.train.align.policy import load_policy, with_adapter
from judge.train.batches.balancing import LengthGroupedTwins
from judge.train.checkpoints.manifest import claim_output, read_data_manifest, write_manifest
from judge.train.config import TrainerConfig
from judge.train.faults import GuardedTrainer
from judge.train.finetune import (
    choose_packing,
    join_deepspeed,
    load_tokenizer,
    train_and_save,
    trainer_arguments,
)
from judge.train.observe import observe
from judge.train.progress import UNWATCHED, Progress, facts_of
from judge.train.reward.model import choose_padding


class PolicyTrainer(GuardedTrainer):
    """A Trainer whose step's loss is the mean over all tokens of its responses."""

    # compute_loss divides by the whole step's count (_get_num_items_in_batch).
    loss_is_scaled_for_ga = True

    def __init__(self, *args: Any, recipe: TrainerConfig, examples: ConversationSet, **kwargs: Any):
        self.recipe = recipe
        self.examples = examples
        self.packed: bool = kwargs["data_collator"].packed
        self.tokens: Counter[str] = Counter()
        super().__init__(*args, compute_metrics=mean_loss, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        if self.packed:
            return super()._get_train_sampler(train_dataset)
        batch = self.recipe.per_device_batch_size * self.args.world_size
        return LengthGroupedTwins(self.examples.lengths, False, batch, self.recipe.seed)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Return how many response tokens a step's micro-batches hold, over all processes."""
        count = sum(batch["score_at"].numel() for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(count, device=device)).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        log_probs, tokens = response_log_probs(model, inputs)
        count = tokens.sum() if num_items_in_batch is None else num_items_in_batch
        loss = -log_probs.sum() / count * self.accelerator.num_processes  # whose mean is taken
        self.check_loss(loss, [self.examples.names[i] for i in inputs["index"].tolist()])
        self.tokens["forwarded"] += inputs["input_ids"].numel()
        return (loss, log_probs) if return_outputs else loss

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Return log-probabilities and tokens by response; :func:`mean_loss` makes the loss."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            log_probs, tokens = response_log_probs(model, inputs)
        return None, log_probs[:, None], tokens[:, None]


def mean_loss(prediction: EvalPrediction) -> dict[str, float]:
    """Return the mean negative log-probability of a response token."""
    log_probs = np.asarray(prediction.predictions, dtype=np.float64)
    return {"loss": float(-log_probs.sum() / np.asarray(prediction.label_ids).sum())}


def run(config: PolicySFTConfig, progress: Progress = UNWATCHED) -> dict[str, Any]:
    """Fine-tune the policy of ``config``; return its manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated.

    Raises:
        UsageError: for missing data or model, a line that is no conversation, a model without a
            chat template, a loss that is not a number, or an output folder of another one.
    """
    output, source = Path(config.output_dir), Path(config.data)
    data = read_data_manifest(source) if source.is_dir() else {}
    finished = claim_output(output, config)
    if finished is not None:
        return finished
    # The arguments before the model: with DeepSpeed's in force it is partitioned while it loads.
    arguments = TrainingArguments(**trainer_arguments(config))
    join_deepspeed(config)
    set_seed(config.seed)
    progress.doing(f"reading the conversations of {config.data}")
    tokenizer = load_tokenizer(config)
    train, evaluation = _sets(config, tokenizer)
    progress.doing(f"loading the model {config.model}")
    model = load_policy(config, tokenizer)
    packed = choose_packing(config, model)
    add_scores(model)
    trainer = PolicyTrainer(
        model=with_adapter(model, config),
        args=arguments,
        train_dataset=train.items,
        eval_dataset=evaluation.items,
        processing_class=tokenizer,
        data_collator=ResponseCollator(packed, tokenizer.pad_token_id),
        recipe=config,
        examples=train,
    )
    left_out = {
        f"{why.replace('_', ' ')}, of {name}": count
        for name, part in (("training", train), ("validation", evaluation))
        for why, count in sorted(part.left_out.items())
    }
    sizes = len(train), len(evaluation)
    tokens = sum(train.lengths)
    observe(
        trainer, config, facts_of(trainer, config, "a policy", sizes, tokens, left_out), progress
    )
    started = time.time()
    train_and_save(trainer, config, evaluate_last=True)
    seconds = round(time.time() - started)
    if not trainer.is_world_process_zero():
        return {}
    tokenizer.save_pretrained(output)
    counts = {"train_examples": len(train), "val_examples": len(evaluation)}
    counts |= {f"train_dropped_{why}": n for why, n in sorted(train.left_out.items()) if n}
    counts |= {f"val_dropped_{why}": n for why, n in sorted(evaluation.left_out.items()) if n}
    about = {"counts": counts, "packed": packed, "seconds_this_session": seconds}
    card = {"kind": "policy", "chat_template": template_digest(tokenizer)}
    return write_manifest(output, config, data, trainer, card, about)


def _sets(
    config: PolicySFTConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[ConversationSet, ConversationSet]:
    """Return training and validation conversations, none of whose prompts is on both sides."""
    builder, source = ConversationBuilder(tokenizer), Path(config.data)
    if source.is_dir():
        read = [read_conversations(source / f"{split}.jsonl") for split in ("train", "val")]
    else:
        read = [_side(source, config.val_share, held) for held in (False, True)]
    train, evaluation = (
        load_conversations(found, builder, config.max_length, limit)
        for found, limit in zip(read, (config.train_limit, config.eval_limit), strict=True)
    )
    for name, part in (("train", train), ("validate", evaluation)):
        if not part.items:
            reasons = ", ".join(f"{n} {why}" for why, n in sorted(part.left_out.items()) if n)
            raise UsageError(f"{source}: no conversation to {name} on ({reasons or 'none there'})")
    items = [*train.items, *evaluation.items]
    choose_padding(tokenizer, {ids[-1] for item in items for ids in item["sequences"]})
    return train, evaluation


def _side(source: Path, share: float, held: bool) -> Iterator[tuple[str, Conversation]]:
    """Yield the conversations of a file that are held out, or the others."""
    return (item for item in read_conversations(source) if held_out(item[1], share) is held)

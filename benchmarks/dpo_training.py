"""Pairs a second of our DPO training against TRL's DPOTrainer, in one run.

    python benchmarks/dpo_training.py [--pairs 32] [--batch 8] [--repeats 3] [--data FOLDER]

Both train regular DPO from the same weights on the same token ids of mixed lengths, in the same
order and batches, in float32. TRL as it comes: chosen and rejected padded to the longest of the
batch, a second model asked at every step. Ours packed, the reference asked once before the first
step; its pass counts. With one epoch both forward every sequence twice, with the paper's two ours
does so three times and TRL four times. Without --data the pairs are this project's examples, some
with a response repeated; with it, the train.jsonl of `judge data prepare --kind preference`. Gated:
the ratio of tokens forwarded, at least 1.5, and the largest difference of two losses, 1e-4; rates
depend on the machine.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from datasets import Dataset
from reward_training import KEPT_ALIKE, arguments, trained_on, training_file
from transformers import PreTrainedModel, PrinterCallback, TrainingArguments, set_seed
from trl import DPOConfig as TrlConfig
from trl import DPOTrainer as TrlTrainer

from judge.conversation import ConversationBuilder
from judge.train.align.config import DPOConfig
from judge.train.align.examples import ResponseCollator, load_pairs
from judge.train.align.log_probs import add_scores
from judge.train.align.reference import add_reference
from judge.train.align.trainer import DPOTrainer
from judge.train.batches.sequences import SequenceSet
from judge.train.finetune import load_tokenizer, trainer_arguments
from judge.train.progress import UNWATCHED
from judge.train.reward.model import choose_padding
from judge.train.sft.training import load_model


class Prepared(TrlTrainer):  # type: ignore[misc]
    """TRL's trainer on token ids that are there already."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


def main() -> None:
    """Run both in turn and print rates, ratios, tokens and the difference of the losses."""
    parser = arguments(__doc__, pairs=32, batch=8)
    parser.add_argument("--epochs", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = DPOConfig(
            model=options.model,
            data=folder,
            output_dir=f"{folder}/run",
            loss="regular",
            beta=0.1,
            packing=True,
            bf16=False,
            learning_rate=1e-5,
            epochs=options.epochs,
            global_batch_size=options.batch,
            per_device_batch_size=options.batch,
        )
        compare(recipe, training_file(options, folder), options)


def compare(recipe: DPOConfig, path: Path, options: argparse.Namespace) -> None:
    """Train with both in turn, ``options.repeats`` times; exit with an error under the gates."""
    tokenizer = load_tokenizer(recipe)
    builder = ConversationBuilder(tokenizer)
    data = load_pairs(path, recipe.loss, builder, recipe.max_length, options.pairs)
    choose_padding(tokenizer, data.last_ids)
    quiet = {"save_strategy": "no", "eval_strategy": "no", "report_to": []}
    ours = TrainingArguments(
        **(trainer_arguments(recipe) | quiet | {"remove_unused_columns": False})
    )
    theirs = TrlConfig(
        output_dir=recipe.output_dir,
        logging_steps=1,
        max_length=None,
        beta=recipe.beta,
        dataloader_pin_memory=False,
        **quiet,
        **{name: getattr(ours, name) for name in KEPT_ALIKE},
    )
    set_seed(recipe.seed)
    model = load_model(recipe, tokenizer)
    seconds: dict[str, list[float]] = {"ours": [], "TRL": []}
    for repeat in range(options.repeats + 1):  # the first warms up
        counts: dict[str, Counter[str]] = {"ours": Counter(), "TRL": Counter()}
        losses = {}
        for name, make, asked in (("ours", our_trainer, ours), ("TRL", trl_trainer, theirs)):
            trainer = make(recipe, asked, copy.deepcopy(model), tokenizer, data)
            took, losses[name] = train(trainer, data, counts[name])
            if repeat:
                seconds[name].append(took)
    print(f"{trained_on(options, data)}, {options.epochs:g} epochs")
    for name, counted in counts.items():
        rate = options.epochs * len(data) / statistics.median(seconds[name])
        print(
            f"{name + ':':6}{rate:8.2f} pairs/s, {counted['forwarded']:,} tokens forwarded, "
            f"{counted['padding'] / counted['forwarded']:.1%} of them padding"
        )
    ratio = counts["TRL"]["forwarded"] / counts["ours"]["forwarded"]
    faster = statistics.median(seconds["TRL"]) / statistics.median(seconds["ours"])
    apart = max(abs(a - b) for a, b in zip(losses["ours"], losses["TRL"], strict=True))
    print(f"tokens forwarded, TRL to ours:{ratio:6.2f}")
    print(f"time, TRL to ours:{faster:18.2f}")
    print(f"losses of {len(losses['ours'])} steps at most {apart:.1e} apart")
    if ratio < options.least or apart > 1e-4:
        raise SystemExit(f"gates: ratio at least {options.least}, losses within 1e-4")


def train(trainer: Any, data: SequenceSet, counts: Counter[str]) -> tuple[float, list[float]]:
    """Return seconds, the reference's included, and the loss of each step; count what all models
    forward in ``counts``."""
    collate = trainer.data_collator
    models = 2 if isinstance(trainer, TrlTrainer) else 1

    class Counting:
        packed = getattr(collate, "packed", False)

        def __call__(self, items: list[Any]) -> Any:
            batch = collate(items)
            mask = batch.get("attention_mask")
            counts["forwarded"] += models * batch["input_ids"].numel()
            counts["padding"] += 0 if mask is None else models * int((mask == 0).sum())
            return batch

    trainer.data_collator = Counting()
    trainer.remove_callback(PrinterCallback)
    started = time.perf_counter()
    if not isinstance(trainer, TrlTrainer):
        for item in data.items:
            del item["labels"][1:]  # of the last repeat
        file = Path(trainer.args.output_dir) / "reference.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        add_reference(trainer, data, file, {}, UNWATCHED)
    trainer.train()
    seconds = time.perf_counter() - started
    return seconds, [row["loss"] for row in trainer.state.log_history if "loss" in row]


def our_trainer(
    recipe: DPOConfig,
    arguments: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: Any,
    data: SequenceSet,
) -> DPOTrainer:
    """Return the trainer of ``judge align dpo``, before its reference is asked."""
    add_scores(model)
    return DPOTrainer(
        model=model,
        args=arguments,
        train_dataset=data.items,
        eval_dataset=data.items,
        processing_class=tokenizer,
        data_collator=ResponseCollator(True, tokenizer.pad_token_id),
        recipe=recipe,
        examples=data,
    )


def trl_trainer(
    recipe: DPOConfig,
    arguments: TrlConfig,
    model: PreTrainedModel,
    tokenizer: Any,
    data: SequenceSet,
) -> TrlTrainer:
    """Return TRL's trainer with its own collator on the same token ids."""
    rows = [
        {
            "prompt_ids": item["sequences"][0][: item["prompt"]],
            "chosen_ids": item["sequences"][0][item["prompt"] :],
            "rejected_ids": item["sequences"][1][item["prompt"] :],
        }
        for item in data.items
    ]
    return Prepared(
        model=model,
        ref_model=copy.deepcopy(model),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


if __name__ == "__main__":
    main()

"""Examples a second of our packed reward training against TRL's RewardTrainer, in one run.

    python benchmarks/reward_training.py [--pairs 48] [--batch 16] [--repeats 3] [--data FOLDER]

Both train the regular Bradley-Terry loss from the same weights, on the same pairs of mixed lengths,
in the same order and batches, in float32: TRL with its own collator, which pads chosen and rejected
to the longest of the batch, ours packed. Without --data the pairs are this project's examples, some
with a response repeated; with it, the train.jsonl of `judge data prepare --kind preference`. The
ratio of the medians is gated (at least 1.5), and so is the largest difference of two losses
(1e-4); absolute rates depend on the machine.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainingArguments, set_seed
from transformers.utils import logging
from trl import RewardConfig as TrlConfig
from trl import RewardTrainer as TrlTrainer

from judge.conversation import ConversationBuilder
from judge.train.batches.sequences import SequenceSet
from judge.train.config import RewardConfig
from judge.train.finetune import load_tokenizer, trainer_arguments
from judge.train.reward.data import load_set
from judge.train.reward.model import choose_padding, load_reward_model
from judge.train.reward.training import build_trainer

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"
KEPT_ALIKE = ("per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate")
KEPT_ALIKE += ("lr_scheduler_type", "warmup_steps", "max_grad_norm", "bf16", "use_cpu", "seed")
KEPT_ALIKE += ("data_seed", "num_train_epochs", "disable_tqdm", "gradient_checkpointing")


def mixed_pairs(count: int) -> list[dict[str, Any]]:
    """Return ``count`` preferences of mixed lengths: the examples, some with repeated responses."""
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    pairs = []
    for i in range(count):
        row, copies = rows[i % len(rows)], 1 + (i * 7) % 4
        sides = [row["response_1"], "\n\n".join([row["response_2"]] * copies)]
        pairs.append(
            {
                "pair_id": str(i),
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": "assistant", "content": sides[i % 2]}],
                "rejected": [{"role": "assistant", "content": sides[1 - i % 2]}],
                "margin": 1,
            }
        )
    return pairs


def train(trainer: Any, rows: Counter[str]) -> tuple[float, list[float]]:
    """Return seconds and the loss of each step; count tokens forwarded and padded in ``rows``."""
    collate = trainer.data_collator

    def counted(items: list[Any]) -> Any:
        batch = collate(items)
        mask = batch.get("attention_mask")
        rows["forwarded"] += batch["input_ids"].numel()
        rows["padding"] += 0 if mask is None else int((mask == 0).sum())
        return batch

    trainer.data_collator = counted
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    return seconds, [r["loss"] for r in trainer.state.log_history if "loss" in r]


def arguments(description: str | None, pairs: int, batch: int) -> argparse.ArgumentParser:
    """Return the parser of a benchmark against TRL, with the defaults of its options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pairs", type=int, default=pairs)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", help="folder of prepared preferences")
    parser.add_argument("--least", type=float, default=1.5, help="smallest ratio that passes")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return parser


def training_file(options: argparse.Namespace, folder: str) -> Path:
    """Return the pairs to train on: those of ``--data``, else mixed ones, written to ``folder``."""
    path = Path(options.data or folder) / "train.jsonl"
    if not options.data:
        path.write_text("".join(json.dumps(p) + "\n" for p in mixed_pairs(options.pairs)))
    return path


def trained_on(options: argparse.Namespace, data: SequenceSet) -> str:
    """Return a line on the model and the pairs."""
    lengths = sorted(len(ids) for item in data.items for ids in item["sequences"])
    return (
        f"model {options.model}, {len(data)} pairs of {lengths[0]} to {lengths[-1]} tokens a side "
        f"(median {lengths[len(lengths) // 2]}), {options.batch} a batch, float32"
    )


def main() -> None:
    """Run both in turn and print rates, ratio, tokens and the difference of the losses."""
    options = arguments(__doc__, pairs=48, batch=16).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = RewardConfig(
            model=options.model,
            data=folder,
            output_dir=f"{folder}/run",
            objective="bt",
            packing=True,
            bf16=False,
            learning_rate=1e-5,
            global_batch_size=options.batch,
            per_device_batch_size=options.batch,
        )
        compare(recipe, training_file(options, folder), options)


def compare(recipe: RewardConfig, path: Path, options: argparse.Namespace) -> None:
    """Train with both in turn, ``options.repeats`` times; exit with an error under the gates."""
    tokenizer = load_tokenizer(recipe)
    builder = ConversationBuilder(tokenizer)
    data = load_set(path, "bt", ("reward",), builder, recipe.max_length, options.pairs)
    choose_padding(tokenizer, {ids[-1] for item in data.items for ids in item["sequences"]})
    quiet = {"save_strategy": "no", "eval_strategy": "no", "report_to": []}
    ours = TrainingArguments(**(trainer_arguments(recipe) | quiet))
    theirs = TrlConfig(
        output_dir=recipe.output_dir,
        logging_steps=1,
        max_length=None,
        dataloader_pin_memory=False,
        **quiet,
        **{name: getattr(ours, name) for name in KEPT_ALIKE},
    )
    set_seed(recipe.seed)
    model = load_reward_model(recipe, tokenizer)
    seconds: dict[str, list[float]] = {"ours": [], "TRL": []}
    for repeat in range(options.repeats + 1):  # the first warms up
        counts: dict[str, Counter[str]] = {"ours": Counter(), "TRL": Counter()}
        losses = {}
        for name in ("ours", "TRL"):
            trainer = (
                build_trainer(recipe, ours, copy.deepcopy(model), tokenizer, data, data)
                if name == "ours"
                else trl_trainer(theirs, copy.deepcopy(model), tokenizer, data)
            )
            took, losses[name] = train(trainer, counts[name])
            if repeat:
                seconds[name].append(took)
    ratio = statistics.median(seconds["TRL"]) / statistics.median(seconds["ours"])
    print(trained_on(options, data))
    for name in ("ours", "TRL"):
        forwarded, padding = counts[name]["forwarded"], counts[name]["padding"]
        print(
            f"{name + ':':6}{len(data) / statistics.median(seconds[name]):8.2f} pairs/s, "
            f"{forwarded:,} tokens forwarded, {padding / forwarded:.1%} of them padding"
        )
    apart = max(abs(a - b) for a, b in zip(losses["ours"], losses["TRL"], strict=True))
    print(f"ratio:{ratio:8.2f}")
    print(f"losses of {len(losses['ours'])} steps at most {apart:.1e} apart")
    if ratio < options.least or apart > 1e-4:
        raise SystemExit(f"gates: ratio at least {options.least}, losses within 1e-4")


def trl_trainer(arguments: TrlConfig, model: Any, tokenizer: Any, data: SequenceSet) -> TrlTrainer:
    """Return TRL's trainer with its own collator on the same token ids."""
    rows = [
        {"chosen_ids": item["sequences"][0], "rejected_ids": item["sequences"][1]}
        for item in data.items
    ]
    return TrlTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


if __name__ == "__main__":
    main()

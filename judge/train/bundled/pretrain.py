"""Pre-train the mini models' base: a small Llama on running English and the pairs' own text."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from judge.train.bundled.tokenizer import save_tokenizer, train_tokenizer
from judge.train.config import PretrainConfig
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a ``.jsonl.gz`` file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def is_english(text: str) -> bool:
    """Say whether at least 97 % of the characters are ASCII: drops the corpus's foreign rows."""
    return sum(map(str.isascii, text)) >= 0.97 * len(text)


def running_text(directory: Path) -> Iterator[str]:
    """Yield the English documents of the running-text corpus, file by file in name order."""
    for path in sorted(directory.glob("*.jsonl.gz")):
        for row in read_rows(path):
            if row["text"] and is_english(row["text"]):
                yield row["text"].strip()


def pair_text(path: Path, rng: random.Random) -> Iterator[str]:
    """Yield the training pairs' own words as plain text; other splits are never read.

    Every argument once with its prompt; every pair of short responses once with one annotator's
    reason; every other reason by itself. ``rng`` picks the order of the two responses' texts.
    """
    seen: set[str] = set()
    for row in read_rows(path):
        if row["split"] != "train":
            continue
        annotations = row["all_preferences_unprocessed"]
        if len(row["response_1"]) + len(row["response_2"]) < 400:
            reason = rng.choice(annotations)["justification"]
            yield (
                f"{row['prompt']} @Response 1:\n{row['response_1']}\n"
                f"@Response 2:\n{row['response_2']}\n{reason}"
            )
            continue
        for response in (row["response_1"], row["response_2"]):
            if response not in seen:
                seen.add(response)
                yield f"{row['prompt']}\n{response}"
        yield rng.choice(annotations)["justification"]


def token_stream(documents: list[str], tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """Return every document's token ids, each opened by BOS, as one int32 array ``[tokens]``."""
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(documents, add_special_tokens=False)
    bos = tokenizer.bos_token_id
    parts = [np.asarray([bos, *item.ids], dtype=np.int32) for item in encoded]
    return np.concatenate(parts)


class StepBatches(torch.utils.data.Dataset):
    """One item is one optimizer step's batch: ``input_ids`` of shape ``[tokens / block, block]``.

    The stream is cut into steps of ``tokens_per_step``; the last ``long_share`` of them use
    ``long_block``, so that the context is learnt up to its end, the others ``block``.
    """

    def __init__(self, stream: np.ndarray, config: PretrainConfig, steps: int) -> None:
        self.steps = steps
        self.stream = stream
        self.size = config.tokens_per_step
        self.first_long = int(steps * (1 - config.long_share))
        self.blocks = (config.block, config.long_block)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        start = (index * self.size) % (len(self.stream) - self.size)
        ids = torch.from_numpy(self.stream[start : start + self.size].astype(np.int64))
        ids = ids.reshape(-1, self.blocks[index >= self.first_long])
        return {"input_ids": ids, "labels": ids}


class SequentialTrainer(Trainer):
    """A Trainer that takes the steps in the data's own order: the long blocks come last."""

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler:
        return torch.utils.data.SequentialSampler(train_dataset or self.train_dataset)


class Told(TrainerCallback):
    """Tells a :class:`judge.train.progress.TrainingProgress` of each step, save and validation."""

    def __init__(self, progress: TrainingProgress, facts: TrainingFacts, tokens: int) -> None:
        self.progress, self.facts, self.tokens = progress, facts, tokens
        self.since = time.monotonic()
        self.loss: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.progress.begin(self.facts, state.max_steps, state.global_step, None)
        self.since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        now = time.monotonic()
        row = {"step": state.global_step, "loss": self.loss, "tokens": self.tokens}
        self.progress.step(row | {"seconds": now - self.since})
        self.since = now

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.progress.saved(state.global_step, f"{args.output_dir}/checkpoint-{state.global_step}")

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any
    ) -> None:
        row = {"step": state.global_step, "eval_loss": (metrics or {}).get("eval_loss")}
        self.progress.validated(row)


def run(config: PretrainConfig, progress: TrainingProgress = UNWATCHED) -> dict[str, Any]:
    """Train the tokenizer and the base model of ``config``; write both to ``config.output_dir``.

    Returns the log that is also written there as ``pretrain.json``: tokens, seconds and losses.
    ``progress`` is told how it goes.
    """
    progress.doing(f"reading {config.text_dir} and {config.pairs}")
    torch.manual_seed(config.seed)
    rng = random.Random(config.seed)
    pairs = list(pair_text(Path(config.pairs), rng))
    documents = list(running_text(Path(config.text_dir)))
    output = Path(config.output_dir)
    output.mkdir(parents=True, exist_ok=True)

    sample = rng.sample(documents, k=min(len(documents), config.tokenizer_documents))
    tokenizer = train_tokenizer([*sample, *pairs], config.vocab_size, config.long_block)
    save_tokenizer(tokenizer, output)

    documents += pairs * config.pair_text_repeats
    rng.shuffle(documents)
    stream = token_stream(documents, tokenizer)
    held_out = stream[: config.tokens_per_step * 4]
    stream = stream[config.tokens_per_step * 4 :]
    steps = int(len(stream) * config.epochs) // config.tokens_per_step

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            max_position_embeddings=config.long_block,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
            **config.architecture,
        )
    )
    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        max_steps=steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=config.warmup_steps,
        weight_decay=0.1,
        adam_beta2=0.95,
        max_grad_norm=1.0,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=25,
        save_steps=config.save_steps,
        save_total_limit=1,
        eval_strategy="no",
        report_to=[],
        seed=config.seed,
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    trainer = SequentialTrainer(
        model=model,
        args=arguments,
        train_dataset=StepBatches(stream, config, steps),
        eval_dataset=StepBatches(held_out, config.model_copy(update={"long_share": 0.0}), 3),
        data_collator=lambda items: items[0],
    )
    facts = TrainingFacts(
        what="the base of a mini model",
        model="random weights",
        parameters=model.num_parameters(),
        trained=model.num_parameters(),
        examples=len(stream) // config.tokens_per_step,
        validation=3,
        batch=1,
        epoch_tokens=len(stream),
        save_steps=config.save_steps,
        output=str(output / "checkpoints"),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Told(progress, facts, config.tokens_per_step))
    started = time.time()
    trainer.train()
    evaluation = trainer.evaluate()
    model.to(torch.bfloat16).save_pretrained(output)
    log = {
        "config": config.model_dump(),
        "parameters": model.num_parameters(),
        "tokens": steps * config.tokens_per_step,
        "seconds": round(time.time() - started),
        "held_out_loss": evaluation["eval_loss"],
        "losses": [
            {"step": row["step"], "loss": row["loss"]}
            for row in trainer.state.log_history
            if "loss" in row
        ],
    }
    (output / "pretrain.json").write_text(json.dumps(log, indent=1), encoding="utf-8")
    return log

"""Supervised fine-tuning of the justifier: load, tokenise, train with TRL, save with a manifest."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

from judge.errors import UsageError
from judge.grammar import Grammar
from judge.models import resolve_model
from judge.prompt import PromptBuilder, load_template
from judge.train.config import JustifierConfig
from judge.train.examples import (
    ExampleSet,
    JustifierCollator,
    LengthGroupedTwins,
    read_rows,
    tokenize,
)
from judge.train.losses import statement_loss
from judge.train.manifest import claim_output, data_manifest, write_manifest


def run(config: JustifierConfig) -> dict[str, Any]:
    """Train the justifier of ``config``; return its manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated.

    Raises:
        UsageError: for missing data or model, a template other than the data's, or an output folder
            of another configuration.
    """
    output = Path(config.output_dir)
    data = data_manifest(Path(config.data), config.template)
    finished = claim_output(output, config)
    if finished is not None:
        return finished
    set_seed(config.seed)
    tokenizer = load_tokenizer(config)
    builder = PromptBuilder(tokenizer, load_template(config.template))
    train = _examples(config, builder, "train", config.train_limit)
    evaluation = _examples(config, builder, "val", config.eval_limit)
    trainer = build_trainer(config, load_model(config, tokenizer), builder, train, evaluation)
    started = time.time()
    trainer.train(resume_from_checkpoint=_newest_checkpoint(output))
    seconds = time.time() - started
    trainer.save_model(str(output))
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(output)
        counts = {
            "train_examples": len(train),
            "train_dropped_too_long": train.too_long,
            "val_examples": len(evaluation),
            "val_dropped_too_long": evaluation.too_long,
        }
        return write_manifest(output, config, data, counts, trainer, seconds)
    return {}


def load_tokenizer(config: JustifierConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of ``config.model``.

    Raises:
        UsageError: when it cannot be loaded.
    """
    try:
        return AutoTokenizer.from_pretrained(resolve_model(config.model), revision=config.revision)
    except (OSError, ValueError) as error:
        raise UsageError(f"model {config.model}: {str(error).splitlines()[0]}") from None


def load_model(config: JustifierConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return the model to train, in float32 weights (bf16 is the arithmetic, not the storage)
    unless DeepSpeed keeps the master copy."""
    options: dict[str, Any] = {"dtype": torch.bfloat16 if config.deepspeed else torch.float32}
    if config.attn_implementation:
        options["attn_implementation"] = config.attn_implementation
    if config.random_init is not None:
        special = {
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        return LlamaForCausalLM(LlamaConfig(**(special | config.random_init)))
    name = resolve_model(config.model)
    try:
        model_config = AutoConfig.from_pretrained(name, revision=config.revision)
        if config.attention_dropout is not None:
            model_config.attention_dropout = config.attention_dropout
        return AutoModelForCausalLM.from_pretrained(
            name, revision=config.revision, config=model_config, **options
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"model {config.model}: {str(error).splitlines()[0]}") from None


def build_trainer(
    config: JustifierConfig,
    model: PreTrainedModel,
    builder: PromptBuilder,
    train: ExampleSet,
    evaluation: ExampleSet,
) -> JustifierTrainer:
    """Return TRL's trainer for ``config``, with our collator, order of examples and loss."""
    tokenizer = builder.tokenizer
    if config.order_consistency and not (train.twins and evaluation.twins):
        raise UsageError("order_consistency needs data with flipped copies")
    pad_id = (
        tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    )
    statement_loss = config.statement_weight != 1.0 or config.order_consistency > 0
    return JustifierTrainer(
        model=model,
        args=sft_arguments(config),
        train_dataset=train.dataset(),
        eval_dataset=evaluation.dataset(),
        processing_class=tokenizer,
        data_collator=JustifierCollator(pad_id, statement_loss),
        peft_config=_lora(config),
        recipe=config,
        examples=train,
        sides=Grammar(builder).sides,
    )


def sft_arguments(config: JustifierConfig) -> SFTConfig:
    """Translate a recipe into TRL's arguments for the processes of this launch."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    cpu = not torch.cuda.is_available()
    return SFTConfig(
        output_dir=config.output_dir,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.per_device_batch_size,
        per_device_eval_batch_size=config.per_device_batch_size,
        gradient_accumulation_steps=config.accumulation(world_size),
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler,
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        use_cpu=cpu,
        gradient_checkpointing=config.gradient_checkpointing,
        # PEFT under ZeRO-3 needs the re-entrant kind; without PEFT the other one is recommended.
        gradient_checkpointing_kwargs={
            "use_reentrant": config.lora is not None and config.deepspeed is not None
        },
        eval_strategy="steps",
        eval_steps=config.eval_steps,
        save_strategy="steps",
        save_steps=config.save_steps,
        save_total_limit=config.save_total_limit,
        load_best_model_at_end=config.keep_best,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=config.logging_steps,
        report_to=["tensorboard"],
        seed=config.seed,
        data_seed=config.seed,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=not cpu,
        disable_tqdm=True,
        deepspeed=config.deepspeed,
    )


class JustifierTrainer(SFTTrainer):
    """TRL's SFT trainer with batches of twins and, where a recipe asks, the statement loss."""

    def __init__(
        self,
        *args: Any,
        recipe: JustifierConfig,
        examples: ExampleSet,
        sides: tuple[int, int],
        **kwargs: Any,
    ) -> None:
        self.recipe = recipe
        self.examples = examples
        self.sides = list(sides)
        super().__init__(*args, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        if not self.recipe.group_by_length:
            return super()._get_train_sampler(train_dataset)
        batch = self.recipe.per_device_batch_size * self.args.world_size
        return LengthGroupedTwins(
            self.examples.lengths, self.examples.twins, batch, self.recipe.seed
        )

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        if "weights" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss, parts = statement_loss(model, inputs, self.sides, self.recipe.order_consistency)
        mode = "train" if self.model.training else "eval"
        for name, value in parts.items():
            self._metrics[mode][name].append(value)
        if mode == "train" and num_items_in_batch is not None:
            # The trainer leaves the division by the micro-batches of a step to the loss.
            loss = loss / self.current_gradient_accumulation_steps
        return (loss, None) if return_outputs else loss


def _examples(
    config: JustifierConfig, builder: PromptBuilder, split: str, limit: int | None
) -> ExampleSet:
    rows = read_rows(Path(config.data) / f"{split}.jsonl", config.styles, limit)
    examples = tokenize(rows, builder, config.max_length, config.statement_weight)
    if not examples.items:
        raise UsageError(f"every {split} example is longer than max_length {config.max_length}")
    return examples


def _lora(config: JustifierConfig) -> Any:
    if config.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.target_modules,
        task_type="CAUSAL_LM",
    )


def _newest_checkpoint(output: Path) -> str | None:
    """Return the newest checkpoint folder that was written completely, or None."""
    folders = sorted(output.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    whole = [folder for folder in folders if (folder / "trainer_state.json").is_file()]
    return str(whole[-1]) if whole else None


def read_log(output: Path) -> list[dict[str, Any]]:
    """Return the newest checkpoint's log: losses, learning rates, validation losses."""
    newest = _newest_checkpoint(output)
    if newest is None:
        return []
    state = json.loads((Path(newest) / "trainer_state.json").read_text(encoding="utf-8"))
    history: list[dict[str, Any]] = state["log_history"]
    return history

"""What the steps of every fine-tuning share: tokenizer, weights, arguments, adapter, log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BitsAndBytesConfig,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
)

from judge.errors import UsageError
from judge.models import loading
from judge.models.layers import Layers, layers_of
from judge.train.batches.packing import PACKED, can_pack
from judge.train.checkpoints.seal import newest_whole, remove_torn, where_to_go_on
from judge.train.compute.freed_memory import keep_freed_memory
from judge.train.compute.kernels import attention, check_liger
from judge.train.config import TrainerConfig
from judge.train.faults import explained
from judge.train.observe import reporters
from judge.train.sections import QuantizationSection


def load_tokenizer(config: TrainerConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of ``config.model``.

    Raises:
        UsageError: when it cannot be loaded.
    """
    source = layers_of(config.model).tokenizer
    return loading.load_tokenizer(source, config.model, revision=config.revision)


def model_config(config: TrainerConfig) -> Any:
    """Return transformers' configuration of ``config.model`` with the recipe's dropout.

    Raises:
        UsageError: when it cannot be loaded.
    """
    source = layers_of(config.model).base
    found = loading.load_config(source, config.model, revision=config.revision)
    if config.attention_dropout is not None:
        found.attention_dropout = config.attention_dropout
    return found


def check_adapters(config: TrainerConfig, layers: Layers) -> None:
    """Refuse adapters as the start of a training in which they cannot be merged into their base.

    Raises:
        UsageError: in one line.
    """
    why = None
    if layers.adapters and config.deepspeed:
        why = "an adapter cannot be a base under DeepSpeed"
    elif layers.adapters and config.quantization:
        why = "an adapter cannot be a base in 4 bits"
    if why is not None:
        raise UsageError(f"model {config.model}: {why}; merge it into its base first")


def random_config(config: TrainerConfig, tokenizer: PreTrainedTokenizerBase) -> LlamaConfig:
    """Return the random model of ``config.random_init`` for this tokenizer."""
    special = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return LlamaConfig(**(special | (config.random_init or {})))


def weight_options(config: TrainerConfig) -> dict[str, Any]:
    """Return how weights are loaded: float32 (bf16 is the arithmetic, not the storage) unless
    DeepSpeed keeps the master copy or the base stays frozen in 4 bits.

    Raises:
        UsageError: when quantised weights are asked for and bitsandbytes is not installed.
    """
    master_elsewhere = config.deepspeed is not None and config.bf16
    half = master_elsewhere or config.quantization is not None
    options: dict[str, Any] = {"dtype": torch.bfloat16 if half else torch.float32}
    if config.quantization is not None:
        options["quantization_config"] = quantization_config(config.quantization)
        options["device_map"] = {"": _own_device()}
    implementation = attention(config)
    if implementation:
        options["attn_implementation"] = implementation
    return options


def quantization_config(section: QuantizationSection) -> BitsAndBytesConfig:
    """Translate a recipe's ``quantization`` section for transformers.

    The output layer stays as it is: a language model's, and a reward model's head.

    Raises:
        UsageError: when bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise UsageError("quantization needs bitsandbytes; see the extra `qlora` in the README")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=section.type,
        bnb_4bit_use_double_quant=section.double,
        bnb_4bit_compute_dtype=getattr(torch, section.compute),
        llm_int8_skip_modules=["lm_head", "score"],
    )


def _own_device() -> str:
    """Return the device of this process: quantised weights are made where they stay."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def trainer_arguments(config: TrainerConfig) -> dict[str, Any]:
    """Translate a recipe into transformers' arguments for the processes of this launch.

    Raises:
        UsageError: when the processes do not divide the batch, or kernels are not there.
    """
    check_liger(config)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    cpu = not torch.cuda.is_available()
    return {
        "output_dir": config.output_dir,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps,
        "per_device_train_batch_size": config.per_device_batch_size,
        "per_device_eval_batch_size": config.per_device_batch_size,
        "gradient_accumulation_steps": config.accumulation(world_size),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.lr_scheduler,
        "warmup_steps": config.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "bf16": config.bf16,
        "use_cpu": cpu,
        "use_liger_kernel": config.liger,
        "gradient_checkpointing": config.gradient_checkpointing,
        # PEFT under ZeRO-3 needs the re-entrant kind; without PEFT the other one is recommended.
        "gradient_checkpointing_kwargs": {
            "use_reentrant": config.lora is not None and config.deepspeed is not None
        },
        "eval_strategy": "steps",
        "eval_steps": config.eval_steps,
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "save_total_limit": config.save_total_limit,
        "load_best_model_at_end": config.keep_best,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "logging_steps": config.logging_steps,
        "report_to": reporters(config),
        "seed": config.seed,
        "data_seed": config.seed,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        "disable_tqdm": True,
        "log_level_replica": "passive",  # as loud as the first process
        "deepspeed": config.deepspeed,
    }


def plain_arguments(config: TrainerConfig) -> TrainingArguments:
    """Return transformers' own arguments, for what TRL has no trainer of.

    Raises:
        UsageError: as :func:`trainer_arguments`, and for several GPUs in one process.
    """
    arguments = TrainingArguments(**trainer_arguments(config))
    if arguments.n_gpu > 1:
        raise UsageError("several GPUs need a launcher (accelerate launch, torchrun)")
    return arguments


def choose_packing(config: TrainerConfig, model: PreTrainedModel) -> bool:
    """Settle whether batches are packed, and give ``model`` the attention for it.

    Raises:
        UsageError: when the recipe asks for packing and the model cannot.
    """
    packed = config.packing is not False and can_pack(model)
    if config.packing is True and not packed:
        implementation = model.config._attn_implementation
        raise UsageError(
            f"packing=true: {model.config.model_type} with {implementation} attention cannot pack; "
            "packing=auto pads instead"
        )
    if packed and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(PACKED)
    return packed


def join_deepspeed(config: TrainerConfig) -> None:
    """Start DeepSpeed's process group on the launched processes, which on a CPU nobody else does.

    To be called after the trainer's arguments are made and before a model is loaded: ZeRO-3 then
    partitions it while it loads and asks for the number of processes.
    """
    if config.deepspeed is None or not torch.distributed.is_initialized():
        return
    import deepspeed

    if not deepspeed.comm.is_initialized():
        backend = torch.distributed.get_backend()
        if backend == "gloo":
            # Collectives in shared memory would be compiled now: minutes, and a compiler needed.
            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed(dist_backend=backend)


@contextmanager
def outside_deepspeed() -> Iterator[None]:
    """Let models load whole that DeepSpeed does not train: ZeRO-3 would part each that loads."""
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept


def lora_config(config: TrainerConfig, **task: Any) -> Any:
    """Return PEFT's configuration of the recipe's ``lora`` section, or None without one."""
    if config.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.target_modules,
        **task,
    )


def store_base(model: Any, config: TrainerConfig) -> None:
    """Round the frozen weights under an adapter to the recipe's ``base_dtype``.

    Autocast rounds them so for every product; here it is done once, in half the memory. The weights
    beside them (embeddings, norms, a head) stay in float32.
    """
    if config.base_dtype is None:
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            weight = module.get_base_layer().weight
            weight.data = weight.data.to(getattr(torch, config.base_dtype))


def train_and_save(trainer: Any, config: TrainerConfig, evaluate_last: bool = False) -> None:
    """Train from the newest whole checkpoint on, and save the model in ``output_dir``.

    Args:
        trainer: a :class:`judge.train.faults.GuardedTrainer`.
        config: its recipe.
        evaluate_last: see to it that the last step has a validation loss.

    Raises:
        UsageError: for a checkpoint of another number of processes, a loss that is not a number, a
            full disk, or when another process of the launch has gone.
    """
    output = Path(config.output_dir)
    begin = where_to_go_on(output, config, trainer.args.world_size)
    if trainer.is_world_process_zero():
        remove_torn(output)
    keep_freed_memory()
    with explained(output):
        trainer.train(resume_from_checkpoint=begin)
        history = trainer.state.log_history
        last = max((row["step"] for row in history if "eval_loss" in row), default=0)
        if evaluate_last and last < trainer.state.global_step and not config.keep_best:
            trainer.evaluate()
        trainer.save_model(str(output))


def newest_checkpoint(output: Path) -> str | None:
    """Return the newest checkpoint folder that was written completely, or None."""
    newest = newest_whole(output)
    return None if newest is None else str(newest)


def read_log(output: Path) -> list[dict[str, Any]]:
    """Return the newest checkpoint's log: losses, learning rates, validation losses."""
    newest = newest_checkpoint(output)
    if newest is None:
        return []
    state = json.loads((Path(newest) / "trainer_state.json").read_text(encoding="utf-8"))
    history: list[dict[str, Any]] = state["log_history"]
    return history

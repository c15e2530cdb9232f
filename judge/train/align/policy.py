"""The policy that is aligned: a causal language model, whole or under an adapter."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from judge.train.checkpoints.adapter_start import start_adapter
from judge.train.config import TrainerConfig
from judge.train.finetune import lora_config, store_base
from judge.train.sft.training import load_model


def load_policy(config: TrainerConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return the model to align.

    Raises:
        UsageError: when it cannot be loaded.
    """
    return load_model(config, tokenizer)


def with_adapter(model: PreTrainedModel, config: TrainerConfig) -> Any:
    """Return the model inside the recipe's LoRA adapter, or the model itself without one."""
    adapter = lora_config(config, task_type="CAUSAL_LM")
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

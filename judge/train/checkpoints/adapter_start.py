"""A model inside a new LoRA adapter, which may start from the weights of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from judge.errors import UsageError
from judge.models import resolve_model
from judge.models.layers import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from judge.train.config import TrainerConfig
from judge.train.finetune import lora_config, store_base


def with_adapter(model: Any, config: TrainerConfig, **task: Any) -> Any:
    """Return the model inside the recipe's LoRA adapter, or the model itself without one.

    Args:
        task: what of PEFT's configuration the kind of model decides.

    Raises:
        UsageError: as :func:`start_adapter`.
    """
    adapter = lora_config(config, **task)
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


def start_adapter(model: Any, config: TrainerConfig) -> None:
    """Copy the weights of the adapter ``config.lora.start`` into the one that ``model`` has.

    What a reward model learnt of responses so becomes the start of a judge, or of another reward
    model. A head that the other adapter has and this one too (``modules_to_save``) is taken over
    where it has the same shape; any other head is left.

    Args:
        model: PEFT's model with its adapter ``default``.
        config: the recipe; without ``lora.start`` nothing is done.

    Raises:
        UsageError: in one line, when there is no such adapter, or it is of another base, rank or
            scale, or changes other modules.
    """
    if config.lora is None or config.lora.start is None:
        return
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    folder = Path(resolve_model(config.lora.start))
    given = _weights(folder, config)
    wanted = get_peft_model_state_dict(model)
    adapters = {key for key in wanted if ".lora_" in key}
    missing = sorted(adapters - given.keys())
    others = sorted(key for key in given.keys() - wanted.keys() if ".lora_" in key)
    unfit = sorted(key for key in adapters & given.keys() if given[key].shape != wanted[key].shape)
    if missing or others or unfit:
        raise UsageError(
            f"lora.start {folder}: {(missing or others or unfit)[0]} is not in both adapters with"
            " one shape; rank and target_modules must be the same"
        )
    heads = {
        k for k in wanted.keys() - adapters if k in given and given[k].shape == wanted[k].shape
    }
    set_peft_model_state_dict(model, {key: given[key] for key in adapters | heads})


def _weights(folder: Path, config: TrainerConfig) -> dict[str, torch.Tensor]:
    """Return the tensors of the adapter in ``folder``, by PEFT's names without the adapter's.

    Raises:
        UsageError: when it cannot be read, is no LoRA adapter, or has another base or scale.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    assert config.lora is not None
    try:
        about = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        tensors: dict[str, torch.Tensor] = load_file(folder / ADAPTER_WEIGHTS)
        base, scale = str(about["base_model_name_or_path"]), about["lora_alpha"] / about["r"]
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, SafetensorError) as error:
        raise UsageError(f"lora.start {folder}: no LoRA adapter ({error!r})") from None
    if base not in (config.model, resolve_model(config.model)):
        raise UsageError(f"lora.start {folder}: its base is {base}, the recipe's {config.model}")
    if scale != config.lora.alpha / config.lora.r:
        raise UsageError(
            f"lora.start {folder}: its alpha / r is {scale}, the recipe's"
            f" {config.lora.alpha / config.lora.r}"
        )
    return tensors

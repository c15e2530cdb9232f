"""The sections of recipes: what an adapter, the hardware, 4-bit weights and DeepSpeed may say."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class LoraSection(BaseModel):
    """The ``lora`` section of a recipe: train an adapter through PEFT instead of every weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = 16
    """Rank of the adapter."""
    alpha: int = 32
    """Scale: the adapter's update is multiplied by alpha / r."""
    dropout: float = 0.0
    """Dropout before the adapter."""
    target_modules: str | list[str] = "all-linear"
    """Modules that get an adapter."""
    start: str | None = None
    """The folder of an adapter whose weights this one starts from: of the same base, rank, scale
    and modules (``judge.train.checkpoints.adapter_start``). None: LoRA's own start, which changes
    nothing."""


class HardwareSection(BaseModel):
    """The ``hardware`` section of a recipe: what it was made for; a plan starts from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int = Field(ge=1)
    """How many GPUs."""
    gpu: str
    """Their name, as ``judge train plan`` knows it."""
    rollout_gpus: int | None = Field(default=None, ge=1)
    """GPUs beside them, on which a vLLM server draws responses."""
    reward_gpus: int | None = Field(default=None, ge=1)
    """GPUs beside them, on which a server rewards responses."""


class QuantizationSection(BaseModel):
    """The ``quantization`` section of a recipe: the frozen base in 4 bits below a LoRA adapter
    (QLoRA, arXiv 2305.14314), by bitsandbytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["nf4", "fp4"] = "nf4"
    """The 4-bit code: NormalFloat, or plain floating point."""
    double: bool = True
    """The scales of 64 weights are quantised too: 4.13 bits a weight instead of 4.5."""
    compute: Literal["bfloat16", "float32"] = "bfloat16"
    """What weights are unpacked to for a product."""


def check_deepspeed(section: dict[str, Any]) -> None:
    """Check what DeepSpeed 0.19.8 would refuse only after the weights are loaded.

    Raises:
        ValueError: for one half of bfloat16 master weights and optimizer states; the weights alone
            are allowed with an optimizer on the host.
    """
    bf16 = section.get("bf16") or {}
    weights = bool(bf16.get("bf16_master_weights_and_grads"))
    states = bool(bf16.get("bf16_optimizer_states"))
    if states and not weights:
        raise ValueError(
            "deepspeed.bf16: bf16_optimizer_states needs bf16_master_weights_and_grads: true"
        )
    off_loaded = (section.get("zero_optimization") or {}).get("offload_optimizer")
    if weights and not states and not off_loaded:
        raise ValueError(
            "deepspeed.bf16: bf16_master_weights_and_grads needs bf16_optimizer_states: true"
        )

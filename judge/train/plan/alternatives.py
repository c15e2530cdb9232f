"""What fits when a plan does not: more GPUs, or a lighter way to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from judge.train.config import TrainerConfig
from judge.train.plan.architecture import Architecture
from judge.train.plan.hardware import GPUS, Gpu
from judge.train.plan.online import memory_on
from judge.train.recipe_files import lay_over, read_recipe

MOST_GPUS = 1024
PARTS = {
    "gradient checkpointing": "",
    "bfloat16 optimizer states": "parts/bf16_states",
    "optimizer on the host": "parts/offload",
    "LoRA": "parts/lora",
    "QLoRA": "parts/qlora",
}
"""Lighter ways to train, each by the part of a recipe that asks for it; the first by its field."""


@dataclass(frozen=True)
class Alternative:
    """Something that fits."""

    what: str
    gpus: int
    gpu: str
    gib: float
    extends: str | None
    """The part to lay over the recipe."""


def alternatives(
    config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int, margin: float
) -> list[Alternative]:
    """Return what fits: the same recipe on the fewest GPUs, then each lighter way on the GPUs that
    were asked for (QLoRA on one), then a larger GPU."""
    found = []
    smallest = smallest_count(config, model, gpu, margin, at_least=gpus + 1)
    if smallest is not None:
        found.append(_alternative("the same recipe", config, model, gpu, smallest, None))
    for what, part in PARTS.items():
        lighter = _lighter(config, part)
        count = 1 if lighter is not None and lighter.quantization is not None else gpus
        if lighter is not None and _fits(lighter, model, gpu, count, margin):
            found.append(_alternative(what, lighter, model, gpu, count, part or None))
    for larger in sorted(GPUS.values(), key=lambda other: other.memory):
        if larger.memory > gpu.memory and _fits(config, model, larger, gpus, margin):
            found.append(_alternative("the same recipe", config, model, larger, gpus, None))
            break
    return found


def smallest_count(
    config: TrainerConfig, model: Architecture, gpu: Gpu, margin: float, at_least: int = 1
) -> int | None:
    """Return the fewest GPUs, dividing the batch, on which ``config`` fits; None when none do."""
    if config.quantization is not None:
        return None
    most = min(MOST_GPUS, config.global_batch_size // config.per_device_batch_size)
    for gpus in range(at_least, most + 1):
        divides = config.global_batch_size % (config.per_device_batch_size * gpus) == 0
        if divides and _fits(config, model, gpu, gpus, margin):
            return gpus
    return None


def _fits(config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int, margin: float) -> bool:
    return memory_on(config, model, gpu, gpus).total <= gpu.memory * (1 - margin)


def _lighter(config: TrainerConfig, part: str) -> TrainerConfig | None:
    """Return ``config`` with a part laid over it, or None where it changes nothing."""
    values: dict[str, Any] = config.model_dump()
    laid = {"gradient_checkpointing": True} if not part else read_recipe(part)[1]
    if part and config.deepspeed is None and "deepspeed" in laid and laid["deepspeed"]:
        return None  # a section of ZeRO-3 needs the rest of it
    lighter = type(config).model_validate(lay_over(values, laid))
    return None if lighter == config else lighter


def _alternative(
    what: str, config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int, part: str | None
) -> Alternative:
    gib = round(memory_on(config, model, gpu, gpus).total / 2**30, 1)
    return Alternative(what, gpus, gpu.name, gib, part)

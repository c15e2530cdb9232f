"""What a recipe's ``deepspeed`` section says about memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from judge.errors import UsageError
from judge.train.config import TrainerConfig
from judge.train.plan.architecture import Architecture

LIVE = 1_000_000_000
"""DeepSpeed's default of ``stage3_max_live_parameters``."""
HOST_FACTOR = 1.5
"""What DeepSpeed's estimator adds to host memory for buffers."""


@dataclass(frozen=True)
class Zero:
    """ZeRO-3 as a recipe asks for it; ``on`` is False without a ``deepspeed`` section.

    Bucket sizes are elements; ``auto`` is what transformers fills in from the hidden size.
    """

    on: bool = False
    optimizer_off_loaded: bool = False
    parameters_off_loaded: bool = False
    bf16_states: bool = False
    overlap: bool = True
    reduce_bucket: int = 0
    prefetch_bucket: int = 0
    live: int = LIVE

    @classmethod
    def of(cls, config: TrainerConfig, model: Architecture) -> Zero:
        """Read the ``deepspeed`` section of ``config``.

        Raises:
            UsageError: for another stage than 3, whose memory is not counted here.
        """
        section = config.deepspeed
        if section is None:
            return cls()
        zero: dict[str, Any] = section.get("zero_optimization") or {}
        if zero.get("stage") != 3:
            raise UsageError(
                f"deepspeed.zero_optimization.stage {zero.get('stage')!r}: plan counts stage 3"
            )
        square = model.hidden**2
        bf16: dict[str, Any] = section.get("bf16") or {}
        return cls(
            on=True,
            optimizer_off_loaded=_device(zero, "offload_optimizer"),
            parameters_off_loaded=_device(zero, "offload_param"),
            bf16_states=bool(bf16.get("bf16_optimizer_states")),
            overlap=bool(zero.get("overlap_comm", True)),
            reduce_bucket=_number(zero, "reduce_bucket_size", square, 500_000_000),
            prefetch_bucket=_number(
                zero, "stage3_prefetch_bucket_size", int(0.9 * square), 50_000_000
            ),
            live=_number(zero, "stage3_max_live_parameters", LIVE, LIVE),
        )

    def bytes_of_a_parameter(self) -> tuple[int, int, int]:
        """Return bytes of parameter, gradient and optimizer a trained parameter, on a GPU.

        18 in all, as DeepSpeed's estimator: 2 + 4 + 12 (its gradients: bfloat16, and their float32
        copy in the optimizer's step). With bfloat16 states the weights are their own master copy:
        2 + 2 + 4. An off-loaded optimizer takes gradients along.
        """
        parameter = 0 if self.parameters_off_loaded else 2
        if self.optimizer_off_loaded:
            return parameter, 0, 0
        return (parameter, 2, 4) if self.bf16_states else (parameter, 4, 12)

    def host_bytes(self, parameters: int, nodes: int) -> int:
        """Return the memory of one host that an off-loaded optimizer needs: DeepSpeed's estimate,
        16 bytes a parameter (8 with bfloat16 states) and half as much again for buffers."""
        if not self.optimizer_off_loaded:
            return 0
        each = (8 if self.bf16_states else 16) + (2 if self.parameters_off_loaded else 0)
        return int(parameters * each / nodes * HOST_FACTOR)

    def buffers(self, model: Architecture, parameters: int) -> int:
        """Return bytes of buckets, norms that stay whole, and gathered parameters beyond the
        largest layer."""
        if not self.on:
            return 0
        reduce = 2 * self.reduce_bucket * (2 if self.overlap else 1)
        gathered_too = max(0, min(self.live, parameters) - model.embedding)
        return reduce + 2 * (self.prefetch_bucket + model.persistent + gathered_too)


def _device(zero: dict[str, Any], key: str) -> bool:
    section = zero.get(key)
    return isinstance(section, dict) and section.get("device", "none") != "none"


def _number(zero: dict[str, Any], key: str, auto: int, default: int) -> int:
    value = zero.get(key, default)
    if value == "auto":
        return auto
    try:
        return int(float(value))
    except (TypeError, ValueError):
        raise UsageError(
            f"deepspeed.zero_optimization.{key}: expected a number or auto, found {value!r}"
        ) from None

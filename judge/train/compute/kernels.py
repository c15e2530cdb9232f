"""Kernels that a machine may have or not: FlashAttention, Liger."""

from __future__ import annotations

import torch
from transformers.utils import is_flash_attn_2_available, is_liger_kernel_available

from judge.errors import UsageError
from judge.train.config import TrainerConfig


def attention(config: TrainerConfig) -> str | None:
    """Return the attention implementation that ``config`` means on this machine.

    ``auto`` is FlashAttention where it can run: a GPU, the package, and bfloat16 arithmetic.

    Raises:
        UsageError: when FlashAttention is asked for and is not there.
    """
    there = _has_gpu() and is_flash_attn_2_available()
    if config.attn_implementation == "auto":
        return "flash_attention_2" if there and config.bf16 else "sdpa"
    if config.attn_implementation == "flash_attention_2" and not there:
        raise UsageError(
            "attn_implementation=flash_attention_2 needs a GPU and the package flash-attn; "
            "attn_implementation=auto uses it where both are present"
        )
    return config.attn_implementation


def check_liger(config: TrainerConfig) -> None:
    """Check that Liger's kernels are there if ``config`` asks for them.

    Raises:
        UsageError: when they are not.
    """
    if config.liger and not (_has_gpu() and is_liger_kernel_available()):
        raise UsageError(
            "liger=true needs a GPU and the package liger-kernel (pip install liger-kernel); "
            "liger=false trains the same model without it"
        )


def _has_gpu() -> bool:
    return bool(torch.cuda.is_available())

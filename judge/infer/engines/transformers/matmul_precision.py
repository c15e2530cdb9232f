"""Matrix products of float32 models on the CPU: exact, or as fast as the processor can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

Products = Literal["exact", "fast"]
"""``fast`` lets oneDNN multiply and round operands to bfloat16 where it finds that faster, as with
AMX units. Elsewhere it keeps float32, and is still twice as fast as the default library on AMD
processors: probabilities then differ from exact ones by some millionths."""
_PRECISION = {"exact": "highest", "fast": "medium"}


def fast_products(model: Any) -> Products:
    """Return ``fast`` for a float32 model on a CPU that oneDNN has bfloat16 kernels for."""
    on_cpu = model.device.type == "cpu" and model.dtype == torch.float32
    able = torch.cpu.get_capabilities()
    native = able.get("avx512_bf16", False) or able.get("amx_bf16", False)
    return "fast" if on_cpu and native else "exact"


@contextmanager
def products_in(products: Products) -> Iterator[None]:
    """Compute float32 matrix products so inside the block; other code's setting returns after."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRECISION[products])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

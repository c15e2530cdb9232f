"""The weights of a policy in training as a checkpoint has them: whole, adapters merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

_ADAPTER, _BASE, _UNUSED = "lora_", ".base_layer", "original_module"


def base_of(policy: Any) -> Any:
    """Return the model below a policy's adapter, or the policy itself."""
    return policy.get_base_model() if hasattr(policy, "peft_config") else policy


def is_tied(policy: Any) -> bool:
    """Say whether a policy reads and writes tokens by one and the same matrix."""
    base = base_of(policy)
    head, read = base.get_output_embeddings(), base.get_input_embeddings()
    return head is not None and head.weight is read.weight


def whole_weights(policy: Any, *, untied: bool = False) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the name and the value of each weight of ``policy``.

    An adapter is added in float32 and rounded once, into a copy: the policy's own weights stay as
    they are to the bit, which merging and unmerging them in place would not leave. What is
    quantized below it is unpacked. Under ZeRO-3 a weight is gathered while it is read, so every
    process has to take all of them.

    Args:
        policy: a causal language model of transformers, or PEFT's LoRA around it, unwrapped.
        untied: a weight with several names under each of them; else it comes once.
    """
    modules = dict(policy.named_modules())
    seen: set[int] = set()
    for path, module in modules.items():
        if _UNUSED in path or any(part.startswith(_ADAPTER) for part in path.split(".")):
            continue
        layer = modules[path.removesuffix(_BASE)] if path.endswith(_BASE) else None
        for name, parameter in module.named_parameters(recurse=False):
            if name.startswith(_ADAPTER) or (id(parameter) in seen and not untied):
                continue
            seen.add(id(parameter))
            adapted = layer if name == "weight" else None
            yield _plain_name(f"{path}.{name}"), _value(module, parameter, adapted)


def _plain_name(name: str) -> str:
    """Return what a parameter is called in its base: without what PEFT puts around it."""
    parts = name.removeprefix("base_model.model.").replace(_BASE, "").split(".")
    if "modules_to_save" in parts:  # followed by the adapter's name
        at = parts.index("modules_to_save")
        del parts[at : at + 2]
    return ".".join(parts)


def _value(module: Any, parameter: torch.Tensor, layer: Any) -> torch.Tensor:
    """Return a weight, with the adapter of ``layer`` added where there is one."""
    if layer is None:
        with _gathered([parameter]):
            value = parameter.detach()
            return value.clone() if hasattr(parameter, "ds_id") else value
    from peft.utils.integrations import dequantize_module_weight

    factors = [p for name, p in layer.named_parameters() if _ADAPTER in name]
    with torch.no_grad(), _gathered([parameter, *factors]):
        plain = dequantize_module_weight(module).detach()
        merged = plain.float()
        for adapter in layer.active_adapters:
            if adapter in layer.scaling:
                merged = merged + layer.get_delta_weight(adapter).float()
        return merged.to(plain.dtype)


def _gathered(parameters: Sequence[Any]) -> AbstractContextManager[Any]:
    """Have the whole values of parameters that ZeRO-3 has in parts; for reading."""
    apart = [parameter for parameter in parameters if hasattr(parameter, "ds_id")]
    if not apart:
        return nullcontext()
    import deepspeed

    gathered: AbstractContextManager[Any] = deepspeed.zero.GatheredParameters(apart)
    return gathered

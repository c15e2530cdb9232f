"""Adapters merged into a model in memory: W + scale B A, in float32, rounded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judge.errors import UsageError
from judge.models.adapters import Adapter, NoPlainLora, check_fits, head_of, read_adapter
from judge.models.layers import HEAD_KEY, Layers
from judge.models.loading import load_classifier, load_config, one_line


@dataclass(frozen=True)
class Update:
    """What an adapter adds to one weight, in memory: ``left @ right``, times ``scale``."""

    left: torch.Tensor
    right: torch.Tensor
    scale: float

    def add_to(self, values: torch.Tensor) -> None:
        """Add it to ``values``, float32 ``[out, in]``, in place."""
        left, right = (f.to(values.device, values.dtype) for f in (self.left, self.right))
        values.addmm_(left, right, alpha=self.scale)


def updates_of(model: Any, adapter: Adapter) -> dict[str, Update]:
    """Return what ``adapter`` adds to the parameters of ``model``, by their names.

    Raises:
        UsageError: when the adapter is damaged or does not fit the model.
    """
    parameters = dict(model.named_parameters())
    found = {}
    for name, factors in adapter.factors.items():
        if name not in parameters:
            raise UsageError(f"{adapter.folder}: the adapter changes {name}, which its base lacks")
        check_fits(adapter, name, tuple(parameters[name].shape))
        left, right = factors.left.load(), factors.right.load()
        if factors.transposed:
            left, right = right.T, left.T
        if not (left.isfinite().all() and right.isfinite().all()):
            raise UsageError(
                f"{adapter.folder}: the adapter of {name} holds a value that is not a number"
            )
        found[name] = Update(left, right, factors.scale)
    return found


def load_merged_classifier(layers: Layers, config: Any = None, **options: Any) -> Any:
    """Return a sequence classifier with its adapters merged into it.

    Args:
        config: transformers' configuration; None: that of the base, with as many labels as the
            uppermost adapter's head has outputs.

    Raises:
        UsageError: when a part is damaged, or they do not fit.
    """
    head = head_of(layers.adapters[-1]) if layers.adapters else None
    if config is None:
        config = load_config(layers.base, layers.name)
        if head is not None:
            config.num_labels = head.shape[0]
    model = load_classifier(
        layers.base,
        layers.name,
        brought=lambda key: head is not None and HEAD_KEY.search(key) is not None,
        config=config,
        **options,
    )
    with one_line(layers.name):
        return merge_into(model, layers.adapters)


def merge_into(model: Any, folders: Sequence[Path]) -> Any:
    """Merge the adapters in ``folders``, the one nearest the base first; return the model.

    A head that an adapter brings takes the place of the model's. What is no plain LoRA is left to
    PEFT.

    Raises:
        UsageError: when an adapter is damaged or does not fit.
        ModuleNotFoundError: when PEFT is needed and not installed.
    """
    for folder in folders:
        try:
            adapter = read_adapter(folder)
        except NoPlainLora:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
        else:
            _merge(model, adapter)
    return model


def _merge(model: Any, adapter: Adapter) -> None:
    parameters = dict(model.named_parameters())
    updates = updates_of(model, adapter)
    with torch.no_grad():
        for name, update in updates.items():
            values = parameters[name].float()
            update.add_to(values)
            parameters[name].copy_(values)
        for name, tensor in adapter.whole.items():
            if name not in parameters:  # a head belongs to models of its own kind alone
                continue
            if tuple(parameters[name].shape) != tensor.shape:
                raise UsageError(
                    f"{adapter.folder}: {name} is {list(tensor.shape)}, the model's"
                    f" {list(parameters[name].shape)}"
                )
            parameters[name].copy_(tensor.load())

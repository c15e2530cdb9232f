"""One base in memory for several adapters over it: they take turns in its weights.

A judge and two reward models over one base would be three copies of it. Here each is a list of what
it adds to some weights; when another's turn comes, those weights are computed anew from the base's
files. Nothing is ever subtracted: the weights of a turn are the same bytes whatever came before it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from judge.infer.engines.transformers.attention import use_grouped_sdpa
from judge.infer.engines.transformers.matmul_precision import products_in
from judge.models.adapters import Adapter
from judge.models.loading import load_causal
from judge.models.merging import Update, updates_of
from judge.models.shards import FLOATS, StoredTensor, read_shards

LIMIT = 4 << 30
"""Bytes of weights up to which a base is shared: a turn of a larger one would take too long."""


class SharedBase:
    """A causal language model whose weights are those of whoever has its turn.

    Args:
        folder: of a whole model in safetensors.
        name: what the user calls the model.
        dtype: of the weights in memory.
    """

    def __init__(self, folder: Path, name: str, dtype: torch.dtype) -> None:
        self.model = load_causal(str(folder), name, dtype=dtype)
        if torch.cuda.is_available():
            self.model.to("cuda")
        self.model.eval()
        use_grouped_sdpa(self.model)
        self._parameters = dict(self.model.named_parameters())
        self._stored = read_shards(folder).tensors
        self._changed: set[str] = set()
        """Weights that may differ from the base's own."""
        self._active: BaseTurn | None = None
        self._lock = threading.RLock()
        self._in_use = False

    def takes(self, adapter: Adapter) -> bool:
        """Say whether every weight that ``adapter`` changes can be computed anew from the files."""
        return all(
            name in self._parameters and name in self._stored and self._stored[name].dtype in FLOATS
            for name in adapter.factors
        )

    def turn(self, adapters: Sequence[Adapter]) -> BaseTurn:
        """Return the turn of the model that ``adapters`` make, the one nearest the base first.

        Raises:
            UsageError: when one of them is damaged or does not fit.
        """
        updates: dict[str, list[Update]] = {}
        for adapter in adapters:
            for name, update in updates_of(self.model, adapter).items():
                updates.setdefault(name, []).append(update)
        return BaseTurn(self, updates)

    def begin(self, turn: BaseTurn) -> None:
        """Give the weights to ``turn``; another thread waits for the end of the turn before it."""
        self._lock.acquire()
        try:
            if self._in_use:  # by this thread: the other turn's model would go on with these
                raise RuntimeError("a model was used in the middle of another one's turn")
            self._write(turn)
            self._in_use = True
        except BaseException:
            self._lock.release()
            raise

    def end(self) -> None:
        """End the turn that :meth:`begin` began."""
        self._in_use = False
        self._lock.release()

    def _write(self, turn: BaseTurn) -> None:
        if self._active is turn:
            return
        self._active = None  # an interruption in the middle leaves nobody's weights
        names = self._changed | turn.updates.keys()
        self._changed = names
        with torch.no_grad(), products_in("exact"):
            for name in sorted(names):
                parameter, base = self._parameters[name], self._stored[name]
                values = self._base_values(parameter, base)
                for update in turn.updates.get(name, ()):
                    update.add_to(values)
                if values is not parameter:
                    parameter.copy_(values)
        self._changed = set(turn.updates)
        self._active = turn

    @staticmethod
    def _base_values(parameter: Any, base: StoredTensor) -> Any:
        """Return the base's own weight in float32: ``parameter`` itself, where it is float32."""
        if parameter.dtype == torch.float32:
            return parameter.copy_(base.load())
        return base.load().to(parameter.device).float()


class BaseTurn(AbstractContextManager[None]):
    """The time in which a shared base has the weights of one model: a block of ``with``."""

    def __init__(self, base: SharedBase, updates: dict[str, list[Update]]) -> None:
        self._base = base
        self.updates = updates

    def __enter__(self) -> None:
        self._base.begin(self)

    def __exit__(self, *_: object) -> None:
        self._base.end()


_BASES: weakref.WeakValueDictionary[tuple[str, torch.dtype], SharedBase] = (
    weakref.WeakValueDictionary()
)
"""Those that are in use in this process; a base goes when its last model has gone."""


def shared_base(folder: str, name: str, dtype: torch.dtype) -> SharedBase | None:
    """Return the base in ``folder``, loaded once a process; None where it cannot be shared."""
    path = Path(folder)
    if not path.is_dir():
        return None
    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    if not 0 < size <= LIMIT:
        return None
    key = (str(path.resolve()), dtype)
    found = _BASES.get(key)
    if found is None:
        found = _BASES[key] = SharedBase(path, name, dtype)
    return found


def classifier_around(causal: Any, config: Any, head: StoredTensor) -> Any | None:
    """Return a sequence classifier that has the decoder of ``causal``, and a head of its own.

    None where transformers' classifiers of this kind are no decoder with a linear ``score``.

    Args:
        config: of the classifier.
        head: its weights, ``[outputs, hidden]``.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as KINDS

    if type(config) not in KINDS:
        return None
    with torch.device("meta"):
        model = KINDS[type(config)](config)
    prefix = model.base_model_prefix
    linear = getattr(model, "score", None)
    same = type(getattr(model, prefix, None)) is type(causal.base_model)
    if not same or not isinstance(linear, torch.nn.Linear) or linear.bias is not None:
        return None
    if tuple(linear.weight.shape) != head.shape:
        return None
    setattr(model, prefix, causal.base_model)
    linear.weight = torch.nn.Parameter(
        head.load().to(causal.device, torch.float32), requires_grad=False
    )
    return model

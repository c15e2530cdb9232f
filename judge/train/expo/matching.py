"""Two models tensor by tensor: matched by name, combined piece by piece as ExPO does."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import torch

from judge.errors import UsageError
from judge.models.checkpoint import Checkpoint
from judge.models.shards import FLOATS, StoredTensor, Tensor

HEAD_ROW = "helpfulness"
"""The output of a weak model with several that is continued into a strong model with one."""


@dataclass(frozen=True)
class OutputRow:
    """One row of a head with several outputs, as a head with one."""

    head: Tensor
    row: int

    @property
    def dtype(self) -> str:
        """See :class:`judge.models.shards.Tensor`."""
        return self.head.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """See :class:`judge.models.shards.Tensor`."""
        return (1, *self.head.shape[1:])

    @property
    def nbytes(self) -> int:
        """See :class:`judge.models.shards.Tensor`."""
        return self.head.nbytes // self.head.shape[0]

    def pieces(self) -> Iterator[torch.Tensor]:
        """See :class:`judge.models.shards.Tensor`; a head is small, so it is read whole."""
        rows = torch.cat(list(self.head.pieces())).view(self.head.shape)
        yield rows[self.row].flatten()


@dataclass(frozen=True)
class TensorMatch:
    """A tensor of both models."""

    weak: Tensor
    strong: Tensor

    def combined(self, factor: float, name: str) -> Iterator[torch.Tensor]:
        """Yield the pieces of weak + factor (strong - weak).

        The arithmetic is in float64, rounded once to the format of strong. ``lerp`` gives strong
        for 1, weak for 0, and both where they are equal, exactly.

        Raises:
            UsageError: when a value is too large for the format, or not finite to begin with.
        """
        if isinstance(self.strong, StoredTensor) and self.strong.dtype not in FLOATS:
            yield from self.strong.raw_pieces()
            return
        for weak, strong in zip(self.weak.pieces(), self.strong.pieces(), strict=True):
            piece = weak.lerp_(strong, factor).to(FLOATS[self.strong.dtype])
            low, high = piece.aminmax()  # NaN if any is; many times faster than isfinite().all()
            if not (low.isfinite() and high.isfinite()):
                raise UsageError(
                    f"{name} is not finite in {self.strong.dtype} with factor {factor:g}"
                )
            yield piece


def match(weak: Checkpoint, strong: Checkpoint) -> dict[str, TensorMatch]:
    """Match the tensors of two checkpoints by name, in the order of ``strong``.

    A tied tensor that only one side stores is read from the one that it equals. A weak head with
    several named outputs gives its ``helpfulness`` row to a strong head with one. Integers and
    other formats without arithmetic are copied where both sides are equal.

    Raises:
        UsageError: when the models do not fit: names, shapes, outputs, formats, chat templates.
    """
    _same_kind(weak, strong)
    _with_ties(strong, weak, weak.tensors.keys() - strong.tensors.keys())
    others = weak.tensors | _with_ties(weak, strong, strong.tensors.keys() - weak.tensors.keys())
    return {
        name: TensorMatch(_fitting(name, others[name], tensor, weak, strong), tensor)
        for name, tensor in strong.tensors.items()
    }


def _same_kind(weak: Checkpoint, strong: Checkpoint) -> None:
    kinds = [side.config.get("model_type") for side in (weak, strong)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"{weak.folder} is a {kinds[0]} model, {strong.folder} a {kinds[1]} one")
    templates = [side.card.get("chat_template") for side in (weak, strong)]
    if None not in templates and templates[0] != templates[1]:
        raise UsageError(
            f"{weak.folder} was trained with chat template {templates[0]}, {strong.folder} with "
            f"{templates[1]}: their weights answer different questions"
        )
    names = [side.outputs for side in (weak, strong)]
    if names[0] and names[1] and len(names[0]) == len(names[1]) > 1 and names[0] != names[1]:
        raise UsageError(
            f"the outputs of {weak.folder} are {', '.join(names[0])}, "
            f"of {strong.folder} {', '.join(names[1])}"
        )


def _with_ties(model: Checkpoint, other: Checkpoint, names: Set[str]) -> dict[str, Tensor]:
    """Return the tensors of these names, which ``model`` lacks, as the ones that they are tied to.

    Raises:
        UsageError: naming those that are not tied in both models.
    """
    tied = dict(model.tied().items() & other.tied().items()) if names else {}
    lost = sorted(name for name in names if tied.get(name) not in model.tensors)
    if lost:
        raise UsageError(f"{model.folder} lacks {_some(lost)}, which {other.folder} has")
    return {name: model.tensors[tied[name]] for name in names}


def _fitting(
    name: str, weak: Tensor, strong: Tensor, weak_model: Checkpoint, strong_model: Checkpoint
) -> Tensor:
    """Return the weak tensor in the shape of the strong one."""
    where = f"{name} of {weak_model.folder}"
    if weak.shape != strong.shape:
        outputs = weak_model.outputs or []
        to_one = strong.shape == (1, *weak.shape[1:]) and weak.shape[:1] == (len(outputs),)
        if to_one and HEAD_ROW in outputs:
            return OutputRow(weak, outputs.index(HEAD_ROW))
        raise UsageError(
            f"{where} has shape {list(weak.shape)}, of {strong_model.folder} {list(strong.shape)}"
        )
    if weak.dtype in FLOATS and strong.dtype in FLOATS:
        return weak
    if not _equal(weak, strong):
        raise UsageError(
            f"{where} is {weak.dtype}, of {strong_model.folder} {strong.dtype}: such numbers are"
            " only copied, and they differ; give both models in bf16, f16 or f32"
        )
    return weak


def _equal(weak: Tensor, strong: Tensor) -> bool:
    if not (isinstance(weak, StoredTensor) and isinstance(strong, StoredTensor)):
        return False
    return weak.dtype == strong.dtype and all(
        torch.equal(a, b) for a, b in zip(weak.raw_pieces(), strong.raw_pieces(), strict=True)
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"

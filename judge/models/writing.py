"""A checkpoint as the folder of a whole model, adapters merged; such folders in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from judge.errors import UsageError
from judge.models import JUDGE_FILE
from judge.models.base import WEIGHTS
from judge.models.cache import cache_folder, move, working_beside
from judge.models.checkpoint import CONFIG, Checkpoint, open_checkpoint
from judge.models.shards import FLOATS, INDEX, StoredTensor, Tensor, elements, write_file
from judge.runs.whole import replace_json

Format = Literal["F32", "BF16"]
_DTYPES: dict[Format, str] = {"F32": "float32", "BF16": "bfloat16"}
LIMIT = 5 * 10**9
"""The most bytes of weights in a file; one larger tensor has a file to itself."""


@dataclass(frozen=True)
class InFormat:
    """A tensor in another number format."""

    tensor: Tensor
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        """See :class:`judge.models.shards.Tensor`."""
        return self.tensor.shape

    @property
    def nbytes(self) -> int:
        """See :class:`judge.models.shards.Tensor`."""
        return elements(self) * int(FLOATS[self.dtype].itemsize)

    def pieces(self) -> Iterator[torch.Tensor]:
        """See :class:`judge.models.shards.Tensor`."""
        return self.tensor.pieces()


def merged_folder(name: str, format: Format) -> Path:
    """Return a folder with the whole model that a name stands for, its adapters merged.

    It is written to the cache once for all that the weights come from, and found there later.

    Args:
        format: of the merged weights; float32 keeps what bfloat16 would round away.

    Raises:
        UsageError: when the model is damaged, or the cache cannot be written.
    """
    model = open_checkpoint(name)
    digest = model.digest().removeprefix("sha256:")
    folder = cache_folder() / "merged" / f"{model.folder.name}-{digest}-{_DTYPES[format]}"
    if not (folder / CONFIG).is_file():
        with working_beside(folder) as work:
            if not (folder / CONFIG).is_file():  # else another process did it meanwhile
                made = work / "made"
                made.mkdir()
                write_model(made, model, LIMIT, format)
                move(made, folder)
    return folder


def write_model(
    folder: Path, model: Checkpoint, limit: int = LIMIT, format: Format | None = None
) -> None:
    """Write weights, configuration, ``judge.json`` and what belongs beside them to ``folder``.

    Args:
        limit: the most bytes of weights in a file.
        format: of all floating-point weights; None: each as it is stored.

    Raises:
        OSError, UsageError: when there is too little room.
    """
    _write_weights(folder, model, limit, format)
    for name, path in model.beside().items():
        shutil.copyfile(path, folder / name)
    dtype = {} if format is None else {"dtype": _DTYPES[format]}
    replace_json(folder / JUDGE_FILE, model.card)
    replace_json(folder / CONFIG, model.config | dtype)


def _write_weights(folder: Path, model: Checkpoint, limit: int, format: Format | None) -> None:
    """Write the tensors in files of at most ``limit`` bytes, with an index where there are several.

    A tensor that equals another by the configuration (tied embeddings) is left out, as transformers
    does.
    """
    tied = model.tied()
    tensors: dict[str, Tensor] = {
        name: InFormat(tensor, format) if format and tensor.dtype in FLOATS else tensor
        for name, tensor in model.tensors.items()
        if tied.get(name) not in model.tensors
    }
    needed, free = sum(t.nbytes for t in tensors.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise UsageError(f"{folder}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    shards = list(_shards(tensors, limit))
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = WEIGHTS if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        held = {name: tensors[name] for name in names}
        write_file(folder / file, held, {"format": "pt"}, lambda n, h=held: _stored(h[n]))  # type: ignore[misc]
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        sizes = {"total_size": needed, "total_parameters": sum(map(elements, tensors.values()))}
        replace_json(folder / INDEX, {"metadata": sizes, "weight_map": places})


def _shards(tensors: dict[str, Tensor], limit: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.nbytes > limit:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.nbytes
    yield names


def _stored(tensor: Tensor) -> Iterable[torch.Tensor]:
    """Return the data of a tensor as it is stored: unchanged, or merged and rounded once."""
    if isinstance(tensor, StoredTensor):
        return tensor.raw_pieces()
    return (piece.to(FLOATS[tensor.dtype]) for piece in tensor.pieces())

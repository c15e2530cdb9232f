"""Weights in safetensors files, read and written a piece of a tensor at a time."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from judge.errors import UsageError
from judge.runs.whole import whole_file

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PIECE = 1 << 15
"""Elements of a tensor that are in memory at once: 256 KB as float64. They stay in the cache, and
torch starts no threads for so few, which would wait for each other."""
FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The number formats that arithmetic is done on, by their names in safetensors."""


class Tensor(Protocol):
    """A tensor that is read piece by piece; pieces depend on the shape alone."""

    @property
    def dtype(self) -> str:
        """Its number format, as safetensors writes it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; ``()`` for a scalar."""

    @property
    def nbytes(self) -> int:
        """How many bytes it takes in its format."""

    def pieces(self) -> Iterator[torch.Tensor]:
        """Yield its elements in order: float64, one dimension, at most ``PIECE`` at once."""


def spans(elements: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of the pieces of a tensor with so many elements."""
    for start in range(0, elements, PIECE):
        yield start, min(start + PIECE, elements)


def elements(tensor: Tensor) -> int:
    """Return how many elements a tensor has."""
    return math.prod(tensor.shape)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """Where its data begins, in bytes from the start of the file."""
    end: int

    @property
    def nbytes(self) -> int:
        """See :class:`Tensor`."""
        return self.end - self.begin

    def raw_pieces(self) -> Iterator[torch.Tensor]:
        """Yield its bytes (uint8) in order; as many at once as a piece has in float64."""
        with open(self.file, "rb") as file:
            for start in range(0, self.nbytes, 8 * PIECE):
                yield self._read(file, start, min(start + 8 * PIECE, self.nbytes))

    def pieces(self) -> Iterator[torch.Tensor]:
        """See :class:`Tensor`; only for the formats of ``FLOATS``."""
        dtype = FLOATS[self.dtype]
        with open(self.file, "rb") as file:
            for start, stop in spans(elements(self)):
                raw = self._read(file, start * dtype.itemsize, stop * dtype.itemsize)
                values = raw.view(dtype)
                # By way of float32, which is exact, torch widens the 16-bit formats much faster.
                yield (values.float() if dtype.itemsize == 2 else values).double()

    def load(self) -> torch.Tensor:
        """Return all of it in its shape and format; only for the formats of ``FLOATS``."""
        with open(self.file, "rb") as file:
            return self._read(file, 0, self.nbytes).view(FLOATS[self.dtype]).view(self.shape)

    def whole(self) -> torch.Tensor:
        """Return all of it in its shape, as float64: for the factors of an adapter."""
        pieces = [torch.empty(0, dtype=torch.float64), *self.pieces()]
        return torch.cat(pieces).view(self.shape)

    def _read(self, file: Any, start: int, stop: int) -> torch.Tensor:
        """Return bytes ``start`` to ``stop`` of the data; no memory map, so none stays resident."""
        raw = torch.empty(stop - start, dtype=torch.uint8)
        file.seek(self.begin + start)
        if file.readinto(raw.numpy()) != stop - start:
            raise UsageError(f"{self.file} became shorter while it was read")
        return raw


@dataclass(frozen=True)
class Shards:
    """The tensors of a folder and the files that they are in."""

    tensors: dict[str, StoredTensor]
    files: dict[str, list[str]]
    """File name to the names of its tensors, in the order of their data."""
    metadata: dict[str, dict[str, str]]
    """File name to what its header says beside the tensors (``{"format": "pt"}``)."""
    index: dict[str, Any] | None
    """The ``metadata`` of the index; None without an index."""


def read_shards(folder: Path) -> Shards:
    """Open the checkpoint in ``folder``: ``model.safetensors``, or the files its index names.

    Only headers are read.

    Raises:
        UsageError: when there is none, or a file is missing, damaged or lacks a tensor.
    """
    if not (folder / INDEX).is_file():
        if not (folder / WEIGHTS).is_file():
            raise UsageError(f"{folder} holds no {WEIGHTS} and no {INDEX}")
        tensors, metadata = read_file(folder / WEIGHTS)
        return Shards(tensors, {WEIGHTS: list(tensors)}, {WEIGHTS: metadata}, None)
    places, index = _read_index(folder / INDEX)
    found: dict[str, StoredTensor] = {}
    files: dict[str, list[str]] = {}
    headers: dict[str, dict[str, str]] = {}
    for name in sorted(set(places.values())):
        tensors, headers[name] = read_file(folder / name)
        files[name] = [tensor for tensor in tensors if places.get(tensor) == name]
        found |= {tensor: tensors[tensor] for tensor in files[name]}
    missing = sorted(places.keys() - found.keys())
    if missing:
        raise UsageError(f"{folder / places[missing[0]]} lacks {missing[0]}, which the index names")
    return Shards(found, files, headers, index)


def read_file(path: Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Return the tensors of one safetensors file, in the order of their data, and its metadata.

    Raises:
        UsageError: when the file is missing, damaged or cut short.
    """
    try:
        with safe_open(path, "pt"):  # the library checks the header against the file's length
            pass
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path}: not a whole safetensors file: {error}") from None
    metadata = header.pop("__metadata__", {})
    start = 8 + length
    tensors = {
        name: StoredTensor(
            path,
            entry["dtype"],
            tuple(entry["shape"]),
            start + entry["data_offsets"][0],
            start + entry["data_offsets"][1],
        )
        for name, entry in header.items()
    }
    return dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end))), metadata


def write_file(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    pieces: Callable[[str], Iterable[torch.Tensor]],
) -> None:
    """Write a safetensors file piece by piece; it is there whole or not at all.

    The library's own writer wants every tensor of a file in memory at once.

    Args:
        tensors: the name, format and shape of each.
        pieces: yields the data of a name: one-dimensional tensors of its format (or its bytes).
    """
    # Readers want each tensor aligned to its element: the widest first, as the library writes.
    order = sorted(tensors, key=lambda name: -_element_bytes(tensors[name]))
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        offsets = [end, end := end + tensors[name].nbytes]
        entries[name] = {
            "dtype": tensors[name].dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": offsets,
        }
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with whole_file(path, part) as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for name in order:
            for piece in pieces(name):
                file.write(piece.contiguous().view(torch.uint8).numpy())
        if file.tell() != 8 + len(header) + end:
            raise AssertionError(f"{path}: the pieces are not the tensors of the header")


def _element_bytes(tensor: Tensor) -> int:
    return tensor.nbytes // max(elements(tensor), 1)


def _read_index(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        places = {str(name): str(file) for name, file in index["weight_map"].items()}
        if any(Path(file).name != file for file in places.values()):
            raise ValueError
        return places, dict(index.get("metadata") or {})
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: expected a weight_map of tensor names to file names") from None

"""Safetensors files read and written piece by piece, against the library's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from judge.errors import UsageError
from judge.models import shards
from judge.models.shards import INDEX, read_file, read_shards, write_file
from tests import checkpoints

ODD = {
    "scalar": torch.tensor(3.5),
    "empty": torch.zeros(0, 4),
    "row": torch.arange(7, dtype=torch.bfloat16),
    "matrix": torch.randn(5, 3, dtype=torch.float64),
    "half": torch.randn(3, 3).half(),
    "counts": torch.arange(9).view(3, 3),
    "mask": torch.tensor([True, False, True]),
    "fp8": torch.randn(6).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("piece", [1, 2, 4, 1 << 20])
def test_what_is_read_and_written_again_is_the_same_file_for_the_library(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PIECE", piece)
    save_file(ODD, tmp_path / "a.safetensors", {"format": "pt"})
    tensors, metadata = read_file(tmp_path / "a.safetensors")
    write_file(
        tmp_path / "b.safetensors", tensors, metadata, lambda name: tensors[name].raw_pieces()
    )
    again = load_file(tmp_path / "b.safetensors")
    assert again.keys() == ODD.keys()
    for name, value in ODD.items():
        assert again[name].dtype == value.dtype and again[name].shape == value.shape
        one, two = (t.reshape(-1).view(torch.uint8) for t in (again[name], value))
        assert torch.equal(one, two)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.safetensors", "b.safetensors"]


@given(st.integers(0, 40), st.integers(1, 50))
def test_pieces_are_the_tensor_in_order_and_never_larger(
    tmp_path_factory: pytest.TempPathFactory, size: int, piece: int
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "x.safetensors"
    value = torch.randn(size, generator=torch.Generator().manual_seed(size)).bfloat16()
    save_file({"x": value}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PIECE", piece)
        pieces = list(read_file(path)[0]["x"].pieces())
    assert all(len(p) <= piece and p.dtype == torch.float64 for p in pieces)
    assert torch.equal(torch.cat([torch.empty(0).double(), *pieces]), value.double())


def test_an_index_says_which_file_holds_a_tensor(tmp_path: Path) -> None:
    values = checkpoints.tensors(0)
    names = list(values)
    folder = checkpoints.write(tmp_path / "m", values, shards=[names[:1], names[1:]])
    found = read_shards(folder)
    assert found.tensors.keys() == values.keys()
    assert list(found.files) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert found.index is not None and found.index["total_size"] > 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "model-00002-of-00002.safetensors").unlink(),
            "not a whole safetensors file",
        ),
        (
            lambda f: (f / "model-00002-of-00002.safetensors").write_bytes(b"\xff" * 100),
            "not a whole safetensors file",
        ),
        (
            lambda f: (f / "model-00001-of-00002.safetensors").write_bytes(
                (f / "model-00001-of-00002.safetensors").read_bytes()[:-4]
            ),
            "not a whole safetensors file",
        ),
        (lambda f: (f / INDEX).write_text("[1]"), "expected a weight_map"),
        (
            lambda f: (f / INDEX).write_text('{"weight_map": {"a": "../x.safetensors"}}'),
            "expected a weight_map",
        ),
        (
            lambda f: (f / INDEX).write_text(
                json.dumps({"weight_map": {"gone": "model-00001-of-00002.safetensors"}})
            ),
            "lacks gone, which the index names",
        ),
        (lambda f: (f / INDEX).unlink(), "holds no model.safetensors"),
    ],
)
def test_a_damaged_checkpoint_is_one_line(damage: object, message: str, tmp_path: Path) -> None:
    values = checkpoints.tensors(0)
    names = list(values)
    folder = checkpoints.write(tmp_path / "m", values, shards=[names[:1], names[1:]])
    assert callable(damage)
    damage(folder)
    with pytest.raises(UsageError, match=message) as caught:
        read_shards(folder)
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    save_file({"x": torch.ones(4)}, tmp_path / "a.safetensors")
    tensors, metadata = read_file(tmp_path / "a.safetensors")

    def pieces(name: str) -> list[torch.Tensor]:
        raise UsageError("stop")

    with pytest.raises(UsageError, match="stop"):
        write_file(tmp_path / "b.safetensors", tensors, metadata, pieces)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]

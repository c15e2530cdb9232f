"""The comparison of engines finds what differs, and misses nothing."""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def agree() -> Any:
    """The benchmark; a dependency of ours has a package that is called as its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("engines_agree")


def line(number: int, probability: float = 0.75, **fields: Any) -> dict[str, Any]:
    return {
        "pair_id": f"p{number}",
        "preference": "response_1" if probability > 0.5 else "response_2",
        "probability": probability,
        "orders": {"given": {"elaboration": "Shorter."}, "flipped": {"elaboration": "Longer."}},
        **fields,
    }


def folder(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.mkdir()
    (path / "judgments.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_the_same_is_the_same(agree: Any, tmp_path: Path) -> None:
    lines = [line(n) for n in range(3)]
    found = agree.compare(folder(tmp_path / "a", lines), folder(tmp_path / "b", lines))
    assert (found.pairs, found.same, found.shapes, found.furthest) == (3, 3, 3, 0)
    assert (found.elaborations, found.same_elaborations, found.differences) == (6, 6, [])


@pytest.mark.parametrize(
    ("change", "same", "shapes", "texts"),
    [
        (lambda one: line(1, 0.25), 1, 2, 4),
        (lambda one: {**one, "probability": 1}, 2, 1, 4),  # another type
        (lambda one: {**one, "extra": None}, 2, 1, 4),
        (lambda one: {**one, "orders": {"given": {"elaboration": "x"}}}, 2, 1, 2),
        (lambda one: {**one, "orders": {o: {"elaboration": "x"} for o in one["orders"]}}, 2, 2, 2),
    ],
)
def test_what_differs_is_found(
    agree: Any,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    same: int,
    shapes: int,
    texts: int,
) -> None:
    lines = [line(0), line(1)]
    one, other = folder(tmp_path / "a", lines), folder(tmp_path / "b", [lines[0], change(lines[1])])
    found = agree.compare(one, other)
    assert (found.same, found.shapes, found.same_elaborations) == (same, shapes, texts)
    preferences = [found.differences[0]["probabilities"]] if found.differences else []
    assert preferences == ([] if same == 2 else [[0.75, 0.25]])


def test_other_pairs_are_no_comparison(agree: Any, tmp_path: Path) -> None:
    one = folder(tmp_path / "a", [line(0), line(1)])
    with pytest.raises(ValueError, match="holds p2"):
        agree.compare(one, folder(tmp_path / "b", [line(0), line(2)]))
    with pytest.raises(ValueError, match="shorter"):
        agree.compare(one, folder(tmp_path / "c", [line(0)]))


def test_a_sample_lies_evenly(agree: Any, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl.gz"
    file.write_bytes(gzip.compress(b"".join(b"%d\n" % n for n in range(100))))
    assert agree.sample(file, 4, tmp_path / "out") == 4
    assert (tmp_path / "out").read_bytes() == b"0\n25\n50\n75\n"
    assert agree.sample(file, 1000, tmp_path / "out") == 100

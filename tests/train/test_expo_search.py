"""The search of the factor: its two stages, ties, the model in memory, the files it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import UsageError
from judge.models.checkpoint import open_checkpoint
from judge.train.expo import search as expo_search
from judge.train.expo.candidate import ExpoCandidate
from judge.train.expo.config import ExpoConfig
from judge.train.expo.curve import read_curve
from judge.train.expo.extrapolate import run
from judge.train.expo.matching import match
from judge.train.expo.search import best_of, search
from tests.checkpoints import preferences, save_model, tiny_model

# --- the two stages ------------------------------------------------------------------------------


def test_the_papers_search_ends_at_its_factor() -> None:
    """Best of the first stage 1.6, of 1.51 to 1.69 then 1.52."""
    asked: list[int] = []

    def right_at(factor: int) -> int:
        asked.append(factor)
        return {152: 1000, 160: 990}.get(factor, 900)

    found = search(right_at)
    assert asked[:10] == [110, 120, 130, 140, 150, 160, 170, 180, 190, 200]
    assert sorted(asked[10:]) == [f for f in range(151, 170) if f != 160]
    assert len(asked) == len(set(asked)) == 28
    assert best_of(found) == 152
    assert list(found) == sorted(found)


@given(st.dictionaries(st.integers(0, 300), st.integers(0, 5), min_size=1))
def test_of_equals_the_smallest_factor(right: dict[int, int]) -> None:
    best = best_of(right)
    assert right[best] == max(right.values())
    assert all(best <= factor for factor, n in right.items() if n == right[best])


@pytest.mark.parametrize(("level", "best"), [(0, 101), (7, 101)])
def test_a_flat_curve_ends_below_its_first_factor(level: int, best: int) -> None:
    found = search(lambda factor: level)
    assert best_of(found) == best
    assert set(found) == {*range(101, 120), *range(120, 201, 10)}


# --- the model in memory -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(mini_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, labels, seed in (("weak", 5, 1), ("strong", 1, 2)):
        model = tiny_model(mini_tokenizer, labels, seed).to(torch.bfloat16)
        save_model(folder / name, model, mini_tokenizer)
    return folder


def config(models: Path, output: Path, **options: Any) -> ExpoConfig:
    return ExpoConfig(
        weak=str(models / "weak"), strong=str(models / "strong"), output_dir=str(output), **options
    )


def test_the_candidate_is_the_checkpoint_that_would_be_written(
    models: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    weak, strong = (open_checkpoint(str(models / side)) for side in ("weak", "strong"))
    candidate = ExpoCandidate(match(weak, strong), strong)
    pairs = candidate.read(preferences(tmp_path / "val.jsonl", 7), None)
    candidate.set(0.2)
    candidate.set(1.37)
    found = candidate.outputs(pairs)
    assert found.shape == (7, 2, 1)

    run(config(models, tmp_path / "out", factor=1.37))
    loaded = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "out", dtype=torch.float32
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "val.jsonl").read_text().splitlines()]
    for row, rewards in zip(rows, found, strict=True):
        for side, reward in zip(("chosen", "rejected"), rewards, strict=True):
            ids = tokenizer.apply_chat_template(
                row["prompt"] + row[side], return_dict=False, return_tensors="pt"
            )
            torch.testing.assert_close(loaded(ids).logits[0], reward, rtol=1e-4, atol=1e-5)


def test_a_search_writes_the_best_factor_and_its_curve(models: Path, tmp_path: Path) -> None:
    file = preferences(tmp_path / "val.jsonl", 20)
    record = run(config(models, tmp_path / "out", search=str(file), search_limit=12))
    found = json.loads((tmp_path / "out" / "expo_search.json").read_text())
    assert found["pairs"] == 12
    assert found["best"]["factor"] == record.factor
    assert found["best"]["right"] == max(p["right"] for p in found["curve"])
    assert found["weak"]["factor"] == 0 and found["strong"]["factor"] == 1
    assert len(found["curve"]) >= 28
    lines = read_curve(str(tmp_path / "out"))
    assert len(lines) == len(found["curve"]) + 2
    assert sum(line.endswith("best") for line in lines) == 1
    picture = (tmp_path / "out" / "expo_search.svg").read_text()
    assert picture.startswith("<svg") and picture.count("<circle") == len(found["curve"]) + 1

    run(config(models, tmp_path / "same", factor=record.factor))
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "same"))
    assert one == two


def test_an_interrupted_search_asks_nothing_twice(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = preferences(tmp_path / "val.jsonl", 4)
    asked: list[float] = []
    stop_at = 5

    class Counting:
        def __init__(self, *arguments: Any) -> None:
            self.inner = ExpoCandidate(*arguments)

        def read(self, *arguments: Any) -> Any:
            return self.inner.read(*arguments)

        def set(self, factor: float) -> None:
            if len(asked) == stop_at:
                raise KeyboardInterrupt
            asked.append(factor)

        def count_right(self, pairs: Any, output: int) -> int:
            return round(asked[-1] * 10) % 7

    monkeypatch.setattr(expo_search, "ExpoCandidate", Counting)
    with pytest.raises(KeyboardInterrupt):
        run(config(models, tmp_path / "out", search=str(file)))
    stop_at = -1
    run(config(models, tmp_path / "out", search=str(file)))
    assert len(asked) == len(set(asked)) == 30
    assert not list(tmp_path.glob(".out*"))


def test_a_damaged_validation_set_names_its_line(models: Path, tmp_path: Path) -> None:
    file = preferences(tmp_path / "val.jsonl", 2)
    file.write_text(file.read_text() + '{"pair_id": "x"}\n')
    with pytest.raises(UsageError, match=r"val\.jsonl, line 3"):
        run(config(models, tmp_path / "out", search=str(file)))


def test_several_outputs_without_helpfulness_cannot_be_searched(
    mini_tokenizer: Any, tmp_path: Path
) -> None:
    for side, seed in (("weak", 1), ("strong", 2)):
        model = tiny_model(mini_tokenizer, 5, seed)
        model.config.id2label = dict(enumerate("abcde"))
        save_model(tmp_path / side, model, mini_tokenizer)
    file = preferences(tmp_path / "val.jsonl", 2)
    with pytest.raises(UsageError, match="no output is called helpfulness"):
        run(config(tmp_path, tmp_path / "out", search=str(file)))

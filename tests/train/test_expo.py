"""ExPO: the law of the weights, what fits and what does not, atomic output, memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.models import shards
from judge.train.expo import extrapolate as expo
from judge.train.expo.config import ExpoConfig
from judge.train.expo.extrapolate import run
from judge.train.expo.record import ExpoRecord
from tests.checkpoints import SHAPES, read, save_model, tensors, tiny_model, write

ROOT = Path(__file__).parent.parent.parent
NAMES = list(SHAPES)
FIVE = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"]


def expo_of(folder: Path, factor: float = 1.5, **options: Any) -> ExpoRecord:
    return run(
        ExpoConfig(
            weak=str(folder / "weak"),
            strong=str(folder / "strong"),
            output_dir=str(folder / "out"),
            factor=factor,
            **options,
        )
    )


def both(folder: Path, weak: dict[str, torch.Tensor], strong: dict[str, torch.Tensor]) -> Path:
    write(folder / "weak", weak)
    write(folder / "strong", strong)
    return folder


# --- the law -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_factor_1_is_strong_and_0_is_weak_to_the_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    weak, strong = tensors(1, dtype), tensors(2, dtype)
    strong["model.norm.weight"] = strong["model.norm.weight"] * 1e-6  # far from weak's in size
    both(tmp_path, weak, strong)
    for factor, expected in ((0.0, weak), (1.0, strong)):
        output = tmp_path / f"out{factor}"
        run(
            ExpoConfig(
                weak=str(tmp_path / "weak"),
                strong=str(tmp_path / "strong"),
                output_dir=str(output),
                factor=factor,
            )
        )
        found = read(output)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == dtype
            assert torch.equal(found[name], value), name


def test_values_derived_by_hand(tmp_path: Path) -> None:
    """1 + 1.5 (3 - 1) = 4; -2 + 1.5 (2 - -2) = 4; 0.5 + 1.5 (0.5 - 0.5) = 0.5."""
    both(
        tmp_path,
        {"w": torch.tensor([1.0, -2.0, 0.5])},
        {"w": torch.tensor([3.0, 2.0, 0.5])},
    )
    expo_of(tmp_path, 1.5)
    assert read(tmp_path / "out")["w"].tolist() == [4.0, 4.0, 0.5]


def test_bfloat16_is_rounded_once(tmp_path: Path) -> None:
    """The result is the bfloat16 nearest to the exact value; arithmetic in bfloat16 is not."""
    weak, strong = tensors(1, torch.bfloat16), tensors(2, torch.bfloat16)
    both(tmp_path, weak, strong)
    expo_of(tmp_path, 1.52)
    name = "model.embed_tokens.weight"
    w, s = weak[name].double(), strong[name].double()
    exact = w + 1.52 * (s - w)
    assert torch.equal(read(tmp_path / "out")[name], exact.bfloat16())
    naive = weak[name] + 1.52 * (strong[name] - weak[name])
    assert not torch.equal(naive, exact.bfloat16())


@given(
    st.floats(-2, 3),
    st.floats(-2, 3),
    st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=8),
)
def test_linear_in_the_factor(a: float, b: float, values: list[tuple[float, float]]) -> None:
    """The mean of the weights at two factors is the weights at the factors' mean."""
    weak = torch.tensor([w for w, _ in values], dtype=torch.float64)
    strong = torch.tensor([s for _, s in values], dtype=torch.float64)
    at = {f: _combined(weak, strong, f) for f in (a, b, (a + b) / 2)}
    torch.testing.assert_close((at[a] + at[b]) / 2, at[(a + b) / 2], rtol=1e-9, atol=1e-9)


class InMemory:
    """A tensor of :class:`judge.models.shards.Tensor` without a file."""

    dtype = "F64"

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value
        self.shape = tuple(value.shape)
        self.nbytes = value.nbytes

    def pieces(self) -> Any:
        yield self.value.clone()


def _combined(weak: torch.Tensor, strong: torch.Tensor, factor: float) -> torch.Tensor:
    from judge.train.expo.matching import TensorMatch

    return torch.cat(list(TensorMatch(InMemory(weak), InMemory(strong)).combined(factor, "w")))


def test_formats_may_differ_and_the_output_has_that_of_strong(tmp_path: Path) -> None:
    weak, strong = tensors(1, torch.float32), tensors(2, torch.bfloat16)
    both(tmp_path, weak, strong)
    expo_of(tmp_path, 1.5)
    for name, value in read(tmp_path / "out").items():
        w, s = weak[name].double(), strong[name].double()
        assert torch.equal(value, (w + 1.5 * (s - w)).bfloat16())


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_shards_of_strong_are_kept_whatever_those_of_weak(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PIECE", piece)
    weak, strong = tensors(1), tensors(2)
    write(tmp_path / "weak", weak, shards=[NAMES[2:], NAMES[:2]])
    write(tmp_path / "strong", strong, shards=[NAMES[:1], NAMES[1:3], NAMES[3:]])
    expo_of(tmp_path, 1.5)
    for path in (tmp_path / "strong").iterdir():
        assert (tmp_path / "out" / path.name).is_file()
    index = "model.safetensors.index.json"
    there, here = ((tmp_path / side / index).read_text() for side in ("strong", "out"))
    assert json.loads(there) == json.loads(here)
    for name, value in read(tmp_path / "out").items():
        expected = weak[name].double().lerp(strong[name].double(), 1.5).float()
        assert torch.equal(value, expected)


def test_what_belongs_to_strong_comes_along_with_a_record(tmp_path: Path) -> None:
    write(tmp_path / "weak", tensors(1), ["helpfulness"], objective="regression")
    strong = write(tmp_path / "strong", tensors(2), ["reward"], objective="scaled_bt")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "LICENSE"):
        (strong / name).write_text(name)
    (strong / "optimizer.pt").write_text("not this")
    record = expo_of(tmp_path, 1.52)
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "LICENSE",
        "chat_template.jinja",
        "config.json",
        "judge.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    card = json.loads((out / "judge.json").read_text())
    assert card["objective"] == "scaled_bt" and card["outputs"] == ["reward"]
    assert card["expo"] == record.to_json()
    assert record.factor == 1.52
    assert record.weak != record.strong and record.weak.startswith("sha256:")


def test_integers_and_other_formats_are_copied_where_equal(tmp_path: Path) -> None:
    fixed = {"ids": torch.arange(5), "q": torch.randn(4).to(torch.float8_e4m3fn)}
    both(tmp_path, {**tensors(1), **fixed}, {**tensors(2), **fixed})
    expo_of(tmp_path, 1.5)
    found = read(tmp_path / "out")
    assert torch.equal(found["ids"], fixed["ids"])
    assert torch.equal(found["q"].view(torch.uint8), fixed["q"].view(torch.uint8))


def test_a_second_run_leaves_a_finished_folder_alone(tmp_path: Path) -> None:
    both(tmp_path, tensors(1), tensors(2))
    first = expo_of(tmp_path, 1.5)
    before = (tmp_path / "out" / "model.safetensors").stat()
    assert expo_of(tmp_path, 1.5) == first
    assert (tmp_path / "out" / "model.safetensors").stat() == before
    with pytest.raises(UsageError, match=r"holds an ExPO checkpoint .*: asked is .*1\.5.* 1\.6"):
        expo_of(tmp_path, 1.6)


def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    both(tmp_path, tensors(1), tensors(2))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no ExPO checkpoint"):
        expo_of(tmp_path)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_an_interrupted_run_goes_on_with_the_files_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side, seed in (("weak", 1), ("strong", 2)):
        write(tmp_path / side, tensors(seed), shards=[NAMES[:1], NAMES[1:]])
    written = []
    whole = expo.write_file

    def failing(path: Path, *others: Any) -> None:
        if len(written) == 1:
            (path.parent / f"{path.name}.1.part").write_text("torn")
            raise KeyboardInterrupt
        written.append(path.name)
        whole(path, *others)

    monkeypatch.setattr(expo, "write_file", failing)
    with pytest.raises(KeyboardInterrupt):
        expo_of(tmp_path, 1.5)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(
        expo, "write_file", lambda path, *rest: (written.append(path.name), whole(path, *rest))
    )
    expo_of(tmp_path, 1.5)
    assert written == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert not list(tmp_path.glob(".out*"))
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {p.name for p in (tmp_path / "strong").iterdir()} | {"judge.json"}
    fresh = tmp_path / "fresh"
    monkeypatch.undo()
    run(
        ExpoConfig(
            weak=str(tmp_path / "weak"),
            strong=str(tmp_path / "strong"),
            output_dir=str(fresh),
            factor=1.5,
        )
    )
    for name in names:
        assert (fresh / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_unfinished_work_of_another_factor_is_not_taken(tmp_path: Path) -> None:
    both(tmp_path, tensors(1), tensors(2))
    stale = tmp_path / ".out.partial"
    stale.mkdir()
    (stale / "expo.json").write_text('{"asked": {"factor": 9.0}}')
    (stale / "model.safetensors").write_text("of another factor")
    expo_of(tmp_path, 1.0)
    assert torch.equal(read(tmp_path / "out")["score.weight"], tensors(2)["score.weight"])


def test_the_checkpoint_loads_and_gives_the_rewards_of_its_weights(
    mini_tokenizer: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    weak = tiny_model(mini_tokenizer, 1, 1)
    strong = tiny_model(mini_tokenizer, 1, 2)
    save_model(tmp_path / "weak", weak, mini_tokenizer)
    save_model(tmp_path / "strong", strong, mini_tokenizer)
    expo_of(tmp_path, 1.3)
    expected = {n: t + 1.3 * (strong.state_dict()[n] - t) for n, t in weak.state_dict().items()}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    strong.load_state_dict(expected)
    ids = torch.tensor([[1, 2, 3, 4]])
    torch.testing.assert_close(loaded(ids).logits, strong.eval()(ids).logits)


# --- heads and ties ------------------------------------------------------------------------------


def test_a_strong_head_with_one_output_goes_on_from_helpfulness(tmp_path: Path) -> None:
    names = ["correctness", "helpfulness", "coherence", "complexity", "verbosity"]
    weak = tensors(1) | {"score.weight": torch.randn(5, 6)}
    strong = tensors(2)
    write(tmp_path / "weak", weak, names)
    write(tmp_path / "strong", strong, ["reward"])
    record = expo_of(tmp_path, 1.5)
    assert record.weak_output == "helpfulness"
    expected = weak["score.weight"][1:2] + 1.5 * (strong["score.weight"] - weak["score.weight"][1])
    torch.testing.assert_close(read(tmp_path / "out")["score.weight"], expected)


@pytest.mark.parametrize(
    ("outputs", "rows"), [(None, (5, 1)), (["a", "b"], (2, 1)), (["reward"], (1, 5))]
)
def test_another_head_that_does_not_fit_is_one_line(
    outputs: list[str] | None, rows: tuple[int, int], tmp_path: Path
) -> None:
    weak, strong = (
        tensors(seed) | {"score.weight": torch.randn(n, 6)}
        for seed, n in zip((1, 2), rows, strict=True)
    )
    write(tmp_path / "weak", weak, outputs)
    write(tmp_path / "strong", strong, FIVE if rows[1] == 5 else ["reward"])
    with pytest.raises(UsageError) as caught:
        expo_of(tmp_path)
    assert f"score.weight of {tmp_path / 'weak'} has shape [{rows[0]}, 6]" in str(caught.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / ".out.partial").exists()


@pytest.mark.parametrize("weak_stores", [True, False])
@pytest.mark.parametrize("strong_stores", [True, False])
def test_tied_weights_may_be_stored_once_or_twice(
    weak_stores: bool, strong_stores: bool, tmp_path: Path
) -> None:
    embedding = "model.embed_tokens.weight"
    config = {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": True}
    for side, seed, stores in (("weak", 1, weak_stores), ("strong", 2, strong_stores)):
        values = {embedding: tensors(seed)[embedding]}
        if stores:
            values["lm_head.weight"] = values[embedding].clone()
        write(tmp_path / side, values, config=config)
    expo_of(tmp_path, 1.5)
    found = read(tmp_path / "out")
    weak, strong = (tensors(seed)[embedding].double() for seed in (1, 2))
    expected = weak.lerp(strong, 1.5).float()
    assert found.keys() == ({embedding, "lm_head.weight"} if strong_stores else {embedding})
    assert all(torch.equal(value, expected) for value in found.values())


def test_an_untied_head_is_never_dropped_or_made_up(tmp_path: Path) -> None:
    embedding = "model.embed_tokens.weight"
    config = {"architectures": ["LlamaForCausalLM"]}
    untied = {embedding: tensors(1)[embedding], "lm_head.weight": tensors(3)[embedding]}
    write(tmp_path / "weak", untied, config=config | {"tie_word_embeddings": False})
    tied = {embedding: tensors(2)[embedding]}
    write(tmp_path / "strong", tied, config=config | {"tie_word_embeddings": True})
    with pytest.raises(UsageError, match=r"strong lacks lm_head\.weight, which .*weak has"):
        expo_of(tmp_path)


# --- what does not fit ---------------------------------------------------------------------------


def _without(values: dict[str, torch.Tensor], *names: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in values.items() if name not in names}


@pytest.mark.parametrize(
    ("weak", "strong", "message"),
    [
        (_without(tensors(1), "score.weight"), tensors(2), r"weak lacks score\.weight, which"),
        (tensors(1), _without(tensors(2), *NAMES[:2]), r"strong lacks model\.embed.*, model\.lay"),
        (
            tensors(1) | {f"extra.{i}": torch.ones(1) for i in range(8)},
            tensors(2),
            r"extra\.4 and 3 more",
        ),
        (
            tensors(1) | {"model.norm.weight": torch.ones(7)},
            tensors(2),
            r"model\.norm\.weight of .*weak has shape \[7\], of .*strong \[6\]",
        ),
        (
            tensors(1) | {"ids": torch.arange(3)},
            tensors(2) | {"ids": torch.arange(1, 4)},
            r"ids of .* is I64, .* are only copied, and they differ",
        ),
        (
            tensors(1) | {"w": torch.ones(3)},
            tensors(2) | {"w": torch.ones(3).to(torch.float8_e4m3fn)},
            r"w of .* is F32, of .* F8_E4M3",
        ),
        (
            tensors(1) | {"w": torch.tensor([-60000.0]).half()},
            tensors(2) | {"w": torch.tensor([60000.0]).half()},
            r"w is not finite in F16 with factor 1\.5",
        ),
        (
            tensors(1),
            tensors(2) | {"w": torch.ones(1)} | {"model.norm.weight": torch.full((6,), torch.nan)},
            r"weak lacks w",
        ),
        (
            tensors(1),
            tensors(2) | {"model.norm.weight": torch.full((6,), torch.nan)},
            r"model\.norm\.weight is not finite",
        ),
    ],
)
def test_models_that_do_not_fit_are_one_line(
    weak: dict[str, torch.Tensor],
    strong: dict[str, torch.Tensor],
    message: str,
    tmp_path: Path,
) -> None:
    both(tmp_path, weak, strong)
    with pytest.raises(UsageError, match=message) as caught:
        expo_of(tmp_path, 1.5)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("weak", "strong", "message"),
    [
        ({"config": {"model_type": "qwen3"}}, {}, "is a qwen3 model, .* a llama one"),
        (
            {"outputs": ["reward"], "chat_template": "sha256:a"},
            {"outputs": ["reward"], "chat_template": "sha256:b"},
            "chat template sha256:a, .* sha256:b",
        ),
        ({"outputs": ["x", "y"]}, {"outputs": ["y", "x"]}, "outputs of .*weak are x, y, .* y, x"),
    ],
)
def test_models_of_another_kind_are_one_line(
    weak: dict[str, Any], strong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "weak", tensors(1), **weak)
    write(tmp_path / "strong", tensors(2), **strong)
    with pytest.raises(UsageError, match=message):
        expo_of(tmp_path)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    both(tmp_path, tensors(1), tensors(2))
    sides = ["--weak", str(tmp_path / "weak"), "--strong", str(tmp_path / "strong")]
    for options, message in (
        ([], "give either a factor or a file"),
        (["--factor", "1", "--search", "x.jsonl"], "give either a factor or a file"),
        (["--factor", "nan"], "not a finite number"),
        (["--factor", "1", "--weak", str(tmp_path / "none")], "no model folder at"),
        (["--search", str(tmp_path / "none.jsonl")], "cannot read"),
    ):
        arguments = ["train", "expo", *sides, "--out", str(tmp_path / "out"), *options]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr and result.stderr.count("\n") == 1
    result = CliRunner().invoke(
        app, ["train", "expo", *sides, "--out", str(tmp_path / "out"), "--factor", "1.5"]
    )
    assert result.exit_code == 0 and "factor: 1.5" in result.stdout


# --- memory --------------------------------------------------------------------------------------

MEASURE = '''
import json, struct, sys
from pathlib import Path
from judge.train.expo.config import ExpoConfig
from judge.train.expo.extrapolate import run

def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

def grown(root, size):
    """Return the bytes by which the peak grows, for two models of two files of so many bytes."""
    for side in ("weak", "strong"):
        folder = root / side
        folder.mkdir(parents=True)
        places = {}
        for shard in range(2):
            name = f"model-{shard + 1:05}-of-00002.safetensors"
            entry = {"dtype": "BF16", "shape": [size // 128, 64], "data_offsets": [0, size]}
            header = json.dumps({f"w{shard}": entry}).encode()
            with open(folder / name, "wb") as file:
                file.write(struct.pack("<Q", len(header)) + header)
                file.truncate(8 + len(header) + size)
            places[f"w{shard}"] = name
        index = {"metadata": {}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        (folder / "config.json").write_text('{"model_type": "llama"}')
    before = peak()
    run(ExpoConfig(weak=str(root / "weak"), strong=str(root / "strong"),
                   output_dir=str(root / "out"), factor=1.5))
    return peak() - before

root = Path(sys.argv[1])
print(grown(root / "small", 8 << 20))
print(grown(root / "large", 64 << 20))
print(sum(p.stat().st_size for p in (root / "large" / "out").iterdir()))
'''


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's VmHWM")
def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    """The first run's figure holds what libraries load at their first use, too."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    small, large, written = map(int, done.stdout.split())
    assert written > 128 << 20
    assert large < 8 << 20  # of two models with 256 MB, each tensor 64 MB
    assert small + large < 48 << 20

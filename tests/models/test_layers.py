"""A model's name to its parts: bases, adapters upon adapters, tokenizers, digests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from judge.errors import UsageError
from judge.models import FOLDER, resolve_model
from judge.models.layers import digest_of, layers_of
from tests.small_base import Tiny, write_adapter


def test_a_whole_model_is_its_own_base(cached: Path) -> None:
    for name, folder in (("mini", str(FOLDER / "mini_judge")), ("small-base", str(cached))):
        layers = layers_of(name)
        assert (layers.folder, layers.base, layers.tokenizer) == (folder, folder, folder)
        assert layers.adapters == () and layers.base_name == name
    assert layers_of("somebody/model").base == "somebody/model"


def test_adapters_stand_upon_one_another(cached: Path, tmp_path: Path) -> None:
    lower = write_adapter(tmp_path / "lower")
    upper = write_adapter(tmp_path / "upper", str(lower))
    layers = layers_of(str(upper))
    assert layers.adapters == (lower, upper)
    assert layers.base == layers.tokenizer == str(cached) and layers.base_name == "small-base"
    (lower / "tokenizer_config.json").write_text("{}")
    assert layers_of(str(upper)).tokenizer == str(lower)


def test_the_digest_is_of_everything_below(tiny: Tiny, cached: Path, tmp_path: Path) -> None:
    lower = write_adapter(tmp_path / "lower")
    upper = write_adapter(tmp_path / "upper", str(lower))
    base = tiny.base.weights_digest[:16]
    assert digest_of(str(cached)) == digest_of(str(tiny.made)) == base
    assert digest_of(resolve_model("mini")) not in (None, base)
    before = digest_of(str(lower)), digest_of(str(upper))
    assert len({base, *before}) == 3 and None not in before
    shutil.rmtree(lower)
    write_adapter(lower, seed=9)
    assert digest_of(str(lower)) != before[0] and digest_of(str(upper)) != before[1]
    assert digest_of("somebody/model") is None


def with_digest(folder: Path, digest: str | None) -> Path:
    about = json.loads((folder / "judge.json").read_text())
    (folder / "judge.json").write_text(json.dumps(about | {"base_digest": digest}))
    return folder


def test_an_adapter_of_another_base_is_refused(tiny: Tiny, cached: Path, tmp_path: Path) -> None:
    lower = with_digest(write_adapter(tmp_path / "lower"), tiny.base.weights_digest[:16])
    upper = with_digest(write_adapter(tmp_path / "upper", str(lower)), digest_of(str(lower)))
    assert layers_of(str(upper)).adapters == (lower, upper)
    with_digest(lower, "0" * 16)
    with pytest.raises(UsageError, match=r"lower was trained on another base: .* digest 0{16}"):
        layers_of(str(upper))
    with_digest(lower, None)
    shutil.copy(write_adapter(tmp_path / "x", seed=3) / "adapter_model.safetensors", lower)
    with pytest.raises(UsageError, match=r"upper was trained on another base: its judge\.json"):
        layers_of(str(upper))


def test_adapters_in_a_circle_are_refused(cached: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", str(tmp_path / "b"))
    write_adapter(tmp_path / "b", str(tmp_path / "a"))
    with pytest.raises(UsageError, match="is based on itself"):
        layers_of(str(tmp_path / "a"))


def test_without_its_base_an_adapter_says_how_to_fetch_it(tiny: Tiny, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    with pytest.raises(UsageError, match=r"^the base of the small models .*`judge models fetch`"):
        layers_of(str(folder))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"base_model_name_or_path": null}'])
def test_a_damaged_configuration_is_one_line(content: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    (folder / "adapter_config.json").write_text(content)
    with pytest.raises(UsageError, match=r"adapter_config\.json: expected an object with base_m"):
        layers_of(str(folder))

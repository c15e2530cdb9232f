"""A tiny base in a temporary cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from judge.models.base import BASES, CACHE_VARIABLE, SMALL, Base
from tests import small_base


@dataclass(frozen=True)
class Tiny:
    """A tiny base and the files that it can be fetched from."""

    gguf: Path
    wheel: Path
    made: Path
    """The unpacked model."""
    base: Base


@pytest.fixture(scope="session")
def made_base(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny_base")
    file = small_base.write_gguf(folder / "tiny.gguf")
    wheel = small_base.write_wheel(folder / "tiny_base-1.0-py3-none-any.whl", file)
    (folder / "made").mkdir()
    base = small_base.describe(file, folder / "made", wheel)
    return Tiny(file, wheel, folder / "made", base)


@pytest.fixture
def tiny(made_base: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny base as the small one, with an empty cache in ``tmp_path / "cache"``."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setitem(BASES, SMALL.name, made_base.base)
    monkeypatch.setattr("judge.models.base.SMALL", made_base.base)
    return made_base


@pytest.fixture
def cached(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, in its cache; its folder there."""
    return small_base.put_in_cache(tiny.base, tiny.made, tmp_path / "cache", monkeypatch)

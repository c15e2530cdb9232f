"""What several tests use: the mini tokenizer, prepared examples, the data beside a checkout."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.small_base import Tiny

# Before any import of transformers: no test reaches for the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait in a loop slow one another down tenfold where cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Before torch: the processes that share the files of tests fill the cores by themselves.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Looking for cycles among all the libraries' objects takes a twentieth of the tests' time.
gc.set_threshold(20_000)

# No deadline: another process on the same cores is no failure of ours.
settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).parent.parent


_LONG = (
    *("test_docs.py", "test_accessibility.py", "test_server_engine_volume.py", "test_drafts.py"),
    *("test_real_base.py", "test_reward.py", "test_guard.py", "test_throughput.py"),
    *("test_serve_process.py", "test_fetch.py", "test_transformers_engine.py", "test_keyboard.py"),
    *("test_manage_page.py", "test_server_engine_faults.py", "test_noise.py", "test_ablation.py"),
    *("test_llamacpp.py", "test_project_commands.py", "test_hostile_pages.py", "test_dpo.py"),
    *("test_shared_base.py", "test_select.py", "test_faults.py", "test_justifier.py"),
)
"""Files of more than some twenty seconds of one core, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: of the processes that share the files none shall be left with one."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Whatever was loaded by now stays to the end: every training ends with a search for cycles,
    which takes longer than the training among a million objects of libraries."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout (or ``SHARED``); without it a test is skipped."""
    folder = Path(os.environ.get("SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no data folder {folder / 'data'}")
    return folder


@pytest.fixture(scope="session")
def mini_tokenizer() -> Any:
    """The bundled tokenizer."""
    from transformers import AutoTokenizer

    from judge.models import resolve_model

    return AutoTokenizer.from_pretrained(resolve_model("mini"))


@pytest.fixture(scope="session")
def mini_engine() -> Any:
    """A transformers engine with the bundled mini judge and exact products."""
    from judge.config import BatchConfig
    from judge.infer.engines.registry import load_engine

    return load_engine(BatchConfig(input="-", out="-", model="mini", dtype="float32"))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ``judge data prepare`` made from the example pairs, two styles, both orders."""
    from judge.data.prepare import PrepareConfig, run

    folder = tmp_path_factory.mktemp("sets")
    run(
        PrepareConfig(
            input=str(ROOT / "examples" / "pairs.jsonl"),
            output_dir=str(folder),
            styles=("statement_only", "elaboration_first"),
            val_share=0.2,
        )
    )
    return folder


@pytest.fixture(scope="session")
def made_base(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A base like that of the small models, a thousand times smaller."""
    from tests.small_base import make

    return make(tmp_path_factory.mktemp("tiny_base"))


@pytest.fixture
def tiny(made_base: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny base as the small one, with an empty cache in ``tmp_path / "cache"``."""
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("judge.models.base.SMALL", made_base.base)
    monkeypatch.setitem(import_module("judge.models.base").BASES, "small-base", made_base.base)
    return made_base


@pytest.fixture
def cached(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, in its cache; its folder there."""
    from tests.small_base import put_in_cache

    return put_in_cache(tiny.base, tiny.made, tmp_path / "cache", monkeypatch)


@pytest.fixture(scope="session")
def real_base() -> Path:
    """The folder of the small models' base: that of this user's cache, else it is fetched.

    Where it cannot be, the test is skipped, but not in CI.
    """
    from judge.errors import UsageError
    from judge.models.base import SMALL, open_base
    from judge.models.fetch import fetch

    try:
        return open_base(SMALL)
    except UsageError:
        try:
            return fetch(SMALL, None, lambda text: None)
        except UsageError as error:
            assert not os.environ.get("CI"), str(error)
            pytest.skip(str(error))

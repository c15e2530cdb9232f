"""Tests against the real vLLM: they run in .venv-vllm (`make test-vllm`), nowhere else."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import pytest

# Before torch is imported: threads that wait for one another are what a busy machine has none of.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

if find_spec("vllm") is None:
    if os.environ.get("NEEDS_VLLM"):
        raise pytest.UsageError("vLLM is not installed; make setup-vllm")
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def vllm_engine() -> Any:
    """A vLLM engine with the bundled mini judge; tests bind it to others."""
    from judge.config import BatchConfig
    from judge.infer.engines.registry import load_engine

    return load_engine(
        BatchConfig(input="-", out="-", model="mini", engine="vllm", dtype="float32")
    )

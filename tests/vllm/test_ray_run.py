"""Runs on a local Ray: the vLLM engine's bytes, whatever happens to a replica."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.batch import run
from judge.infer.engines.protocol import Engine, Sampling
from judge.infer.engines.vllm.engine import VllmEngine
from judge.infer.protocols import Unwatched
from tests.scripted import failures, results, row, write_rows

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.timeout(1800)
EXAMPLES = Path(__file__).parents[2] / "examples" / "pairs.jsonl"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One node with two cores and no GPU, joined by every run of this file."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def config(rows: Path, out: Path, **fields: Any) -> BatchConfig:
    values = {"model": "mini", "engine": "ray", "window": 3, "max_new_tokens": 24, **fields}
    values = {"dtype": "float32", **values}
    return BatchConfig(input=str(rows), out=str(out), **values)


def no_engine() -> Engine:
    raise AssertionError("a model was loaded in this process")


class Killer(Unwatched):
    """Kills the replica once, when the first window is written."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, rows: int, failed: int) -> None:
        if not self.killed:
            self.killed = replicas()
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


def replicas() -> list[int]:
    """The processes of Ray's that judge here."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"Replica" in (folder / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(folder.name))
    return found


def test_a_run_with_a_replica_killed_has_the_bytes_of_the_vllm_engine(
    vllm_engine: VllmEngine, tmp_path: Path
) -> None:
    """Among its rows one that fails before the judge."""
    examples = EXAMPLES.read_bytes().splitlines()[:14]
    source = write_rows(
        tmp_path / "in.jsonl", [*examples[:4], row(9, response_1=""), *examples[4:]]
    )
    vllm_engine = vllm_engine.bound(sampling=Sampling(24))
    run(config(source, tmp_path / "one", engine="vllm"), lambda: vllm_engine)
    out, killer = tmp_path / "ray", Killer()
    summary = run(config(source, out), no_engine, killer)
    assert len(killer.killed) == 1, "no replica was there to be killed"
    assert killer.notes == ["Ray: 1 replica, a core each, no GPU"]
    assert results(tmp_path / "one") == results(out)
    assert [f["reason"] for f in failures(out)] == ["empty_response"]
    assert summary.complete and summary.session.engine["completion_tokens"] > 0
    for fields in ({"engine": "vllm"}, {"max_new_tokens": 8}):
        with pytest.raises(UsageError, match=next(iter(fields))):
            run(config(source, out, **fields), lambda: vllm_engine)


def test_a_model_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    asked = config(source, tmp_path / "out", model="./nowhere", template="guided.v1")
    with pytest.raises(UsageError, match="nowhere") as raised:
        run(asked, no_engine)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out" / "judgments.jsonl").exists()


def test_more_replicas_than_there_is_room_for(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    for fields, said in (
        ({"replicas": 3}, "3 replicas without GPUs need 3 cores, Ray has 2"),
        ({"tensor_parallel_size": 8}, "a replica needs 8 GPUs, the Ray cluster has none"),
    ):
        with pytest.raises(UsageError, match=said):
            run(config(source, tmp_path / "out", **fields), no_engine)

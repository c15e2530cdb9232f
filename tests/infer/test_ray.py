"""What of the Ray engine needs no Ray: room for replicas, windows in flight, what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from judge import engine_options
from judge.cli import app
from judge.compare.probes.config import ProbeConfig
from judge.config import BatchConfig
from judge.errors import BudgetExceeded, UsageError
from judge.infer.batch import run
from judge.infer.engines.ray import engine as ray_engine
from judge.infer.engines.ray.plan import RayNode, RayPlan, plan
from judge.serve.config import ServeConfig
from tests.ahead import READS_AHEAD
from tests.infer.test_batch import mixed_rows, no_engine
from tests.scripted import config, engine, failures, judgments, results, row, write_rows

H100S = [RayNode(8, 96), RayNode(8, 96), RayNode(4, 96)]


def asked(**options: Any) -> BatchConfig:
    return BatchConfig(input="-", out="-", engine="ray", **options)


@pytest.mark.parametrize(
    ("options", "nodes", "expected"),
    [
        ({}, H100S, RayPlan(20, 1)),
        ({"tensor_parallel_size": 8}, H100S, RayPlan(2, 8)),
        ({"tensor_parallel_size": 4}, H100S, RayPlan(5, 4)),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, H100S, RayPlan(5, 4)),
        ({"tensor_parallel_size": 4, "replicas": 3}, H100S, RayPlan(3, 4)),
        ({}, [RayNode(0, 2)], RayPlan(1, 0)),
        ({"replicas": 6}, [RayNode(0, 2), RayNode(0, 4)], RayPlan(6, 0)),
        ({}, [RayNode(0, 64), RayNode(2, 8)], RayPlan(2, 1)),
    ],
)
def test_replicas_are_as_many_as_fit(
    options: dict[str, Any], nodes: list[RayNode], expected: RayPlan
) -> None:
    assert plan(asked(**options), nodes) == expected


@pytest.mark.parametrize(
    ("options", "nodes", "said"),
    [
        (
            {"tensor_parallel_size": 8, "replicas": 3},
            H100S,
            "3 replicas of 8 GPUs were asked for; the Ray cluster has 8, 8, 4 GPUs on its 3 nodes,"
            " room for 2",
        ),
        (
            {"tensor_parallel_size": 8, "pipeline_parallel_size": 2},
            H100S,
            "a replica needs 16 GPUs of one node .*; the Ray cluster has 8, 8, 4 GPUs",
        ),
        ({"tensor_parallel_size": 2}, [RayNode(0, 4)], "a replica needs 2 GPUs, .* has none"),
        ({"replicas": 5}, [RayNode(0, 4)], "5 replicas without GPUs need 5 cores, Ray has 4"),
    ],
)
def test_more_than_there_are_is_refused(
    options: dict[str, Any], nodes: list[RayNode], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        plan(asked(**options), nodes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"engine": "vllm", "replicas": 2}, "replicas is for engine ray"),
        ({"ray_address": "auto"}, "ray_address is for engine ray"),
        ({"engine": "ray", "replicas": 0}, "greater than or equal to 1"),
        ({"engine": "ray", "scorer": ["mini-bt"]}, "engine ray runs the judge alone"),
        ({"engine": "ray", "batch_tokens": 5}, "batch_tokens is not for engine ray"),
        ({"engine": "ray", "url": "http://x"}, "engine server and a url go together"),
    ],
)
def test_options_that_contradict_one_another(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BatchConfig(input="a", out="b", **fields)


def test_engines_for_files_alone(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="engine ray judges files"):
        ServeConfig(engine="ray")
    with pytest.raises(ValidationError, match="engine ray is for judge batch and judge bench"):
        ProbeConfig(input="a", out="b", engine="ray")
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    command = ["batch", str(source), "--out", str(tmp_path / "out"), "--engine", "ray", "--dry-run"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "engine ray has no dry run" in done.stderr


def test_ray_that_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(engine_options, "find_spec", lambda n: None if n == "ray" else found(n))
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["batch", str(source), "--out", str(out), "--engine", "ray"])
    assert done.exit_code == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Ray, which is not installed here: pip install" in line
    assert not (out / "judgments.jsonl").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"no Ray cluster at 127\.0\.0\.1:1: .*refused"),
        ("ray://127.0.0.1:10001", "expected auto or HOST:PORT"),
        ("127.0.0.1", "expected auto or HOST:PORT"),
        ("127.0.0.1:99999999", "no Ray cluster at 127"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        ray_engine._reachable(address)
    assert "\n" not in str(raised.value)
    for answered in (None, "auto", "local"):
        ray_engine._reachable(answered)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine_options.ENGINES, "ray", READS_AHEAD)


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("limits", [(), (1,), (5, 13), (8, 9, 23)])
def test_windows_in_flight_leave_the_bytes_of_one_after_another(
    tmp_path: Path, limits: tuple[int, ...]
) -> None:
    """With rows that fail before the judge and in it, repeated ids, and a window without pairs."""
    source = write_rows(tmp_path / "in.jsonl", mixed_rows())
    run(config(source, tmp_path / "plain"), engine)
    for limit in (*limits, None):
        run(config(source, tmp_path / "ahead", engine="ray", limit=limit), no_engine)
    assert results(tmp_path / "plain") == results(tmp_path / "ahead")


@pytest.mark.usefixtures("ahead")
def test_the_error_budget_holds_with_windows_in_flight(tmp_path: Path) -> None:
    rows = [row(n, response_1="" if n % 4 == 0 else "x") for n in range(40)]
    source = write_rows(tmp_path / "in.jsonl", rows)
    stopped = config(source, tmp_path / "run", engine="ray", max_failures=3)
    with pytest.raises(BudgetExceeded):
        run(stopped, no_engine)
    assert len(failures(tmp_path / "run")) == 4 and len(judgments(tmp_path / "run")) == 12


@pytest.mark.usefixtures("ahead")
def test_a_damaged_input_is_judged_up_to_the_damage(tmp_path: Path) -> None:
    whole = write_rows(tmp_path / "in.jsonl.gz", [row(n) for n in range(400)])
    whole.write_bytes(whole.read_bytes()[:-600])
    with pytest.raises(UsageError, match=r"in\.jsonl\.gz"):
        run(config(whole, tmp_path / "plain"), engine)
    with pytest.raises(UsageError, match=r"in\.jsonl\.gz"):
        run(config(whole, tmp_path / "ahead", engine="ray"), no_engine)
    assert results(tmp_path / "plain") == results(tmp_path / "ahead")
    assert len(judgments(tmp_path / "ahead")) > 100

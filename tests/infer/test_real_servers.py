"""Every kind of server that people have: what it refuses is left out, told once and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.batch import run
from judge.infer.engines.registry import load_engine
from judge.infer.engines.server import http_client
from judge.infer.engines.server.fields import LARGEST_SEED, LIMIT, Fit
from judge.infer.engines.server.http_client import Client, Patience
from judge.infer.pairwise import PairwiseJudge
from judge.prompt import load_template
from tests.fault_server import Request, Running, Server, http
from tests.infer.test_server_engine import config as by_ids
from tests.infer.test_server_engine import pair
from tests.real_servers import KINDS, Kind, longer, openai, serve
from tests.scripted import TEMPLATE, failures, judgments, row, write_rows

KEY = "key-of-tests"
BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    for name in http_client.KEYS:
        monkeypatch.delenv(name, raising=False)
    with Running(Server()) as running:
        running.server.say = longer
        yield running


def asked(running: Running, kind: Kind, out: Path, **fields: Any) -> BatchConfig:
    source = write_rows(out.parent / "in.jsonl", [row(n) for n in range(3)])
    values = {"input": str(source), "out": str(out), "template": TEMPLATE, "model": kind.model}
    return BatchConfig(engine="server", url=f"{running.url}{kind.path}", **values | fields)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_kind_of_server_is_judged_with(
    running: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    temperature: float,
) -> None:
    kind, told = BY_NAME[name], list[str]()
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    serve(kind, running.server, KEY)
    config = asked(running, kind, tmp_path / "run", temperature=temperature)
    summary = run(config, lambda: load_engine(config, note=told.append))
    assert (summary.judged, summary.failed) == (3, 0), failures(tmp_path / "run")
    drawn = kind.adapted if kind.adapted_drawn is None else kind.adapted_drawn
    wanted = drawn if temperature else kind.adapted
    recorded = json.loads((tmp_path / "run" / "config.json").read_bytes())["identity"]
    # Said once, recorded with the run and in its summary.
    for lines in (summary.adapted, recorded["engine.adapted"], [
        line.rpartition("the whole request: ")[2] for line in told if "the whole request" in line
    ]):  # fmt: skip
        assert len(lines) == len(wanted), lines
        assert all(line.startswith(begins) for line, begins in zip(lines, wanted, strict=True))
    # Nothing is refused any more once the run has begun.
    work = [r for r in running.server.requests if "First answer" in r.text]
    assert len(work) == 6 and all(kind.refuses(r.body) is None for r in work)
    if name == "Magistral":
        assert judgments(tmp_path / "run")[0]["orders"]["given"]["thinking"] == "Let me see."


def test_a_run_goes_on_with_what_was_found(running: Running, tmp_path: Path) -> None:
    kind = BY_NAME["OpenAI's newer models"]
    serve(kind, running.server)
    for limit in (1, 2):
        config = asked(running, kind, tmp_path / "run", limit=limit)
        run(config, lambda config=config: load_engine(config))  # type: ignore[misc]
    assert len(judgments(tmp_path / "run")) == 2
    serve(BY_NAME["no index"], running.server)  # takes a temperature: another judge
    config = asked(running, kind, tmp_path / "run")
    with pytest.raises(UsageError, match=r"engine\.adapted"):
        run(config, lambda: load_engine(config))


@pytest.mark.parametrize("name", ["Mistral", "seeds of 32 bits", "OpenAI's newer models"])
def test_the_consistency_probe_has_its_samples(running: Running, tmp_path: Path, name: str) -> None:
    """The seeds of samples come after a run without any."""
    serve(BY_NAME[name], running.server)
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(2)])
    where = [str(source), "--out", str(tmp_path / "out"), "--probe", "consistency"]
    how = ["--engine", "server", "--url", running.url, "--model", "judge", "--samples", "2"]
    done = CliRunner().invoke(app, ["probe", *where, *how])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    [majority] = [f for f in report["figures"] if f["name"] == "consistency.majority"]
    assert majority["n"] == 2 and report["failures"] == {}
    assert done.stderr.count("does not accept the whole request") == 1


def test_a_probe_that_loses_its_samples_is_no_success(running: Running, tmp_path: Path) -> None:
    serve(BY_NAME["no index"], running.server)
    usual = running.server.fault

    def fails(request: Request) -> Any:
        if "seed" in request.body and "First answer" in request.text:
            return lambda transport, good: transport.write(http(400, b"no"))
        return usual(request)

    running.server.fault = fails
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(2)])
    where = [str(source), "--out", str(tmp_path / "out"), "--probe", "consistency"]
    how = ["--engine", "server", "--url", running.url, "--model", "judge", "--samples", "2"]
    done = CliRunner().invoke(app, ["probe", *where, *how])
    assert done.exit_code == 3, done.output
    for sample in ("sample_1", "sample_2"):
        assert f"rows without a verdict: judge: {sample}: engine_error 2" in done.stdout
    assert "original: " not in done.stdout


def test_by_token_ids_what_is_refused_is_left_out_as_well(running: Running) -> None:
    def vllm_before(request: Request) -> Any:
        body = request.body
        if "return_token_ids" in body and "min_p" in body:
            said = [{"loc": ["body", "min_p"], "msg": "Extra inputs are not permitted"}]
            return lambda transport, good: transport.write(http(422, json.dumps(said).encode()))
        if body.get("seed", 0) >= 1 << 32:
            said = openai("seed must be less than 4294967296")
            return lambda transport, good: transport.write(http(400, json.dumps(said).encode()))
        return None

    running.server.fault = vllm_before
    told: list[str] = []
    config = by_ids(running, temperature=0.7)
    engine = load_engine(config, note=told.append)
    judge = PairwiseJudge(engine.bound(load_template(TEMPLATE)), "justify")
    results = judge.judge([(1, pair(1)), (2, pair(2))])
    assert [type(r).__name__ for r in results] == ["Judgment"] * 2
    assert engine.describe()["adapted"] == [
        "min_p is left out: the server has its own", "seeds are cut to 31 bits",
    ]  # fmt: skip
    assert sum("does not accept the whole request" in line for line in told) == 2
    seeds = [r.body["seed"] for r in running.server.requests if "seed" in r.body][3:]
    assert len(set(seeds)) == 4 and max(seeds) < 1 << 31


def test_a_refusal_that_no_change_helps_is_one_line(running: Running, tmp_path: Path) -> None:
    serve(BY_NAME["no index"], running.server)
    running.server.fault = lambda request: (
        None if not request.body
        else lambda transport, good: transport.write(http(400, b'{"error": "not today"}'))
    )  # fmt: skip
    with pytest.raises(UsageError, match="takes no chat messages for judge: HTTP 400: not today"):
        load_engine(asked(running, BY_NAME["no index"], tmp_path / "run"))
    assert running.server.count < 12


def test_a_context_too_small_for_the_reply_is_one_line(running: Running, tmp_path: Path) -> None:
    serve(BY_NAME["no index"], running.server)
    said = json.dumps(openai("maximum context length is 128 tokens, you requested 268"))
    running.server.fault = lambda request: (
        None if not request.body
        else lambda transport, good: transport.write(http(400, said.encode()))
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"has no room for 256 tokens \(--max-new-tokens\)"):
        load_engine(asked(running, BY_NAME["no index"], tmp_path / "run"))


@pytest.mark.parametrize(
    ("said", "patience", "says"),
    [
        ("3600", 5, r"asks to wait for 3,600 seconds, longer than --patience 5"),
        ("4", 6, r"asks to wait for another 4 seconds, beyond --patience 6"),
    ],
)
def test_a_wait_beyond_our_patience_is_said(
    running: Running, tmp_path: Path, said: str, patience: float, says: str
) -> None:
    wait = http(429, b'{"error": "slow down"}', {"retry-after": said})
    running.server.fault = lambda request: (
        None if not request.body else lambda transport, good: transport.write(wait)
    )
    kind = BY_NAME["no index"]
    with pytest.raises(UsageError, match=rf"{says}: HTTP 429: slow down"):
        load_engine(asked(running, kind, tmp_path / "run", patience=patience))


def test_fits_change_what_is_sent() -> None:
    body = {LIMIT: 9, "seed": LARGEST_SEED, "temperature": 0.5, "model": "m"}
    assert Fit().applied(body) == body and Fit().told(body) == []
    fit = Fit("max_completion_tokens", 16, 31, ("temperature",))
    assert fit.applied(body) == {"max_completion_tokens": 16, "seed": (1 << 31) - 1, "model": "m"}
    assert len(fit.told(body)) == 3 and fit.told({"model": "m", LIMIT: 9}) != []


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://h/v1", "authorization"),
        ("https://x.openai.azure.com/openai/v1", "api-key"),
        ("http://h/openai/deployments/d?api-version=2024-10-21", "api-key"),
    ],
)
def test_which_header_carries_the_key(
    monkeypatch: pytest.MonkeyPatch, url: str, header: str
) -> None:
    from judge.infer.engines.server.address import credentials, query_of

    found = credentials("k", url.partition("?")[0], query_of(url))
    assert found == {header: "k" if header == "api-key" else "Bearer k"}
    # A token of Entra, which is a JWT, goes where tokens go.
    assert list(credentials("eyJhbGciOi", url, query_of(url))) == ["authorization"]
    assert Client(url, Patience(1, 1, 1), print).url == url.partition("?")[0]

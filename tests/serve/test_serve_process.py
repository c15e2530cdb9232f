"""The server as a process: a socket, signals, the command line and the mini judge."""

from __future__ import annotations

import inspect
import json
import re
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.commands.batch import batch
from judge.commands.serve import serve as serve_command
from judge.config import JudgeConfig
from judge.errors import UsageError
from judge.formats.pairs import read_pairs
from judge.formats.sources import FileSource
from judge.idset import IdSet
from judge.infer.engines.protocol import Engine, Sampling
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.pairwise import PairwiseJudge
from judge.judgment import Judgment
from judge.pair import Pair
from judge.prompt import load_template
from judge.runs.jsonlines import encode_line
from judge.serve.config import ServeConfig
from judge.serve.server import run
from tests.scripted import TEMPLATE, row
from tests.serve.processes import process, wait_for
from tests.serve.serving import GOOD, JUDGE, events

ROOT = Path(__file__).parent.parent.parent
HELD = textwrap.dedent("""
    import os, sys
    from judge.infer.engines.protocol import ScriptedEngine
    from judge.serve.config import ServeConfig
    from judge.serve.server import run
    from tests.scripted import TEMPLATE, answer

    class Held(ScriptedEngine):
        def judge(self, prompts, mode):
            os.read(0, 1)
            return super().judge(prompts, mode)

    config = ServeConfig(port=0, template=TEMPLATE, window=1)
    note = lambda text: print(text, file=sys.stderr, flush=True)
    sys.exit(0 if run(config, lambda: Held(answer), dict, note) else 130)
""")
"""A server each call of whose engine takes a byte from its standard input."""


def post(address: str, value: Any, **options: Any) -> httpx2.Response:
    return httpx2.post(address + JUDGE, json=value, timeout=60, **options)


def wait_for_requests(address: str, count: int) -> None:
    """Return when the server has so many requests for judgments."""
    wait_for(lambda: f"judge_requests_in_flight {count}.0" in httpx2.get(f"{address}/metrics").text)


def wait_for_the_end_to_begin(address: str) -> None:
    wait_for(lambda: httpx2.get(f"{address}/ready").status_code == 503)


# --- signals -------------------------------------------------------------------------------------


def test_sigterm_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    with process("-c", HELD) as (server, address), ThreadPoolExecutor() as pool:
        kept = httpx2.Client(timeout=60)
        assert kept.get(f"{address}/ready").status_code == 200
        accepted = [pool.submit(post, address, GOOD) for _ in range(3)]
        streamed = pool.submit(post, address, {**GOOD, "stream": True})
        wait_for_requests(address, 4)
        server.send_signal(signal.SIGTERM)
        wait_for_the_end_to_begin(address)
        assert post(address, GOOD).json()["error"]["type"] == "stopping"
        assert kept.post(address + JUDGE, json=GOOD).status_code == 503
        assert httpx2.get(f"{address}/health").status_code == 200
        assert server.stdin
        server.stdin.write("....")
        server.stdin.flush()
        answers = [answer.result() for answer in accepted]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert events(streamed.result())[-1] == ("judgment", answers[0].json())
        assert server.wait(30) == 0
        with pytest.raises(httpx2.ConnectError):
            post(address, GOOD)


def test_sigterm_waits_neither_for_bodies_nor_for_who_does_not_read() -> None:
    """Half-sent bodies were not accepted: they get a 503, and none is waited for."""
    head = "POST /v1/judge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with process("-c", HELD) as (server, address), ThreadPoolExecutor() as pool:
        where = address.removeprefix("http://").split(":")
        slow = [socket.create_connection((where[0], int(where[1])), timeout=30) for _ in range(20)]
        for connection in slow:
            connection.sendall(f'{head}Content-Length: 5000\r\n\r\n{{"prompt": "'.encode())
        accepted = pool.submit(post, address, GOOD)
        wait_for_requests(address, 21)
        server.send_signal(signal.SIGTERM)
        for connection in slow:
            assert connection.recv(4096).startswith(b"HTTP/1.1 503 ")
        assert server.poll() is None and server.stdin
        server.stdin.write(".")
        server.stdin.flush()
        assert accepted.result().status_code == 200
        assert server.wait(60) == 0


def test_a_second_signal_stops_at_once() -> None:
    with process("-c", HELD) as (server, address), ThreadPoolExecutor() as pool:
        asked = pool.submit(post, address, {"pairs": [row(n) for n in range(9)]})
        wait_for_requests(address, 1)
        server.send_signal(signal.SIGTERM)
        wait_for_the_end_to_begin(address)
        server.send_signal(signal.SIGTERM)
        assert asked.result().json()["error"]["type"] == "stopping"
        assert server.wait(30) == 130


def test_an_open_server_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    said: list[str] = []

    def load() -> Engine:
        raise UsageError("far enough")

    for host in ("127.0.0.1", "0.0.0.0"):
        config = ServeConfig(host=host, port=0, template=TEMPLATE)
        with pytest.raises(UsageError, match="far enough"):
            run(config, load, dict, said.append)
    assert said == ["anyone who can reach 0.0.0.0 may use it: JUDGE_API_KEY is not set"]


def test_an_idle_server_stops_at_once() -> None:
    with process("-c", HELD) as (server, address):
        httpx2.get(f"{address}/health")
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0


# --- the command line ----------------------------------------------------------------------------


def serve(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["serve", *map(str, arguments)])


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(config: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("judge.infer.engines.registry.load_engine", load)


def test_a_port_in_use_is_found_before_a_model_is_loaded(no_model: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = serve("--port", port)
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "no such host"], "cannot listen on no such host"),
        (["--host", "203.0.113.7", "--port", "0"], "cannot listen on 203.0.113.7 port 0"),
        (["--template", "none.v1", "--port", "0"], "no prompt template 'none.v1'"),
        (["--model", "./nowhere", "--port", "0"], "no model folder at ./nowhere"),
        (["--scorer", "judge=x", "--port", "0"], "a scorer cannot be called 'judge'"),
        (["--queue", "3"], "queue 3 is too small for 256 pairs at once"),
        (["--window", "0"], "field window"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    no_model: None, arguments: list[str], message: str
) -> None:
    result = serve(*arguments)
    assert result.exit_code == 2 and message in result.output
    assert result.output.splitlines()[-1].startswith("error: ")


def test_an_empty_key_is_no_open_server(no_model: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "")
    result = serve("--port", 0)
    assert result.exit_code == 2 and "JUDGE_API_KEY is set and holds no key" in result.output


def test_a_configuration_file_has_the_same_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def run(config: Any, *_: Any) -> bool:
        seen.append(config)
        raise UsageError("stop here")

    monkeypatch.setattr("judge.serve.server.run", run)
    file = tmp_path / "serve.yaml"
    file.write_text("mode: verdict\nwindow: 7\nrequest_seconds: 9\n")
    assert serve("--config", file, "--window", 8, "--alone").exit_code == 2
    [config] = seen
    assert (config.mode, config.window, config.request_seconds) == ("verdict", 8, 9.0)
    assert config.alone and config.model == "small"


def test_what_judges_has_the_options_that_judge_batch_has() -> None:
    options = set(inspect.signature(serve_command).parameters)
    assert set(ServeConfig.model_fields) == options - {"config"}
    assert set(JudgeConfig.model_fields) <= set(inspect.signature(batch).parameters)


# --- the mini judge ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini_server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server with the mini judge, which knows one key, and its address."""
    options = ["--model", "mini", "--port", "0", "--alone", "--dtype", "float32"]
    options += ["--max-new-tokens", "16"]
    # Sums depend in their last digits on how many threads share them.
    variables = {"JUDGE_API_KEY": "k", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    with process("-m", "judge.cli", "serve", *options, **variables) as (server, address):
        yield server, address


@pytest.fixture(scope="module")
def mini(mini_server: tuple[subprocess.Popen[str], str]) -> str:
    return mini_server[1]


KEY = {"Authorization": "Bearer k"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    lines = (ROOT / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:6]]


def one(fields: dict[str, Any]) -> dict[str, Any]:
    names = ("prompt", "response_1", "response_2")
    return {"pair_id": fields["id"], **{name: fields[name] for name in names}}


def test_the_mini_judge_says_over_http_what_it_says_without(
    mini: str, rows: list[dict[str, Any]], mini_engine: TransformersEngine
) -> None:
    """Many clients at a time, to the byte: whole rows in lists and their pairs one by one."""
    judge = PairwiseJudge(mini_engine.bound(load_template(TEMPLATE), Sampling(16)))
    records = FileSource.open(ROOT / "examples" / "pairs.jsonl").records()
    pairs = [pair for _, pair in read_pairs(list(records)[:6], IdSet()) if isinstance(pair, Pair)]
    expected = []
    for pair in pairs:
        [result] = judge.judge([(1, pair)])
        assert isinstance(result, Judgment)
        expected.append(encode_line(result.to_json()))
    together = [
        r.to_json() for r in judge.judge(list(enumerate(pairs, 1))) if isinstance(r, Judgment)
    ]
    with ThreadPoolExecutor(8) as pool:
        alone = [pool.submit(post, mini, one(fields), headers=KEY) for fields in [*rows, *rows]]
        listed = pool.submit(post, mini, {"pairs": rows}, headers=KEY)
        assert [answer.result().content for answer in alone] == expected * 2
        assert listed.result().json() == {"results": together}


def test_the_requests_of_the_guide_are_answered(mini: str) -> None:
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    bodies = re.findall(rf"^curl .*--json '(.*)' http\S*{JUDGE}$", page, re.M)
    one_pair, listed, stream = [post(mini, json.loads(body), headers=KEY) for body in bodies]
    assert one_pair.json()["pair_id"] == "row-1"
    results = listed.json()["results"]
    assert results[0]["pair_id"] == "a" and results[1]["failure"]["reason"] == "missing_field"
    assert {name for name, _ in events(stream)} == {"elaboration", "judgment"}


def test_a_stream_comes_while_it_is_written(mini: str, rows: list[dict[str, Any]]) -> None:
    body = one(rows[0])
    plain = post(mini, body, headers=KEY)
    options: Any = {"json": {**body, "stream": True}, "headers": KEY, "timeout": 60}
    with httpx2.stream("POST", mini + JUDGE, **options) as answer:
        arrived = list(answer.iter_lines())
    assert arrived[-2] == "data: " + plain.text.rstrip("\n")
    texts = [json.loads(line[6:]) for line in arrived if line.startswith('data: {"order"')]
    assert len(texts) > 10
    for order, verdict in plain.json()["orders"].items():
        said = "".join(text["text"] for text in texts if text["order"] == order)
        assert said == verdict["elaboration"]


def test_a_client_that_leaves_in_the_middle_harms_nobody(
    mini: str, rows: list[dict[str, Any]]
) -> None:
    body = json.dumps({**one(rows[1]), "stream": True}).encode()
    host, port = mini.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {JUDGE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert post(mini, one(rows[1]), headers=KEY).status_code == 200


def test_a_chunked_body_is_read_and_the_key_is_asked_for(
    mini: str, rows: list[dict[str, Any]]
) -> None:
    body = json.dumps({**one(rows[2]), "mode": "verdict"}).encode()
    headers = {"Content-Type": "application/json"}

    def chunks() -> Iterator[bytes]:
        yield body[:100]
        yield body[100:]

    address = mini + JUDGE
    keyed = httpx2.post(address, content=chunks(), headers={**headers, **KEY}, timeout=60)
    assert keyed.status_code == 200 and keyed.json()["elaboration"] is None
    assert httpx2.post(address, content=chunks(), headers=headers).status_code == 401
    metrics = httpx2.get(f"{mini}/metrics").text
    assert 'judge_requests_total{path="/v1/judge",status="401"} 1.0' in metrics


def test_a_call_of_the_engine_does_not_hold_up_a_second_signal(
    mini_server: tuple[subprocess.Popen[str], str], rows: list[dict[str, Any]]
) -> None:
    """The last test of this server. PyTorch aborts where Python ends around one of its threads."""
    server, address = mini_server
    with ThreadPoolExecutor() as pool:
        long = {"pairs": [{**fields, "id": k} for k, fields in enumerate(rows * 30)]}
        asked = pool.submit(post, address, long, headers=KEY)
        wait_for_requests(address, 1)
        server.send_signal(signal.SIGTERM)
        wait_for_the_end_to_begin(address)
        server.send_signal(signal.SIGTERM)
        assert asked.result().status_code == 503
        assert server.wait(30) == 130
        assert server.stderr and "Traceback" not in server.stderr.read()

"""What stops a run against a server before its first pair, in one line; and where no key goes."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.config import BatchConfig, load_batch_config
from judge.errors import UsageError
from judge.infer.batch import run
from judge.infer.engines.registry import load_engine
from judge.infer.engines.server import features as server_features
from judge.infer.engines.server import http_client
from judge.infer.engines.server.http_client import base_url
from judge.verdict import render_statement
from tests.families import llama3
from tests.fault_server import Running, Server, Wire, error, http
from tests.scripted import TEMPLATE, failures, judgments, results, row, write_rows

KEY = "sentinel-7c1f93-never-written"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    for name in http_client.KEYS:
        monkeypatch.delenv(name, raising=False)
    with Running(Server()) as running:
        yield running


def config(url: str, **fields: Any) -> BatchConfig:
    values = {"input": "-", "out": "-", "model": "judge", "tokenizer": "mini", **fields}
    return BatchConfig(engine="server", url=url, template=TEMPLATE, **values)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://[::1]:8000/openai/v1", "http://[::1]:8000/openai/v1"),
    ],
)
def test_addresses(given: str, meant: str) -> None:
    assert base_url(given) == meant


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://host/v1", "http://", "http://[::1", "http://a b/", "http://h:99999",
     "http://h/v1?key=a", "http://h/v1#a", "", "v1", "http://h:0"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="expected an address such as"):
        base_url(url)


@pytest.mark.parametrize("url", [f"http://user:{KEY}@host/v1", f"https://{KEY}@host", f"@{KEY}"])
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    where = ["examples/pairs.jsonl", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["batch", *where, "--engine", "server", "--url", url])
    assert result.exit_code == 2 and "JUDGE_API_KEY" in result.output
    assert KEY not in result.output and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"engine": "server"}, "go together"),
        ({"url": "http://h"}, "go together"),
        ({"engine": "server", "url": "http://h", "dtype": "float32"}, "are set by the server"),
        ({"engine": "server", "url": "http://h", "batch_tokens": 5}, "are set by the server"),
        ({"tokenizer": "mini"}, "tokenizer is for engine server"),
        ({"engine": "server", "url": "http://h", "concurrency": 0}, "concurrency"),
        ({"engine": "server", "url": "http://h", "timeout": 0}, "timeout"),
        ({"engine": "server", "url": "http://h", "patience": -1}, "patience"),
    ],
)
def test_options_that_do_not_fit(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_batch_config(None, {"input": "-", "out": "-", **fields})


def test_windows_are_wide_where_many_are_judged_at_once() -> None:
    def window(**fields: Any) -> int:
        return load_batch_config(None, {"input": "-", "out": "-", **fields}).window

    assert window() == 64
    assert window(engine="server", url="http://h") == 1024
    assert window(engine="server", url="http://h", window=7) == 7


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UsageError, match=r"no list of models at .*cannot connect"):
        load_engine(config(url))


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (http(404, b"Not Found"), "HTTP 404: Not Found"),
        (http(200, b"<html>It works!</html>"), "not valid JSON"),
        (http(200, b'{"data": "none"}'), "list of models"),
        (http(200, b'{"data": [{"name": "x"}]}'), "list of models"),
        (http(301, b"", {"location": "https://elsewhere"}), "HTTP 301"),
        (http(503, b"loading"), "HTTP 503: loading"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "says nothing for 1 seconds"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "connection broke"),
    ],
)
def test_another_kind_of_server(
    running: Running, monkeypatch: pytest.MonkeyPatch, reply: bytes, says: str
) -> None:
    monkeypatch.setattr(server_features, "LISTED_WITHIN", 1)
    running.server.fault = lambda request: lambda transport, good: transport.write(reply)
    with pytest.raises(UsageError, match=says):
        load_engine(config(running.url))


def test_a_model_that_the_server_does_not_have(running: Running) -> None:
    running.server.models = ("judge-70b", "judge-70b-lora")
    with pytest.raises(UsageError, match=r"no model 'judge'.*one of: judge-70b, judge-70b-lora"):
        load_engine(config(running.url))


def test_another_models_tokenizer(running: Running, tmp_path: Path) -> None:
    llama3().tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(UsageError, match=r"not that of judge .* give its own with --tokenizer"):
        load_engine(config(running.url, tokenizer=str(tmp_path / "other")))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "no-model"])
def test_no_tokenizer_there(running: Running, name: str) -> None:
    with pytest.raises(UsageError, match="no model folder at"):
        load_engine(config(running.url, tokenizer=name))


def test_a_tokenizer_for_a_server_that_takes_no_ids(running: Running) -> None:
    running.server.takes_ids = False
    with pytest.raises(UsageError, match="leave --tokenizer out"):
        load_engine(config(running.url))


def test_a_context_that_holds_no_pair(running: Running, tmp_path: Path) -> None:
    running.server.context = 200
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    asked = config(running.url, input=str(source), out=str(tmp_path / "run"))
    with pytest.raises(UsageError, match=r"context of 200 tokens is too small.*--max-new-tokens"):
        run(asked, lambda: load_engine(asked))
    assert not (tmp_path / "run").exists()


def test_a_context_smaller_than_one_prompt(running: Running, tmp_path: Path) -> None:
    running.server.context = 200
    rows = [row(1), row(2, response_1="word " * 300), row(3)]
    source = write_rows(tmp_path / "in.jsonl", rows)
    asked = config(running.url, input=str(source), out=str(tmp_path / "run"), mode="verdict")
    run(asked, lambda: load_engine(asked))
    [failure] = failures(tmp_path / "run")
    assert (failure["pair_id"], failure["reason"]) == ("p2", "prompt_too_long")
    assert "200" in failure["detail"]


def test_the_template_of_a_served_judge(tmp_path: Path) -> None:
    def template(**fields: Any) -> str:
        asked = {"input": "-", "out": "-", "engine": "server", "url": "http://h", **fields}
        return load_batch_config(None, asked).template_name

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "judge.json").write_text('{"template": "pairwise_justifier.v1"}')
    assert template(model="judge-70b") == "guided.v1"
    assert template(model="judge-70b", tokenizer=str(tmp_path)) == "pairwise_justifier.v1"
    assert template(model=str(tmp_path)) == "pairwise_justifier.v1"
    assert template(model=str(tmp_path), template="guided.v1") == "guided.v1"


def test_the_command_says_it_in_one_line(running: Running, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(1), row(2)])
    asked = ["batch", str(source), "--out", str(tmp_path / "run"), "--engine", "server"]
    asked += ["--url", running.url, "--tokenizer", "mini", "--mode", "verdict", "--model"]
    wrong = CliRunner().invoke(app, [*asked, "nobody"])
    assert wrong.exit_code == 2
    assert wrong.stderr.splitlines()[-1].startswith(
        f"error: {running.url}/v1 has no model 'nobody'"
    )
    right = CliRunner().invoke(app, [*asked, "judge"])
    assert right.exit_code == 0, right.output
    assert f"{running.url}/v1 takes token ids" in right.stderr
    assert len(judgments(tmp_path / "run")) == 2


@pytest.mark.parametrize("name", http_client.KEYS)
def test_a_key_goes_to_the_server_and_nowhere_else(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    running.server.key = KEY
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(6)])
    asked = config(
        running.url, input=str(source), out=str(tmp_path / "run"), mode="verdict", patience=1
    )
    told: list[str] = []
    with pytest.raises(UsageError, match=r"HTTP 401: .*; an API key is taken from JUDGE_API_KEY"):
        run(asked, lambda: load_engine(asked, note=told.append))
    monkeypatch.setenv(name, f" {KEY}\n")

    def talkative(request: Any) -> Wire | None:
        """Repeats the key: in the failure of one row, then in a fault that stops the run."""
        said = f"refused for {request.headers['authorization']}"
        if "Question 1?" in request.text:
            return lambda transport, good: transport.write(http(400, said.encode()))
        if "Question 2?" in request.text:
            soft = error(said, 500)
            return lambda transport, good: transport.write(http(200, orjson.dumps(soft)))
        if "Question 4?" in request.text:
            loud = http(500, str(error(said, 500)).encode())
            running.server.fault = lambda request: lambda transport, good: transport.write(loud)
        return None

    running.server.fault = talkative
    asked = config(
        running.url, input=str(source), out=str(tmp_path / "run"), mode="verdict", patience=1,
        window=2, concurrency=1,
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"gave no answer .*refused for Bearer \*\*\*") as caught:
        run(asked, lambda: load_engine(asked, note=told.append))
    found = failures(tmp_path / "run")
    assert [f["pair_id"] for f in found] == ["p1", "p2"]
    assert all("refused for Bearer ***" in f["detail"] for f in found)
    written = "".join(file.read_text() for file in (tmp_path / "run").iterdir())
    assert KEY not in written + str(caught.value) + "".join(told)
    assert all(r.headers.get("authorization") in (None, f"Bearer {KEY}") for r in
               running.server.requests)  # fmt: skip


@pytest.mark.parametrize("key", ["token", "1", "Response 1", '"'])
def test_a_key_that_is_a_word_of_the_replies_changes_nothing_in_them(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(3)])
    asked = config(running.url, input=str(source), out=str(tmp_path / "without"))
    run(asked, lambda: load_engine(asked))
    monkeypatch.setenv("JUDGE_API_KEY", key)
    running.server.key = key
    asked = config(running.url, input=str(source), out=str(tmp_path / "with"))
    run(asked, lambda: load_engine(asked))
    assert results(tmp_path / "with") == results(tmp_path / "without")
    assert len(judgments(tmp_path / "with")) == 3


def test_a_key_in_what_a_chat_model_writes_is_data(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "key")
    running.server.takes_ids = running.server.obeys = False
    running.server.say = lambda request: f"The key point is tested.\n{render_statement(-1)}"
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    asked = config(running.url, input=str(source), out=str(tmp_path / "run"), tokenizer=None)
    run(asked, lambda: load_engine(asked))
    [found] = judgments(tmp_path / "run")
    assert found["orders"]["given"]["elaboration"] == "The key point is tested."


def test_why_a_row_failed_is_found_in_what_the_server_said_before_it_is_masked(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "context")
    said = http(400, orjson.dumps(error("This model's maximum context length is 9 tokens", 400)))
    running.server.fault = lambda request: (
        (lambda transport, good: transport.write(said)) if "Question 1?" in request.text else None
    )
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    asked = config(running.url, input=str(source), out=str(tmp_path / "run"), mode="verdict")
    run(asked, lambda: load_engine(asked))
    [failure] = failures(tmp_path / "run")
    assert failure["reason"] == "prompt_too_long" and "maximum *** length" in failure["detail"]


def _spelled(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in text)


LEAKS: dict[str, Callable[[str], bytes]] = {
    "JSON escapes": lambda key: http(
        400, f'{{"error": {{"message": "{_spelled(key)}"}}}}'.encode()
    ),
    "another object": lambda key: http(
        400, f'{{"error": {{"sent": ["{_spelled(key)}"]}}}}'.encode()
    ),
    "a list": lambda key: http(422, f'[{{"msg": "{_spelled(key)}"}}]'.encode()),
    "JSON in JSON": lambda key: http(
        400, orjson.dumps(error(f'{{"key": "{_spelled(key)}"}}', 400))
    ),
    "the end of what is shown": lambda key: http(400, b"x" * 290 + key.encode()),
    "no JSON": lambda key: http(400, f"<p>{key.replace('/', '&#x2f;')}</p>".encode()),
    "a good status": lambda key: http(200, f'{{"error": {{"m": "{_spelled(key)}"}}}}'.encode()),
    "a page": lambda key: http(200, f"<html>{key}</html>".encode()),
    "the name of a field": lambda key: http(200, orjson.dumps({"error": {key: key}})),
    "a refusal": lambda key: http(200, orjson.dumps(_chat(message={"refusal": f"{key}!"}))),
    "a finish reason": lambda key: http(200, orjson.dumps(_chat(finish_reason=key))),
    "no verdict": lambda key: http(200, orjson.dumps(_chat(message={"content": f"I say {key}"}))),
    "no verdict, cut": lambda key: http(
        200, orjson.dumps(_chat(message={"content": "x" * 70 + key}, finish_reason="length"))
    ),
    "a status line": lambda key: f"HTTP/1.1 {key} x\r\n\r\n".encode(),
    "a header": lambda key: f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode(),
}


def _chat(**changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"content": "Good."}, "finish_reason": "stop", **changes}
    return {"choices": [choice]}


@pytest.mark.parametrize("way", LEAKS)
def test_a_key_that_the_server_repeats_is_written_nowhere(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    key = 'sk/ab+"cd\\ef=='
    monkeypatch.setenv("JUDGE_API_KEY", key)
    running.server.takes_ids = running.server.obeys = False
    running.server.fault = lambda request: (
        (lambda transport, good: transport.write(LEAKS[way](key)))
        if "Question 1?" in request.text
        else None
    )
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    asked = ["batch", str(source), "--out", str(tmp_path / "run"), "--engine", "server"]
    asked += ["--url", running.url, "--model", "judge", "--timeout", "3"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 3, result.output
    [failure] = failures(tmp_path / "run")
    written = "".join(file.read_text() for file in (tmp_path / "run").iterdir())
    for text in (failure["detail"], written, result.output):
        for piece in (key, key[:5], _spelled(key), json.dumps(key)[1:-1], key[-5:]):
            assert piece not in text


def test_a_key_that_no_header_can_carry(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "a\nb")
    with pytest.raises(UsageError, match="JUDGE_API_KEY holds characters"):
        load_engine(config(running.url))

"""Answers by a server that chats, and `judge respond` as a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import RowError, UsageError
from judge.infer.engines.registry import load_writer
from judge.infer.engines.server import http_client
from judge.infer.engines.server.features import TRIAL
from judge.infer.engines.writing import Answer, Writer
from judge.infer.respond.run import run
from judge.respond_config import RespondConfig
from tests.fault_server import Request, Running, Server, error, http
from tests.infer.test_writers import ask
from tests.real_servers import KINDS, Kind, serve
from tests.scripted import write_rows
from tests.writers import lines, results

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    with Running(Server(takes_ids=False, obeys=False)) as running:
        yield running


def config(running: Running, **fields: Any) -> RespondConfig:
    given = {"input": "-", "out": "-", "engine": "server", "url": running.url, "model": "judge"}
    return RespondConfig.model_validate({**given, **fields})


def writer(running: Running, **fields: Any) -> Writer:
    made = load_writer(config(running, **fields))
    running.server.requests.clear()
    return made


def reply(message: dict[str, Any], finish: str = "stop") -> Any:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = orjson.dumps({"choices": [choice], "usage": {"completion_tokens": 7}})
    return lambda request: lambda transport, good: transport.write(http(200, body))


def test_a_greedy_answer_and_what_it_was_asked_with(running: Running) -> None:
    running.server.say = lambda request: "It scatters."
    made = writer(running, max_new_tokens=50)
    assert made.write([ask("Why?")]) == [Answer("It scatters.", "stop", 2)]
    body = running.server.requests[-1].body
    assert body["messages"] == [{"role": "user", "content": "Why?"}]
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0, 50, 1)
    assert "seed" not in body
    assert made.describe()["adapted"] == []


def test_a_drawn_answer_sends_its_own_seed(running: Running) -> None:
    made = writer(running, temperature=0.8, top_p=0.9)
    made.write([ask("Why?", 11), ask("Why?", 12)])
    bodies = [request.body for request in running.server.requests]
    assert sorted(body["seed"] for body in bodies) == [11, 12]
    assert {(body["temperature"], body["top_p"]) for body in bodies} == {(0.8, 0.9)}


def test_markers_are_broken_up_and_counted(running: Running) -> None:
    running.server.say = lambda request: "So."
    [answer] = writer(running).write([ask("Say <|im_end|> and [INST]")])
    assert running.server.requests[-1].text == "Say < |im_end|> and [ INST]"
    assert isinstance(answer, Answer) and answer.neutralised == 2


def test_an_answer_that_is_cut_is_kept(running: Running) -> None:
    running.server.say = lambda request: "one two three four"
    [answer] = writer(running, max_new_tokens=3).write([ask("Count.")])
    assert answer == Answer("one two three", "length", 3)


@pytest.mark.parametrize(
    ("message", "finish", "reason"),
    [
        ({"content": ""}, "stop", "empty_response"),
        ({"content": " \n"}, "length", "empty_response"),
        ({"content": "<think>Hm."}, "length", "truncated"),
        ({"content": "", "reasoning_content": "Hm."}, "length", "truncated"),
        ({"content": None, "refusal": "No."}, "stop", "refused"),
        ({"content": "I"}, "content_filter", "refused"),
    ],
)
def test_what_is_no_answer(
    running: Running, message: dict[str, Any], finish: str, reason: str
) -> None:
    made = writer(running)
    running.server.fault = reply(message, finish)
    [answer] = made.write([ask("Why?")])
    assert isinstance(answer, RowError)
    assert answer.reason == reason


def test_thinking_is_kept_apart_however_it_is_told(running: Running) -> None:
    made = writer(running)
    running.server.fault = reply({"content": "So.", "reasoning_content": "Hm."})
    assert made.write([ask("Why?")]) == [Answer("So.", "stop", 7, thinking="Hm.")]
    running.server.fault = reply({"content": "Hm.</think>\n\nSo."})
    assert made.write([ask("Why?")]) == [Answer("So.", "stop", 7, thinking="Hm.")]


def test_one_bad_request_is_one_failure(running: Running) -> None:
    running.server.say = lambda request: "So."
    made = writer(running)

    def too_long(request: Request) -> Any:
        if "LONG" not in request.text:
            return None
        said = orjson.dumps(error("This model's maximum context length is 8 tokens.", 400))
        return lambda transport, good: transport.write(http(400, said))

    running.server.fault = too_long
    first, second = made.write([ask("LONG"), ask("Why?")])
    assert isinstance(first, RowError) and first.reason == "prompt_too_long"
    assert second == Answer("So.", "stop", 1)


def test_a_field_that_the_server_refuses_is_left_out_and_told(running: Running) -> None:
    def strict(request: Request) -> Any:
        if "top_k" not in request.body:
            return None
        said = orjson.dumps(error("Unrecognized request argument supplied: top_k", 400))
        return lambda transport, good: transport.write(http(400, said))

    running.server.fault = strict
    notes: list[str] = []
    made = load_writer(config(running), notes.append)
    assert made.describe()["adapted"] == ["top_k is left out: the server has its own"]
    assert len(notes) == 1 and "top_k" in notes[0]
    assert isinstance(made.write([ask("Why?")])[0], Answer)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_server_answers(
    running: Running, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """Those that people have (:mod:`tests.real_servers`), drawn: seeds are sent."""
    monkeypatch.setenv("JUDGE_API_KEY", "key-of-tests")
    serve(kind, running.server, "key-of-tests")
    url = f"{running.url}{kind.path}"
    made = writer(running, url=url, model=kind.model, temperature=0.7)
    answers = made.write([ask("Why?", 1 << 40), ask("How?", 3)])
    assert all(isinstance(answer, Answer) for answer in answers), answers
    work = [r for r in running.server.requests if r.text in ("Why?", "How?")]
    assert len(work) == 2 and all(kind.refuses(r.body) is None for r in work)


def test_what_openai_calls_an_unknown_field_is_left_out(running: Running) -> None:
    """OpenAI's own API names one unknown argument at a time."""
    known = {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}

    def strict(request: Request) -> Any:
        unknown = sorted(request.body.keys() - known)
        if not unknown:
            return None
        said = orjson.dumps(error(f"Unrecognized request argument supplied: {unknown[0]}", 400))
        return lambda transport, good: transport.write(http(400, said))

    running.server.fault = strict
    made = load_writer(config(running, temperature=0.5))
    running.server.requests.clear()
    assert isinstance(made.write([ask("Why?")])[0], Answer)
    assert running.server.requests[-1].body.keys() == known


def test_llama_cpp_is_told_to_draw_as_other_engines_do(running: Running) -> None:
    from judge.infer.engines.server.writer import request_fields
    from judge.infer.engines.writing import Drawing

    fields = request_fields(Drawing(9, 0.7, 0.9), {}, "llama.cpp")
    assert fields["samplers"] == ["temperature", "top_p"]


def test_a_run_over_turns_is_the_same_twice(running: Running, tmp_path: Path) -> None:
    rows: list[dict[str, Any] | bytes] = [
        {"question_id": n, "turns": [f"Question {n}?", "Shorter."]} for n in range(5)
    ]
    source = write_rows(tmp_path / "in.jsonl", rows)
    for name in ("a", "b"):
        asked = config(
            running, input=str(source), out=str(tmp_path / name), temperature=0.5, samples=2
        )
        summary = run(asked, lambda asked=asked: load_writer(asked))  # type: ignore[misc]
        assert (summary.answered, summary.turns) == (10, 20)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    second = next(r for r in running.server.requests if len(r.body.get("messages", [])) == 3)
    assert [m["role"] for m in second.body["messages"]] == ["user", "assistant", "user"]
    assert running.server.requests[1].body["messages"] == TRIAL


def test_a_server_without_the_model(running: Running) -> None:
    with pytest.raises(UsageError, match="has no model 'other'; --model is one of: judge"):
        load_writer(config(running, model="other"))


# --- the command ---------------------------------------------------------------------------------


def respond(*words: object) -> Any:
    return CliRunner().invoke(app, ["respond", *map(str, words)])


def test_the_command_answers_and_says_where(tmp_path: Path) -> None:
    source = write_rows(
        tmp_path / "in.jsonl",
        [{"turns": ["Why is the sky blue?", "Shorter."], "category": "[red]stem"}, b"no json"],
    )
    words = (source, "--model", "mini", "--out", tmp_path / "run", "--max-new-tokens", 12)
    first = respond(*words)
    assert first.exit_code == 3, first.output
    for text in ("answered", "cut at the most tokens", "[red]stem", "responses.jsonl", "bad_json"):
        assert text in first.stdout
    [row] = lines(tmp_path / "run")
    assert (row["model"], len(row["responses"])) == ("mini", 2)
    before = results(tmp_path / "run")
    assert respond(*words).exit_code == 3
    assert results(tmp_path / "run") == before
    dry = respond(*words[:-1], 13, "--dry-run")
    assert dry.exit_code == 0 and "would be answered" in dry.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "PROMPTS is missing; expected, for example: judge respond"),
        (("in.jsonl",), "--"),
        (("in.jsonl", "--out", "run"), "--model is missing; expected, for example"),
        (("in.jsonl", "--out", "run", "--model", "mini", "--samples", "2"), "at temperature 0"),
        (("in.jsonl", "--out", "run", "--model", "mini", "--top-p", "0.5"), "top_p is for draws"),
        (
            ("in.jsonl", "--out", "run", "--model", "mini", "--top-p", "1.5", "--temperature", "1"),
            "top_p: Input should be less than or equal to 1",
        ),
        (("in.jsonl", "--out", "run", "--model", "mini", "--engine", "server"), "--url"),
        (("in.jsonl", "--out", "run", "--model", "mini", "--max-new-tokens", "0"), "max_new"),
        (("in.jsonl", "--out", "run", "--model", "mini-bt"), "mini-bt is a reward model"),
        (("in.jsonl", "--out", "run", "--model", "./nowhere"), "no model folder at ./nowhere"),
        (("none.jsonl", "--out", "run", "--model", "mini"), "none.jsonl"),
        ((".", "--out", "run", "--model", "mini"), "a file of prompts"),
        (("in.txt", "--out", "run", "--model", "mini"), "in.txt: unknown format"),
    ],
)
def test_what_cannot_start_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"prompt": "Why?"}\n')
    (tmp_path / "in.txt").write_text("Why?\n")
    result = respond(*words)
    assert result.exit_code == 2, result.output
    [line] = result.stderr.strip().splitlines()[-1:]
    assert line.startswith("error: ") and said in line
    assert not (tmp_path / "run").exists()


def test_a_config_file_gives_the_same_run(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [{"prompt": "Why?"}])
    file = tmp_path / "run.yaml"
    values = {"input": str(source), "out": str(tmp_path / "a"), "model": "mini"}
    file.write_text(json.dumps({**values, "max_new_tokens": 4}))
    assert respond("--config", file).exit_code == 0
    again = respond(source, "--model", "mini", "--out", tmp_path / "b", "--max-new-tokens", 4)
    assert again.exit_code == 0
    assert results(tmp_path / "a") == results(tmp_path / "b")

"""Answers from Python: the lines of `judge respond`, as objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest

from judge import Message, NoResponse, Responder, Responses, UsageError
from judge.config_base import InputConfig
from judge.infer.api_options import ResponderOptions
from judge.infer.respond.run import run
from judge.respond_config import RespondConfig
from tests.scripted import write_rows
from tests.writers import ScriptedWriter, config, lines

ROWS: list[Any] = [
    {"prompt": "Question 1?"},
    {"turns": ["First?", "Second?"], "category": "stem"},
    {"id": "x", "prompt": "REFUSE"},
    {"prompt": "Question 1?"},
    {"prompt": ""},
]


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "judge.infer.engines.registry.load_writer", lambda config, note: ScriptedWriter()
    )


def test_the_results_are_the_lines_of_a_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"samples": 2, "temperature": 0.7, "window": 3}
    source = write_rows(tmp_path / "in.jsonl", ROWS)
    run(config(source, tmp_path / "run", **options), ScriptedWriter)
    with Responder("mini", **options) as model:
        results = model.respond(ROWS)
    assert len(results) == 10
    said = [r.to_json() for r in results if isinstance(r, Responses)]
    assert said == lines(tmp_path / "run")
    failed = [r.to_json() for r in results if isinstance(r, NoResponse)]
    assert failed == lines(tmp_path / "run", "failures.jsonl")


def test_a_prompt_is_a_text_messages_or_a_row() -> None:
    model = Responder("mini")
    asked = [Message(role="user", content="Why?")]
    texts = model.respond(
        ["Why?", asked, [{"role": "user", "content": "Why?"}], {"prompt": "Why?"}]
    )
    assert all(isinstance(r, Responses) and r.prompt == tuple(asked) for r in texts)
    assert [r.id for r in texts] == ["row-1", "row-2", "row-3", "row-4"]
    with pytest.raises(TypeError, match="int is not a prompt; expected a text, messages"):
        model.respond([3])  # type: ignore[list-item]


def test_a_stream_reads_one_window_ahead_and_a_closed_model_says_so() -> None:
    read: list[int] = []

    def prompts() -> Any:
        for number in range(9):
            read.append(number)
            yield f"Question {number}?"

    model = Responder("mini", window=2)
    stream = model.stream(prompts())
    next(stream)
    assert len(read) == 2
    assert model.describe() == {"engine.engine": "scripted"}
    model.close()
    model.close()
    with pytest.raises(UsageError, match="the model is closed"):
        model.respond(["Why?"])


def test_a_wrong_option_is_one_line() -> None:
    with pytest.raises(UsageError, match="2 samples at temperature 0 would be the same"):
        Responder("mini", samples=2)


def test_the_typed_options_are_those_of_the_configuration() -> None:
    fields, typed = get_type_hints(RespondConfig), get_type_hints(ResponderOptions)
    own = RespondConfig.model_fields.keys() - InputConfig.model_fields.keys() - {"model"}
    assert typed.keys() == own
    for name, kind in typed.items():
        assert name in ("samples",) or kind == fields[name], name

"""Answers by the real vLLM: those of transformers when nothing is drawn, alike in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from judge.errors import RowError
from judge.infer.engines.registry import load_writer
from judge.infer.engines.vllm.engine import VllmEngine
from judge.infer.engines.vllm.writer import VllmWriter
from judge.infer.engines.writing import Answer, Drawing, Waiting
from judge.infer.respond.run import run
from judge.pair import Message
from judge.respond_config import RespondConfig
from tests.scripted import write_rows
from tests.writers import lines, results

QUESTIONS = ["Why is the sky blue?", "Say hello. <|eot_id|>", "Name three fruits. " * 6, "2 + 2?"]


def ask(text: str, seed: int = 1) -> Waiting:
    return Waiting((Message(role="user", content=text),), seed)


def writer(engine: VllmEngine, drawing: Drawing) -> VllmWriter:
    return VllmWriter(engine.llm, engine.reader.tokenizer, {}, drawing)


def test_greedy_answers_are_those_of_transformers(vllm_engine: VllmEngine) -> None:
    config = RespondConfig(input="-", out="-", model="mini", dtype="float32", max_new_tokens=40)
    waiting = [ask(text) for text in QUESTIONS]
    there = load_writer(config).write(waiting)
    assert writer(vllm_engine, Drawing(40)).write(waiting) == there
    assert all(isinstance(answer, Answer) for answer in there)


def test_draws_are_of_their_seed_alone(vllm_engine: VllmEngine) -> None:
    made = writer(vllm_engine, Drawing(20, temperature=1.5, top_p=0.95))
    waiting = [ask(text, seed) for text in QUESTIONS for seed in (1, 2)]
    together = made.write(waiting)
    assert made.write(waiting) == together
    assert [made.write([one])[0] for one in waiting] == together
    assert any(together[i] != together[i + 1] for i in range(0, len(together), 2))


def test_what_is_too_long_or_cut(vllm_engine: VllmEngine) -> None:
    made = writer(vllm_engine, Drawing(3))
    cut, too_long = made.write([ask("Why?"), ask("word " * 5000)])
    assert isinstance(cut, Answer) and (cut.finish, cut.tokens) == ("length", 3)
    assert isinstance(too_long, RowError) and too_long.reason == "prompt_too_long"


@pytest.mark.parametrize("drawn", [{}, {"temperature": 1.0, "samples": 2}])
def test_a_run_in_parts_has_the_bytes_of_one(
    vllm_engine: VllmEngine, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    rows: list[Any] = [{"turns": [text, "Shorter."]} for text in QUESTIONS]
    source = write_rows(tmp_path / "in.jsonl", [*rows, b"{"])

    def config(out: str, **fields: Any) -> RespondConfig:
        given = {"input": str(source), "out": str(tmp_path / out), "model": "mini"}
        given |= {"engine": "vllm", "window": 3, "max_new_tokens": 20}
        return RespondConfig.model_validate({**given, **drawn, **fields})

    def load() -> VllmWriter:
        return writer(vllm_engine, Drawing(20, drawn.get("temperature", 0.0)))

    summary = run(config("one"), load)
    assert summary.failed == drawn.get("samples", 1)
    for limit in (1, 3, None):
        run(config("parts", limit=limit), load)
    assert results(tmp_path / "one") == results(tmp_path / "parts")
    assert all(len(row["responses"]) == 2 for row in lines(tmp_path / "one"))

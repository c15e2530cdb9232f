"""Rows that are too long cost no memory that grows with them: windows by length, beginnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.formats.records import Record
from judge.infer import batch, score
from judge.infer.engines.protocol import ByteBuilder, ScriptedEngine
from judge.infer.overlong import CHARACTERS_A_TOKEN, SLACK, beginning
from judge.infer.pairwise import PairwiseJudge
from judge.infer.resume import WINDOW_LENGTH, windows_of
from judge.pair import Message, Pair
from judge.plaintext import PlainText
from judge.prompt import Prompt, load_template
from tests.scripted import TEMPLATE, answer, config, engine, failures, judgments, row, write_rows
from tests.scripted_scorers import bt, score_config

MIB = 1 << 20


def pair(one: str, two: str = "b", asked: str = "q") -> Pair:
    prompt = (Message(role="user", content=asked),)
    return Pair(pair_id="p", prompt=prompt, response_1=one, response_2=two)


def test_windows_hold_so_many_rows_or_so_much_text() -> None:
    short, long = Record(1, b"x"), Record(2, b"x" * (5 * MIB))
    assert list(map(len, windows_of([short] * 10, 4))) == [4, 4, 2]
    assert list(map(len, windows_of([long] * 10, 4))) == [3, 3, 3, 1]
    assert list(map(len, windows_of([short, long, short, long, long, long], 4))) == [4, 2]
    whole = Record(3, {"prompt": [{"role": "user", "content": "x" * WINDOW_LENGTH}], "n": 1})
    assert list(map(len, windows_of([short, whole, short], 4))) == [1, 1, 1]


class Watched(ByteBuilder):
    """A builder that notes the longest text it was asked for."""

    longest = 0

    def build(self, pairs: Any) -> list[Prompt]:
        prompts = super().build(pairs)
        Watched.longest = max([Watched.longest, *(len(p.ids) for p in prompts)])
        return prompts


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    made = ScriptedEngine(answer, context=2000)
    monkeypatch.setattr(Watched, "longest", 0)
    monkeypatch.setattr(ScriptedEngine, "builder", property(lambda self: Watched(self.template)))
    return made


@pytest.mark.parametrize("place", ["prompt", "response_1", "response_2"])
def test_of_a_text_that_is_too_long_by_far_only_the_beginning_is_read(
    tmp_path: Path, watched: ScriptedEngine, place: str
) -> None:
    rows = [row(1), row(2, **{place: "many words " * 200_000}), row(3)]
    input = write_rows(tmp_path / "in.jsonl", rows)
    batch.run(config(input, tmp_path / "run"), lambda: watched)
    assert [line["pair_id"] for line in judgments(tmp_path / "run")] == ["p1", "p3"]
    [failed] = failures(tmp_path / "run")
    assert (failed["pair_id"], failed["reason"], failed["line"]) == ("p2", "prompt_too_long", 2)
    assert failed["detail"].startswith("more than ")
    assert "; the limit is " in failed["detail"]
    assert Watched.longest < 2000 * (CHARACTERS_A_TOKEN + 1)


def test_a_scorer_reads_no_more(tmp_path: Path) -> None:
    rows = [row(1), row(2, response_2="many words " * 200_000)]
    input = write_rows(tmp_path / "in.jsonl", rows)
    score.run(score_config(input, tmp_path / "run"), bt)
    [failed] = failures(tmp_path / "run")
    assert failed["reason"] == "prompt_too_long"
    assert failed["detail"].startswith("prompt and response_2 are more than ")


def test_a_long_text_of_few_tokens_is_read_in_full(mini_tokenizer: Any) -> None:
    """The rule looks at tokens: a text may have many more characters."""
    judge = PairwiseJudge(engine(context=10_000).bound(load_template(TEMPLATE)))
    fits = pair("a" * (judge.longest - 300))
    [prompts] = judge.build([(1, fits)])
    assert all(isinstance(prompt, Prompt) for prompt in prompts)
    over = pair("a" * (judge.longest + 1))
    [prompts] = judge.build([(1, over)])  # too long, but not by far: its tokens are counted
    assert all(isinstance(prompt, Prompt) for prompt in prompts)


def test_the_beginning_of_a_pair() -> None:
    assert beginning(pair("a" * 100), 100) is None
    short = beginning(pair("a" * 5000, "b" * 5000, "q" * 500), 100)
    assert short is not None
    assert [len(short.prompt[0].content), len(short.response_1), len(short.response_2)] == [
        500, 1100, 0,
    ]  # fmt: skip
    assert SLACK > 3


def test_texts_are_encoded_a_few_at_a_time(
    mini_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = PlainText(mini_tokenizer)
    texts = [f"Some words, number {n}, <0x0A> and </s>." for n in range(20)]
    expected = plain.encode(texts)
    for held in (1, 60, 100):
        monkeypatch.setattr("judge.plaintext._ENCODED_AT_ONCE", held)
        assert plain.encode(texts) == expected


def test_a_resumed_run_cuts_the_same_windows(tmp_path: Path) -> None:
    """Windows follow from the input alone, also where length ends them."""
    texts = ["word " * MIB, "x", "word " * MIB, "y", "word " * MIB, "z"]
    rows = [row(n, response_1=text, response_2=None) for n, text in enumerate(texts)]
    rows += [row(n) for n in range(6, 9)]
    input = write_rows(tmp_path / "in.jsonl", rows)
    batch.run(config(input, tmp_path / "whole"), engine)
    batch.run(config(input, tmp_path / "parts", limit=4), engine)
    batch.run(config(input, tmp_path / "parts"), engine)
    for name in ("judgments.jsonl", "failures.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(json.loads((tmp_path / "whole" / "summary.json").read_text())["failures"]) == 1

"""The Python API: judgments of the command line, failures in their place, memory given back."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer.testing import CliRunner

import judge as package
from judge import (
    Failure,
    Judge,
    JudgeConfig,
    Judgment,
    Message,
    Pair,
    Reward,
    RewardModel,
    UsageError,
)
from judge.cli import app
from judge.errors import RowError
from judge.infer.api_options import JudgeOptions
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.protocol import ScriptedScorer
from judge.infer.scorers.responses import score_responses
from judge.runs.jsonlines import read_rows

OPTIONS: dict[str, Any] = {"mode": "justify", "max_new_tokens": 8, "seed": 3}


@pytest.fixture(scope="module")
def mini() -> Iterator[Judge]:
    with Judge("mini", **OPTIONS) as judge:
        yield judge


@pytest.fixture(scope="module")
def mini_bt() -> Iterator[RewardModel]:
    with RewardModel("mini-bt") as model:
        yield model


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "prompt": f"What is {number} + 1?",
        "response_1": f"It is {number + 1}.",
        "response_2": "I do not know.",
        **fields,
    }


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(read_rows(folder / name, dict))


def test_the_same_pairs_get_the_same_judgments_as_on_the_command_line(
    mini: Judge, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pairs.jsonl"
    examples = (root / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()[:5]
    bad = '{"id": "bad", "prompt": "?", "response_1": "", "response_2": "Yes."}'
    file.write_text("\n".join([*examples[:2], bad, *examples[2:]]) + "\n", encoding="utf-8")
    told = ["--model", "mini", "--max-new-tokens", "8", "--seed", "3"]
    done = CliRunner().invoke(app, ["batch", str(file), "--out", str(tmp_path / "run"), *told])
    assert done.exit_code == 3, done.output

    results = mini.judge(package.read_pairs(file))
    judged = [r.to_json() for r in results if isinstance(r, Judgment)]
    assert judged == lines(tmp_path / "run", "judgments.jsonl")
    assert len(judged) == 5
    assert all(j["elaboration"] is None or j["elaboration"] for j in judged)
    failed = [r.model_dump() for r in results if isinstance(r, Failure)]
    assert failed == lines(tmp_path / "run", "failures.jsonl")
    assert [type(r) for r in results].index(Failure) == 2  # where its row was


def test_a_reward_model_says_what_judge_score_says(
    mini_bt: RewardModel, root: Path, tmp_path: Path
) -> None:
    file = root / "examples" / "pairs.jsonl"
    out = str(tmp_path / "run")
    told = ["--model", "mini-bt", "--limit", "6"]
    done = CliRunner().invoke(app, ["score", str(file), "--out", out, *told])
    assert done.exit_code == 0, done.output
    pairs = [pair for pair in list(package.read_pairs(file))[:6] if isinstance(pair, Pair)]
    results = [r.to_json() for r in mini_bt.judge(pairs) if isinstance(r, Judgment)]
    written = lines(tmp_path / "run", "judgments.jsonl")
    assert results == written and len(written) == 6

    alone = mini_bt.score([p.prompt for p in pairs], [p.response_2 for p in pairs])
    for found, line in zip(alone, written, strict=True):
        assert isinstance(found, Reward)
        assert found.value == pytest.approx(line["rewards"]["mini-bt"][1], abs=1e-4)


def test_one_pair_many_pairs_and_a_stream_of_pairs(mini: Judge) -> None:
    rows = [row(number) for number in range(3)]
    many = mini.judge(rows)
    assert [r.pair_id for r in many] == ["row-1", "row-2", "row-3"]
    one = mini.judge(Pair.of(**rows[0]))
    assert isinstance(one, Judgment) and one.preference == many[0].preference  # type: ignore[union-attr]

    read = []

    def endless() -> Iterator[dict[str, Any]]:
        for number in range(1_000_000):
            read.append(number)
            yield row(number)

    usual, mini.window = mini.window, 2
    try:
        stream = mini.stream(endless())
        assert isinstance(next(stream), Judgment)
        assert read == [0, 1]
    finally:
        mini.window = usual


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"response_2": " "}, "empty_response"),
        ({"response_2": "It is 1."}, "identical_responses"),
        ({"response_1": "a\0b"}, "nul_character"),
    ],
)
def test_what_is_no_pair_is_a_failure_with_its_reason(
    mini: Judge, fields: dict[str, Any], reason: str
) -> None:
    """A pair made by hand is held to the same rules as a row."""
    made = {**row(0), **fields}
    for item in (made, Pair.of(**made)):
        result = mini.judge(item)
        assert isinstance(result, Failure) and result.reason == reason
        assert result.line == 1


def test_the_same_pair_twice_is_judged_twice(mini: Judge) -> None:
    pair = Pair.of(**row(1))
    one, two = mini.judge([pair, pair])
    assert isinstance(one, Judgment) and one == two
    assert pair.pair_id == Pair.of(**row(1)).pair_id != Pair.of(**row(2)).pair_id


def test_closing_frees_the_model_and_ends_its_use() -> None:
    judge = Judge("mini", mode="verdict", scorer={"bt": "mini-bt"})
    result = judge.judge(row(0))
    assert isinstance(result, Judgment) and set(result.rewards) == {"bt"}
    weights = weakref.ref(judge._held._judge.engine.model)  # type: ignore[union-attr]
    judge.close()
    judge.close()
    gc.collect()
    assert weights() is None
    with pytest.raises(UsageError, match="the model is closed"):
        judge.judge(row(0))


def test_a_reward_function_for_a_training_loop(mini_bt: RewardModel) -> None:
    """TRL hands over texts or messages, and columns that nobody asked for."""
    asked = [{"role": "user", "content": "Why is the sky blue?"}]
    said = [{"role": "assistant", "content": "Because of Rayleigh scattering."}]
    text, message, empty = mini_bt.rewards(
        prompts=[asked[0]["content"], asked, asked],
        completions=[said[0]["content"], said, ""],
        completion_ids=[[1], [2], [3]],
    )
    assert text == message and isinstance(text, float)
    assert empty is None
    [failure] = mini_bt.score([asked], [""])
    assert isinstance(failure, Failure) and failure.reason == "empty_response"
    assert mini_bt.rewards([asked], ["Because."]) != [text]


def test_a_closed_reward_model_says_so() -> None:
    model = RewardModel("mini-bt")
    model.close()
    for use in (lambda: model.score(["?"], ["!"]), lambda: model.judge([row(0)])):
        with pytest.raises(UsageError, match="the model is closed"):
            use()


def test_attributes_of_a_response_and_what_is_no_reward() -> None:
    def script(text: str) -> list[float]:
        return [float(len(text)), float("nan") if "bad" in text else 2.0]

    scorer = PairScorer(ScriptedScorer(script, ("helpfulness", "verbosity")), {"helpfulness": 0.5})
    texts = ["good", "bad", "x" * 200_000]
    chats = [
        (Message(role="user", content="?"), Message(role="assistant", content=t)) for t in texts
    ]
    reward, error, too_long = score_responses(scorer, chats)
    assert reward == Reward(value=3.0, attributes={"helpfulness": 6.0, "verbosity": 2.0})
    assert isinstance(error, RowError) and error.reason == "engine_error"
    assert isinstance(too_long, RowError) and too_long.reason == "prompt_too_long"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "guess"}, "mode"),
        ({"moed": "verdict"}, "moed"),
        ({"url": "http://localhost/v1"}, "go together"),
        ({"engine": "ray"}, "judge batch --engine ray"),
        ({"window": 0}, "window"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Judge("mini", **options)
    assert "\n" not in str(caught.value)


def test_a_whole_configuration_stands_alone() -> None:
    with pytest.raises(UsageError, match="or options, not both"):
        Judge(JudgeConfig(model="mini"), mode="verdict")
    with pytest.raises(TypeError, match="not a pair"):
        next(Judge(JudgeConfig(model="mini", mode="verdict")).stream(["text"]))  # type: ignore[list-item]


def test_the_typed_options_are_those_of_the_configuration() -> None:
    fields = get_type_hints(JudgeConfig)
    typed = get_type_hints(JudgeOptions)
    assert typed.keys() == JudgeConfig.model_fields.keys() - {"model"}
    for name, kind in typed.items():
        assert kind == fields[name], name


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, judge; before = set(sys.modules); assert 'pydantic' not in before;"
        "from judge import *; from judge import Judge;"
        "print(*sorted({'torch', 'transformers', 'scipy', 'outlines'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert set(package.__all__) == set(package._HOMES)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'Judg'"):
        package.Judg  # noqa: B018

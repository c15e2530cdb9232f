"""Runs with reward models, alone and beside a judge: lines, failures, summaries, resumption."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.compare.reports.run import write_report
from judge.config import load_batch_config, load_score_config
from judge.errors import BudgetExceeded, UsageError
from judge.infer import batch
from judge.infer.engines import registry as load
from judge.infer.score import dry_run, run, scorer_name
from judge.infer.scorers import load as scorer_loading
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.protocol import ScriptedScorer
from judge.runs.folder import read_judgments
from tests import reward_models as tiny
from tests.infer.test_batch import mixed_rows, reached, until
from tests.kills import Writes, append_until, size_of, whole, writes_of
from tests.scripted import TEMPLATE, config, engine, failures, judgments, results, row, write_rows
from tests.scripted_scorers import FIVE, beside, bt, five, score_config, scored_config, value

ROOT = Path(__file__).parent.parent.parent


def special_rows() -> list[dict[str, Any] | bytes]:
    """Mixed rows, and a tie, a reward that is not a number and an over-long response."""
    rows = mixed_rows(23)
    rows[6] = row(7, response_1="TIE one", response_2="TIE two")
    rows[7] = row(8, response_2="NAN")
    rows[12] = row(13, response_1="long " * 60)
    return rows


@pytest.fixture(scope="module")
def special(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("in") / "in.jsonl", special_rows())


# --- a reward model alone ------------------------------------------------------------------------


def test_lines_of_a_reward_model_alone(special: Path, tmp_path: Path) -> None:
    summary = run(score_config(special, tmp_path / "run"), bt)
    lines = {line["pair_id"]: line for line in judgments(tmp_path / "run")}
    first = lines["p1"]
    one, two = first["rewards"]["bt"]
    assert first["preference"] == first["scorers"]["bt"]["preference"]
    assert first["preference"] == ("response_1" if one > two else "response_2")
    assert first["probability"] == pytest.approx(1 / (1 + math.exp(two - one)), abs=1e-6)
    assert (first["strength"], first["consistent"], first["statement"]) == (None, None, None)
    assert first["orders"] == {}
    tie = lines["p7"]
    assert tie["preference"] is None and tie["rewards"]["bt"] == [0.25, 0.25]
    failed = {line["line"]: line for line in failures(tmp_path / "run")}
    assert failed[8]["reason"] == "engine_error" and "p8" not in lines
    assert failed[13]["reason"] == "prompt_too_long" and "response_1" in failed[13]["detail"]
    assert failed[2]["reason"] == "bad_json"
    assert [j.to_json() for j in read_judgments(tmp_path / "run")] == list(lines.values())
    assert summary.rows == 23 and summary.judged == len(lines) and summary.has_failures
    assert summary.wins["none"] == 1 and summary.scorers["bt"].wins == summary.wins
    assert summary.scorers["bt"].compared == 0 and summary.scorers["bt"].agreement is None
    assert summary.session is not None and summary.session.scorers["bt"]["prompt_tokens"] > 0


def test_attributes_are_kept_beside_the_reward_they_make(special: Path, tmp_path: Path) -> None:
    run(score_config(special, tmp_path / "run", model="five"), five)
    for line in judgments(tmp_path / "run"):
        attributes = line["scorers"]["five"]["attributes"]
        assert list(attributes) == list(FIVE) and line["probability"] is None
        expected = [attributes["helpfulness"][i] - 0.5 * attributes["verbosity"][i] for i in (0, 1)]
        assert line["rewards"]["five"] == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def writes(special: Path, tmp_path_factory: pytest.TempPathFactory) -> Writes:
    """What an uninterrupted scoring run appends, in order."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return writes_of(lambda: run(score_config(special, out), bt))


@given(st.data())
@settings(max_examples=25)
def test_a_kill_at_any_byte_leaves_no_trace(
    special: Path, writes: Writes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    out = tmp_path_factory.mktemp("killed") / "run"
    run(score_config(special, out, limit=1), bt)
    for name in ("judgments.jsonl", "failures.jsonl"):
        (out / name).write_bytes(b"")
    append_until(writes, data.draw(st.integers(0, size_of(writes))), out)
    run(score_config(special, out), bt)
    assert results(out) == whole(writes, "judgments.jsonl", "failures.jsonl")


def test_another_model_or_other_weights_are_refused(special: Path, tmp_path: Path) -> None:
    def weighted(weight: float) -> PairScorer:
        scorer = five()
        scorer.weights["verbosity"] = weight
        return scorer

    out = tmp_path / "run"
    run(score_config(special, out, limit=8), lambda: weighted(-0.5))
    before = results(out)
    with pytest.raises(UsageError, match=r"scorer\.weights is"):
        run(score_config(special, out), lambda: weighted(-0.4))
    with pytest.raises(UsageError, match=r"scorer\.objective is"):
        run(score_config(special, out), bt)
    with pytest.raises(UsageError, match="form is"):
        run(score_config(special, out, form="logit"), lambda: weighted(-0.5))
    assert results(out) == before


def test_a_finished_run_loads_nothing(special: Path, tmp_path: Path) -> None:
    def no_model() -> PairScorer:
        raise AssertionError("the model was loaded for nothing")

    summary = run(score_config(special, tmp_path / "run"), bt)
    assert run(score_config(special, tmp_path / "run"), no_model) == summary


def test_the_error_budget(special: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded, match="more than --max-failures 1"):
        run(score_config(special, tmp_path / "run", max_failures=1), bt)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("nvidia/Llama-3.1-Nemotron-70B-Reward-HF", "Llama-3.1-Nemotron-70B-Reward-HF"),
        ("runs/my model (2)/", "my-model-2"),
        (".", "reward-model"),
        ("x/judge", "reward-model"),
    ],
)
def test_what_a_model_is_called(model: str, name: str) -> None:
    assert scorer_name(model) == name


def test_a_dry_run_counts_and_writes_nothing(special: Path, tmp_path: Path) -> None:
    found = dry_run(score_config(special, tmp_path / "run"), bt)
    assert (found.rows, found.failures["prompt_too_long"], found.limit) == (23, 1, 200)
    assert found.scored + found.failures.total() == 23
    assert found.tokens.longest > 200 and found.seconds is not None
    assert not (tmp_path / "run").exists()


# --- beside a judge ------------------------------------------------------------------------------


def test_a_scorer_that_fails_takes_nothing_from_the_verdict(special: Path, tmp_path: Path) -> None:
    summary = batch.run(scored_config(special, tmp_path / "run"), engine, None, beside)
    batch.run(config(special, tmp_path / "plain"), engine)
    lines = judgments(tmp_path / "run")
    for line, plain in zip(lines, judgments(tmp_path / "plain"), strict=True):
        verdict = {name: v for name, v in line.items() if name not in ("rewards", "scorers")}
        assert verdict == {name: v for name, v in plain.items() if name != "rewards"}
        assert list(line["scorers"]) == ["bt", "reg"]
    assert results(tmp_path / "run")[1] == results(tmp_path / "plain")[1]
    by_id = {line["pair_id"]: line for line in lines}
    no_number, too_long, tie = by_id["p8"], by_id["p13"], by_id["p7"]
    assert no_number["scorers"]["bt"]["failure"]["reason"] == "engine_error"
    assert list(no_number["rewards"]) == ["reg"]
    assert too_long["rewards"] == {}
    for name in ("bt", "reg"):
        assert too_long["scorers"][name]["failure"]["reason"] == "prompt_too_long"
        assert too_long["scorers"][name]["preference"] is None
    assert tie["scorers"]["bt"] == {"preference": None, "probability": 0.5}
    said = summary.scorers["bt"]
    assert (said.failed, said.failures) == (2, {"engine_error": 1, "prompt_too_long": 1})
    assert said.scored + said.failed == summary.judged and said.wins["none"] == 1
    agreed = [
        line["scorers"]["bt"]["preference"] == line["preference"]
        for line in lines
        if line["preference"] and line["scorers"]["bt"]["preference"]
    ]
    assert said.compared == len(agreed)
    assert said.agreement == pytest.approx(sum(agreed) / len(agreed), abs=1e-6)
    assert summary.scorers["reg"].mean_margin is None and said.mean_margin is not None
    assert [j.to_json() for j in read_judgments(tmp_path / "run")] == lines


def test_pairs_without_a_verdict_are_not_scored(special: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def watching(text: str) -> list[float]:
        seen.append(text)
        return value(text)

    batch.run(
        config(special, tmp_path / "run", scorer={"bt": "x"}),
        engine,
        None,
        lambda: {"bt": PairScorer(ScriptedScorer(watching), {"reward": 1.0})},
    )
    assert seen and not any("REFUSE" in text for text in seen)


def test_scorers_are_part_of_a_run_s_identity(special: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    batch.run(scored_config(special, out, limit=8), engine, None, beside)
    with pytest.raises(UsageError, match=r"scorer is .*reg=models/reg.* there, \[\] now"):
        batch.run(config(special, out), engine)
    with pytest.raises(UsageError, match=r"scorer\.reg\.objective is"):
        batch.run(scored_config(special, out), engine, None, lambda: {"bt": bt(), "reg": bt()})
    batch.run(scored_config(special, out), engine, None, beside)
    batch.run(scored_config(special, tmp_path / "whole"), engine, None, beside)
    assert results(out) == results(tmp_path / "whole")


SLOW = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from judge.infer import batch, score
    from tests import scripted_scorers as t
    from tests.scripted import engine

    def slow(text):
        time.sleep(0.002)
        return t.value(text)

    def bt():
        scorer = t.bt()
        scorer.scorer.script = slow
        return scorer

    kind, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if kind == "score":
        score.run(t.score_config(source, out), bt)
    else:
        batch.run(t.scored_config(source, out), engine, None, lambda: {"bt": bt(), "reg": t.five()})
""")


@pytest.mark.parametrize("kind", ["score", "batch"])
def test_kill_9_leaves_no_trace(kind: str, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", mixed_rows(120))

    def whole_run(out: Path) -> None:
        if kind == "score":
            run(score_config(source, out), bt)
        else:
            batch.run(scored_config(source, out), engine, None, beside)

    whole_run(tmp_path / "whole")
    out, size = tmp_path / "run", 0
    command = [sys.executable, "-c", SLOW, kind, str(source), str(out)]
    for more in (1, 8_000):
        process = subprocess.Popen(command, cwd=ROOT)
        file = out / "judgments.jsonl"
        until(partial(reached, file, size + more))
        process.send_signal(signal.SIGKILL)
        process.wait()
        size = file.stat().st_size
    assert size < (tmp_path / "whole" / "judgments.jsonl").stat().st_size
    whole_run(out)
    assert results(out) == results(tmp_path / "whole")


# --- reports -------------------------------------------------------------------------------------


def test_the_report_of_both(special: Path, tmp_path: Path) -> None:
    batch.run(scored_config(special, tmp_path / "run"), engine, None, beside)
    page = write_report(tmp_path / "run").read_text()
    assert "Judge and reward models" in page and 'class="count whole">reg</th>' in page
    assert "agrees with the judge" in page
    assert "failed: engine_error" in page and "the value of reward is not a finite number" in page
    assert "rewards 0.250 and 0.250, P(1 better) 0.500" in page
    assert "helpfulness " in page and ">Strength</h2>" in page


def test_the_report_of_a_reward_model_alone(special: Path, tmp_path: Path) -> None:
    run(score_config(special, tmp_path / "run"), bt)
    page = write_report(tmp_path / "run").read_text()
    assert "Reward model: models/bt." in page and "<caption>Reward model</caption>" in page
    assert ">Strength</h2>" not in page and "order-consistent" not in page
    assert ">None<" not in page


def test_a_scorer_s_words_are_escaped(special: Path, tmp_path: Path) -> None:
    def named() -> PairScorer:
        scorer = ScriptedScorer(lambda text: [1.0, 2.0], outputs=("<script>", "b"))
        return PairScorer(scorer, {"b": 1.0})

    run(score_config(special, tmp_path / "run"), named)
    page = write_report(tmp_path / "run").read_text()
    assert page.count("<script>") == 1, "the one that draws"
    assert "&lt;script&gt;" in page


# --- configuration and command line ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a=x"], {"a": "x"}),
        (["a=x", "b=runs/a=b"], {"a": "x", "b": "runs/a=b"}),
        ({"a": "x"}, {"a": "x"}),
    ],
)
def test_scorers_on_the_command_line(given: Any, expected: dict[str, str]) -> None:
    found = load_batch_config(None, {"input": "i", "out": "o", "scorer": given})
    assert found.scorer == expected and list(found.scorer) == list(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scorer": ["=x"]}, "'=x': expected NAME=PATH"),
        ({"scorer": ["a="]}, "'a=': expected NAME=PATH"),
        ({"scorer": ["a=x", "a=y"]}, "every name once"),
        ({"scorer": ["judge=x"]}, "cannot be called 'judge'"),
        ({"scorer": ["runs/x"]}, "cannot be called 'runs/x'; expected NAME=PATH"),
        ({"scorer": ["a=x"], "weights": ["b=w.json"]}, "weights for b, which is not a --scorer"),
        ({"scorer": ["a=x"], "weights": ["w.json"]}, "'w.json': expected NAME=PATH"),
    ],
)
def test_scorers_that_cannot_be_named_so(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        load_batch_config(None, {"input": "i", "out": "o", **given})
    assert "\n" not in str(raised.value)


def test_a_configuration_file_of_a_scoring_run(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("model: here\nwindow: 3\n")
    found = load_score_config(file, {"input": "i", "out": "o", "window": 5, "limit": None})
    assert (found.model, found.window) == ("here", 5)
    file.write_text("model: here\nmode: verdict\n")
    with pytest.raises(UsageError, match="the fields are input, out, window, split"):
        load_score_config(file, {"input": "i", "out": "o"})


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_alone(tmp_path: Path) -> None:
    folder = tiny.write_classifier(tmp_path / "tiny", card=tiny.card("bt", "reward"))
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(5)])
    done = invoke("score", source, "--out", tmp_path / "run", "--model", folder)
    assert done.exit_code == 0, done.output
    assert "scored" in done.stdout and "report.html" in done.stdout
    assert "order-consistent" not in done.stdout
    lines = judgments(tmp_path / "run")
    assert all(-50 < reward < 50 for line in lines for reward in line["rewards"]["tiny"])
    assert (tmp_path / "run" / "report.html").is_file()
    again = invoke("score", source, "--out", tmp_path / "again", "--model", folder)
    assert again.exit_code == 0 and results(tmp_path / "run") == results(tmp_path / "again")
    write_rows(source, [row(1), b"no json"])
    bad = invoke("score", source, "--out", tmp_path / "bad", "--model", folder)
    assert bad.exit_code == 3
    dry = invoke("score", source, "--out", tmp_path / "dry", "--model", folder, "--dry-run")
    assert dry.exit_code == 0 and "would be scored" in dry.stdout
    assert not (tmp_path / "dry").exists()
    none = invoke("score", source, "--out", tmp_path / "none", "--model", tmp_path / "nothing")
    assert none.exit_code == 2 and "no model folder at" in none.stderr
    assert none.stderr.count("error:") == 1 and not (tmp_path / "none").exists()


def test_the_command_beside_a_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "load_engine", lambda config, note=None: engine())
    one = tiny.write_classifier(tmp_path / "one", card=tiny.card("bt", "reward"))
    many = tiny.write_classifier(tmp_path / "five", 5, card=tiny.card("regression", *FIVE))
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps({"correctness": 1}))
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(5)])
    command = ["batch", source, "--out", tmp_path / "run", "--template", TEMPLATE]
    command += ["--scorer", f"one={one}", "--scorer", f"five={many}"]
    done = invoke(*command, "--weights", f"five={weights}")
    assert done.exit_code == 0, done.output
    assert "agrees with the judge" in done.stdout and "five" in done.stdout
    for line in judgments(tmp_path / "run"):
        assert list(line["rewards"]) == ["one", "five"] and line["orders"]
        attributes = line["scorers"]["five"]["attributes"]
        assert line["rewards"]["five"] == attributes["correctness"]
    weights.write_text(json.dumps({"correctness": 2}))
    other = invoke(*command, "--weights", f"five={weights}")
    assert other.exit_code == 2 and "weights is" in other.stderr  # also of a finished run
    weights.write_text("[]")
    damaged = invoke(*command, "--weights", f"five={weights}", "--fresh")
    assert damaged.exit_code == 2 and "expected a JSON object" in damaged.stderr
    assert len(judgments(tmp_path / "run")) == 5


def test_a_scorer_s_failures_are_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "load_engine", lambda config, note=None: engine())
    one = tiny.write_classifier(tmp_path / "one")
    source = write_rows(tmp_path / "in.jsonl", [row(1), row(2, response_1="word " * 3000)])
    command = ["batch", source, "--out", tmp_path / "run", "--template", TEMPLATE]
    done = invoke(*command, "--scorer", f"one={one}")
    assert done.exit_code == 3
    assert "prompt_too_long" in done.stdout
    assert failures(tmp_path / "run") == []

    def never(*_: object, **__: object) -> None:
        raise AssertionError("loaded although nothing is left to judge")

    monkeypatch.setattr(load, "load_engine", never)
    monkeypatch.setattr(scorer_loading, "load_scorers", never)
    assert invoke(*command, "--scorer", f"one={one}").exit_code == 3  # also when nothing is left

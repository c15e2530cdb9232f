"""A run of answers: what it writes, and that an interruption anywhere leaves no trace in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors import BudgetExceeded, RowError, UsageError
from judge.formats.model_answers import read_answers
from judge.infer.engines.writing import Answer, Writer, answer_of
from judge.infer.respond.dryrun import dry_run
from judge.infer.respond.run import run
from judge.runs import folder as rundir
from judge.runs.completeness import check_run
from judge.runs.responses import layout, read_response_summary, read_responses
from judge.thinking import Reply
from tests import scripted
from tests.kills import Writes, append_until, size_of, whole, writes_of
from tests.scripted import write_rows
from tests.writers import ScriptedWriter, config, lines, results

ROOT = Path(__file__).parent.parent.parent


def prompts(count: int = 11) -> list[dict[str, Any] | bytes]:
    """Rows of which some fail: before the model, in it, in a second turn, and one cut answer."""
    rows: list[dict[str, Any] | bytes] = [
        {"id": f"p{n}", "prompt": f"Question {n}?", "category": "odd" if n % 2 else "even"}
        for n in range(1, count + 1)
    ]
    rows[1] = b"no json"
    rows[3] = {"id": 'q"4"', "prompt": "REFUSE"}
    rows[4] = {"question_id": 5, "turns": ["First?", "EMPTY"]}
    rows[5] = {"question_id": 6, "turns": ["First?", "Second?", "LONG"], "reference": ["a"]}
    rows[7] = {"id": "p1", "prompt": "Again?"}
    return rows


def no_writer() -> Writer:
    raise AssertionError("the model was loaded for nothing")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("in") / "in.jsonl", prompts())


SAMPLES = {"samples": 3, "temperature": 0.7}


@pytest.fixture(scope="module")
def writes(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Writes:
    """What an uninterrupted run of several samples appends, in order."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return writes_of(lambda: run(config(mixed, out, **SAMPLES), ScriptedWriter))


def test_answers_come_out_in_input_order_and_failures_say_why(mixed: Path, tmp_path: Path) -> None:
    summary = run(config(mixed, tmp_path / "run"), ScriptedWriter)
    found = lines(tmp_path / "run")
    assert [row["id"] for row in found] == ["p1", "p3", "6", "p7", "p9", "p10", "p11"]
    assert [
        (f["line"], f["id"], f["sample"], f["reason"], f["turn"])
        for f in lines(tmp_path / "run", "failures.jsonl")
    ] == [
        (2, None, 0, "bad_json", None),
        (4, 'q"4"', 0, "refused", None),
        (5, "5", 0, "empty_response", 2),
        (8, "p1", 0, "duplicate_id", None),
    ]
    assert (summary.rows, summary.answered, summary.failed) == (11, 7, 4)
    assert (summary.turns, summary.finish, summary.cut) == (9, {"length": 1, "stop": 8}, 0.111111)
    assert summary.mean_length == 12.0
    assert summary.mean_tokens == 5.0
    assert summary.lengths == {"even": 12.0, "odd": 12.0}
    assert summary == read_response_summary(tmp_path / "run")
    assert [row.id for row in read_responses(tmp_path / "run")] == [row["id"] for row in found]


def test_a_line_is_the_layout_that_the_arena_reads(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run"), ScriptedWriter)
    first, _, turns = lines(tmp_path / "run")[:3]
    assert first == {
        "id": "p1",
        "sample": 0,
        "prompt": [{"role": "user", "content": "Question 1?"}],
        "responses": first["responses"],
        "model": "mini",
        "finish": ["stop"],
        "tokens": [5],
        "length": [12],
        "category": "odd",
    }
    assert [m["content"] for m in turns["prompt"]] == ["First?", "Second?", "LONG"]
    assert turns["reference"] == ["a"] and len(turns["responses"]) == 3
    assert turns["finish"] == ["stop", "stop", "length"]


def test_the_arena_reads_a_run_folder(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run", **SAMPLES), ScriptedWriter)
    found = read_answers(str(tmp_path / "run"))
    written = list(read_responses(tmp_path / "run"))
    assert [(a.question_id, a.sample, a.turns) for a in found] == [
        (row.id, row.sample, row.responses) for row in written
    ]
    turns = next(a for a in found if a.question_id == "6")
    assert (turns.model, turns.cut, turns.reference) == ("mini", (False, False, True), ("a",))
    assert [m.content for m in turns.asked] == ["First?", "Second?", "LONG"]


def test_a_cut_file_of_answers_is_told_from_a_whole_one(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run"), ScriptedWriter)
    check_run(tmp_path / "run")
    file = tmp_path / "run" / "responses.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(UsageError, match=r"responses.jsonl is cut: 6 whole rows, .* counts 7"):
        check_run(tmp_path / "run")


def test_a_later_turn_sees_the_models_own_answers(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [{"id": 1, "turns": ["One?", "Two?"]}])
    writer = ScriptedWriter()
    run(config(source, tmp_path / "run"), lambda: writer)
    [row] = lines(tmp_path / "run")
    assert [[(m.role, m.content) for m in one.messages] for one in writer.asked] == [
        [("user", "One?")],
        [("user", "One?"), ("assistant", row["responses"][0]), ("user", "Two?")],
    ]
    assert writer.asked[0].seed != writer.asked[1].seed


def test_thinking_is_kept_apart_and_not_shown_to_a_later_turn(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [{"id": 1, "turns": ["One?", "Two?"]}])
    writer = ScriptedWriter(lambda one: Answer("So.", "stop", 9, thinking="Hm."))
    summary = run(config(source, tmp_path / "run"), lambda: writer)
    [row] = lines(tmp_path / "run")
    assert (row["responses"], row["thinking"]) == (["So.", "So."], ["Hm.", "Hm."])
    assert writer.asked[1].messages[1].content == "So."
    assert summary.thought == 2


def test_samples_are_lines_with_draws_of_their_own(mixed: Path, tmp_path: Path) -> None:
    summary = run(config(mixed, tmp_path / "run", **SAMPLES), ScriptedWriter)
    found = lines(tmp_path / "run")
    assert [(row["id"], row["sample"]) for row in found[:4]] == [
        ("p1", 0),
        ("p1", 1),
        ("p1", 2),
        ("p3", 0),
    ]
    assert len({row["responses"][0] for row in found if row["id"] == "p1"}) == 3
    assert (summary.rows, summary.answered, summary.failed) == (33, 21, 12)
    failed = lines(tmp_path / "run", "failures.jsonl")
    assert [(f["line"], f["sample"]) for f in failed[:3]] == [(2, 0), (2, 1), (2, 2)]


def test_more_samples_or_another_window_leave_a_draw_as_it_was(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "one", temperature=0.7), ScriptedWriter)
    run(config(mixed, tmp_path / "more", **SAMPLES, **{"window": 7}), ScriptedWriter)
    first = [row for row in lines(tmp_path / "more") if row["sample"] == 0]
    assert lines(tmp_path / "one") == first
    run(config(mixed, tmp_path / "other", temperature=0.7, seed=1), ScriptedWriter)
    assert lines(tmp_path / "other")[0]["responses"] != first[0]["responses"]


def test_two_runs_agree_and_a_finished_one_is_not_repeated(mixed: Path, tmp_path: Path) -> None:
    first = run(config(mixed, tmp_path / "a"), ScriptedWriter)
    run(config(mixed, tmp_path / "b"), ScriptedWriter)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert run(config(mixed, tmp_path / "a"), no_writer) == first
    (tmp_path / "a" / "summary.json").unlink()
    again = run(config(mixed, tmp_path / "a"), no_writer)
    assert again.model_copy(update={"session": first.session}) == first


@given(data=st.data())
def test_a_kill_at_any_byte_leaves_no_trace(
    data: st.DataObject, mixed: Path, writes: Writes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("killed") / "run"
    asked = config(mixed, out, **SAMPLES)
    with rundir.RunDir.open(out, layout=layout(3)) as folder:
        folder.begin(asked.model_dump(), {**asked.identity(), "engine.engine": "scripted"})
    append_until(writes, data.draw(st.integers(0, size_of(writes))), out)
    if data.draw(st.booleans(), label="interrupted again"):
        limit = data.draw(st.integers(1, 12))
        run(config(mixed, out, limit=limit, **SAMPLES), ScriptedWriter)
    assert run(asked, ScriptedWriter).complete
    assert results(out) == whole(writes, "responses.jsonl", "failures.jsonl")


@settings(max_examples=20)
@given(limits=st.lists(st.integers(1, 12), max_size=3), window=st.integers(1, 8))
def test_limits_one_after_another_give_the_run_without_one(
    limits: list[int], window: int, mixed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("limits")
    options: dict[str, Any] = {"window": window, **SAMPLES}
    run(config(mixed, folder / "whole", **options), ScriptedWriter)
    for limit in limits:
        rows = run(config(mixed, folder / "parts", limit=limit, **options), ScriptedWriter).rows
        assert rows >= 3 * min(limit, 11)
    run(config(mixed, folder / "parts", **options), ScriptedWriter)
    assert results(folder / "parts") == results(folder / "whole")


SLOW = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from judge.infer.respond.run import run
    from tests.writers import ScriptedWriter, config, reply

    def slow(waiting):
        time.sleep(0.01)
        return reply(waiting)

    asked = config(Path(sys.argv[1]), Path(sys.argv[2]), samples=3, temperature=0.7)
    run(asked, lambda: ScriptedWriter(slow))
""")


def test_kill_9_leaves_no_trace(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", prompts(60))
    run(config(source, tmp_path / "whole", **SAMPLES), ScriptedWriter)
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", SLOW, str(source), str(out)], cwd=ROOT) as child:
        file, deadline = out / "responses.jsonl", time.monotonic() + 60
        while not (file.exists() and file.stat().st_size > 2000):
            assert time.monotonic() < deadline and child.poll() is None, "it did not get there"
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    assert 0 < file.stat().st_size < (tmp_path / "whole" / "responses.jsonl").stat().st_size
    run(config(source, out, **SAMPLES), ScriptedWriter)
    assert results(out) == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 1}, "seed is 0 there, 1 now"),
        ({"temperature": 0.5}, r"temperature is 0.0 there, 0.5 now"),
        ({"max_new_tokens": 5}, "max_new_tokens is 1024 there, 5 now"),
        ({"model": "small-base"}, 'model is "mini" there, "small-base" now'),
        ({"samples": 2, "temperature": 1}, "samples is 1 there, 2 now"),
    ],
)
def test_another_configuration_is_refused(
    mixed: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    run(config(mixed, tmp_path / "run"), ScriptedWriter)
    before = results(tmp_path / "run")
    with pytest.raises(UsageError, match=said):
        run(config(mixed, tmp_path / "run", **changed), no_writer)
    assert results(tmp_path / "run") == before


def test_another_engine_is_refused(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run", limit=4), ScriptedWriter)
    with pytest.raises(UsageError, match=r'engine.engine is "scripted" there, "better" now'):
        run(config(mixed, tmp_path / "run"), lambda: ScriptedWriter(name="better"))


def test_a_folder_of_judgments_is_no_folder_of_answers(tmp_path: Path) -> None:
    from judge.infer.batch import run as judge

    pairs = write_rows(tmp_path / "in.jsonl", [scripted.row(1)])
    judge(scripted.config(pairs, tmp_path / "run"), scripted.engine)
    with pytest.raises(UsageError, match=r"holds a run of another kind \(judgments.jsonl\)"):
        run(config(pairs, tmp_path / "run"), no_writer)
    run(config(pairs, tmp_path / "run", fresh=True), ScriptedWriter)
    assert not (tmp_path / "run" / "judgments.jsonl").exists()
    with pytest.raises(UsageError, match=r"holds a run of another kind \(responses.jsonl\)"):
        judge(scripted.config(pairs, tmp_path / "run"), scripted.engine)


def test_the_error_budget_stops_after_a_window(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded, match="2 rows failed, more than --max-failures 1"):
        run(config(mixed, tmp_path / "run", max_failures=1), ScriptedWriter)
    assert not read_response_summary(tmp_path / "run").complete
    assert run(config(mixed, tmp_path / "run"), ScriptedWriter).rows == 11


def test_a_model_that_does_not_load_leaves_nothing(mixed: Path, tmp_path: Path) -> None:
    def broken() -> Writer:
        raise UsageError("model cannot be loaded")

    with pytest.raises(UsageError, match="cannot be loaded"):
        run(config(mixed, tmp_path / "run"), broken)
    assert not (tmp_path / "run").exists()


def test_an_input_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        run(config(write_rows(tmp_path / "in.jsonl", []), tmp_path / "run"), no_writer)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_counts_and_writes_nothing(mixed: Path, tmp_path: Path) -> None:
    found = dry_run(config(mixed, tmp_path / "run", **SAMPLES), ScriptedWriter)
    assert (found.rows, found.answered, found.turns) == (33, 27, 36)
    assert found.failures == {"bad_json": 3, "duplicate_id": 3}
    assert found.tokens.longest == 12
    assert found.seconds is not None
    assert not (tmp_path / "run").exists()


def test_a_lone_surrogate_and_odd_ids_survive(tmp_path: Path) -> None:
    rows: list[dict[str, Any] | bytes] = [
        {"id": 'a", "sample": 9, "x', "prompt": "Why?"},
        {"id": "日本\\", "prompt": "Why?"},
        {"id": "b#0", "prompt": "Why?"},
        {"id": "b", "prompt": "Why?"},
    ]
    source = write_rows(tmp_path / "in.jsonl", rows)
    run(config(source, tmp_path / "run", limit=2), ScriptedWriter)
    run(config(source, tmp_path / "run"), ScriptedWriter)
    assert [row["id"] for row in lines(tmp_path / "run")] == [
        row["id"] for row in rows if isinstance(row, dict)
    ]
    assert json.loads((tmp_path / "run" / "summary.json").read_bytes())["complete"]


def test_a_nul_is_no_answer() -> None:
    """No reader of answers takes one: a single such line would stop an arena."""
    found = answer_of(Reply(None, "a\0b"), "stop", 3)
    assert isinstance(found, RowError)
    assert (found.reason, found.detail) == ("nul_character", "the model wrote a NUL at character 2")

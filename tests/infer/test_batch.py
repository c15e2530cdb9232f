"""A run over a file: what it writes, and that an interruption anywhere leaves no trace in it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors import BudgetExceeded, RowError, UsageError
from judge.infer.batch import run
from judge.infer.dryrun import dry_run
from judge.infer.engines.protocol import Engine, Mode, ScriptedEngine
from judge.infer.interrupts import Interrupts
from judge.prompt import Prompt
from judge.runs import folder as rundir
from judge.verdict import Verdict
from tests.kills import Writes, append_until, size_of, whole, writes_of
from tests.scripted import answer, config, engine, failures, judgments, results, row, write_rows

ROOT = Path(__file__).parent.parent.parent


def mixed_rows(count: int = 23) -> list[dict[str, Any] | bytes]:
    """Rows of which some fail: before the judge, in it, and a whole window (9 to 12)."""
    rows: list[dict[str, Any] | bytes] = [row(n) for n in range(1, count + 1)]
    rows[1] = b"no json"
    rows[5] = row(6, prompt="REFUSE")
    for index in range(8, 12):
        rows[index] = row(index + 1, response_1="")
    rows[14] = row(3)
    rows[-1] = row(count, response_2=7)
    return rows


def no_engine() -> Engine:
    raise AssertionError("the model was loaded for nothing")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("in") / "in.jsonl", mixed_rows())


@pytest.fixture(scope="module")
def writes(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Writes:
    """What an uninterrupted run appends, in order."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return writes_of(lambda: run(config(mixed, out), engine))


def test_rows_come_out_in_input_order_and_failures_say_why(mixed: Path, tmp_path: Path) -> None:
    summary = run(config(mixed, tmp_path / "run"), engine)
    failed = [(f["line"], f["reason"]) for f in failures(tmp_path / "run")]
    assert failed == [
        (2, "bad_json"),
        (6, "refused"),
        *[(line, "empty_response") for line in range(9, 13)],
        (15, "duplicate_id"),
        (23, "wrong_type"),
    ]
    ids = [int(j["pair_id"][1:]) for j in judgments(tmp_path / "run")]
    assert ids == [n for n in range(1, 23) if n not in {2, 6, 9, 10, 11, 12, 15}]
    assert (summary.rows, summary.judged, summary.failed) == (23, 15, 8)
    assert summary.failures["empty_response"] == 4
    assert sum(summary.wins.values()) == summary.judged
    assert summary.complete


def test_the_summary_counts_what_the_files_hold(tmp_path: Path) -> None:
    def first_shown(text: str, mode: Mode) -> Verdict | RowError:
        return Verdict(
            strength=-2,
            statement="@Response 1 is better than @Response 2.",
            finish_reason="stop",
            prompt_tokens=10,
            completion_tokens=3,
        )

    source = write_rows(tmp_path / "in.jsonl", [row(1), row(2, response_1="@Response 1")])
    summary = run(config(source, tmp_path / "run"), lambda: ScriptedEngine(first_shown))
    assert summary.first_slot_rate == 1.0
    assert summary.order_consistency == 0.0
    assert summary.win_shares == {"response_1": 0.0, "response_2": 0.0, "none": 1.0}
    assert summary.mean_margin is None
    assert summary.mean_off_grammar is None
    assert summary.strengths["0"] == 2
    assert summary.neutralised == 1
    assert summary.finish_reasons == {"stop": 4}
    assert (summary.prompt_tokens, summary.completion_tokens) == (40, 12)
    assert json.loads((tmp_path / "run" / "summary.json").read_bytes()) == summary.model_dump()


def test_margins_are_the_mean_of_both_sides(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(9)])
    summary = run(config(source, tmp_path / "run"), engine)
    rows = judgments(tmp_path / "run")
    margins = [abs(r["probability"] - (1 - r["probability"])) for r in rows]
    assert summary.mean_margin == pytest.approx(sum(margins) / 9, abs=1e-6)
    assert summary.mean_off_grammar == 0.25


def test_two_runs_give_the_same_bytes(mixed: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(config(mixed, tmp_path / name), engine)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    summaries = [json.loads((tmp_path / n / "summary.json").read_bytes()) for n in ("a", "b")]
    assert all(summary.pop("session") for summary in summaries)
    assert summaries[0] == summaries[1]


def test_a_finished_run_is_not_repeated(mixed: Path, tmp_path: Path) -> None:
    first = run(config(mixed, tmp_path / "run"), engine)
    before = results(tmp_path / "run")
    assert run(config(mixed, tmp_path / "run"), no_engine) == first
    (tmp_path / "run" / "summary.json").unlink()
    again = run(config(mixed, tmp_path / "run"), no_engine)
    assert again.model_copy(update={"session": None}) == first.model_copy(update={"session": None})
    assert results(tmp_path / "run") == before


def killed_after(writes: Writes, cut: int, out: Path, source: Path) -> None:
    """Leave in ``out`` what a run killed after ``cut`` bytes leaves."""
    with rundir.RunDir.open(out) as folder:
        run_config = config(source, out)
        folder.begin(
            run_config.model_dump(), {**run_config.identity(), "engine.engine": "scripted"}
        )
    append_until(writes, cut, out)


@given(data=st.data())
def test_a_kill_at_any_byte_leaves_no_trace(
    data: st.DataObject, mixed: Path, writes: Writes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("killed") / "run"
    killed_after(writes, data.draw(st.integers(0, size_of(writes))), out, mixed)
    if data.draw(st.booleans(), label="interrupted again"):
        run(config(mixed, out, limit=data.draw(st.integers(1, 30))), engine)
    summary = run(config(mixed, out), engine)
    assert results(out) == whole(writes, "judgments.jsonl", "failures.jsonl")
    assert (summary.rows, summary.complete) == (23, True)


@settings(max_examples=25)
@given(limits=st.lists(st.integers(1, 30), max_size=4), window=st.integers(1, 8))
def test_limits_one_after_another_give_the_run_without_one(
    limits: list[int], window: int, mixed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("limits")
    run(config(mixed, folder / "whole", window=window), engine)
    for limit in limits:
        rows = run(config(mixed, folder / "parts", window=window, limit=limit), engine).rows
        assert rows >= min(limit, 23)
    run(config(mixed, folder / "parts", window=window), engine)
    assert results(folder / "parts") == results(folder / "whole")


class Drifting(ScriptedEngine):
    """An engine whose elaborations depend on how many prompts came together, as sums do."""

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        verdicts = super().judge(prompts, mode)
        return [
            v.model_copy(update={"elaboration": f"of {len(prompts)}"}) if v.statement else v
            for v in verdicts
            if isinstance(v, Verdict)
        ]


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_a_window_comes_from_one_computation(tmp_path: Path, limit: int) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(10)])
    run(config(source, tmp_path / "whole"), lambda: Drifting(answer))
    run(config(source, tmp_path / "run", limit=limit), lambda: Drifting(answer))
    run(config(source, tmp_path / "run"), lambda: Drifting(answer))
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_fresh_starts_again(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run"), engine)
    with pytest.raises(UsageError, match='mode is "justify" there, "verdict" now'):
        run(config(mixed, tmp_path / "run", mode="verdict"), engine)
    assert judgments(tmp_path / "run")[0]["elaboration"]
    run(config(mixed, tmp_path / "run", mode="verdict", fresh=True), engine)
    assert judgments(tmp_path / "run")[0]["elaboration"] is None


def test_a_model_that_does_not_load_destroys_nothing(mixed: Path, tmp_path: Path) -> None:
    def broken() -> Engine:
        raise UsageError("model cannot be loaded")

    run(config(mixed, tmp_path / "run"), engine)
    before = results(tmp_path / "run")
    with pytest.raises(UsageError):
        run(config(mixed, tmp_path / "run", fresh=True), broken)
    assert results(tmp_path / "run") == before
    with pytest.raises(UsageError):
        run(config(mixed, tmp_path / "other"), broken)
    assert not (tmp_path / "other").exists()


def test_another_engine_is_refused(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run", limit=4), engine)
    with pytest.raises(UsageError, match=r'engine.engine is "scripted" there, "better" now'):
        run(config(mixed, tmp_path / "run"), lambda: Named(answer, name="better"))


class Named(ScriptedEngine):
    pass


def test_another_input_is_refused(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run"), engine)
    other = write_rows(tmp_path / "in.jsonl", [row(1)])
    with pytest.raises(UsageError, match=r"input is .* there, .* now"):
        run(config(other, tmp_path / "run"), engine)
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(mixed.read_bytes())
    run(config(moved, tmp_path / "run"), no_engine)


@pytest.mark.parametrize("rows", [[row(n) for n in range(50, 60)], [row(0), row(1)]])
def test_other_lines_on_stdin_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any] | bytes]
) -> None:
    def pipe(path: Path) -> None:
        monkeypatch.setattr(sys, "stdin", open(path, encoding="utf-8"))  # noqa: SIM115

    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(10)])
    pipe(source)
    run(config(Path("-"), tmp_path / "run"), engine)
    pipe(source)
    run(config(Path("-"), tmp_path / "run"), no_engine)
    pipe(write_rows(tmp_path / "other.jsonl", rows))
    with pytest.raises(UsageError, match="does not belong to this input"):
        run(config(Path("-"), tmp_path / "run"), engine)


def test_a_lost_failures_file_is_noticed(mixed: Path, tmp_path: Path) -> None:
    run(config(mixed, tmp_path / "run"), engine)
    (tmp_path / "run" / "failures.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match="does not belong to this input"):
        run(config(mixed, tmp_path / "run"), engine)


def test_an_input_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        run(config(write_rows(tmp_path / "in.jsonl", []), tmp_path / "run"), no_engine)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("budget", "rows"), [(0, 4), (1, 8), (7, 23)])
def test_the_error_budget_stops_after_a_window(
    mixed: Path, tmp_path: Path, budget: int, rows: int
) -> None:
    limited = config(mixed, tmp_path / "run", max_failures=budget)
    with pytest.raises(BudgetExceeded, match=f"rows failed, more than --max-failures {budget};"):
        run(limited, engine)
    out = tmp_path / "run"
    assert len(judgments(out)) + len(failures(out)) == rows
    assert json.loads((out / "summary.json").read_bytes())["complete"] is False
    if rows < 23:
        with pytest.raises(BudgetExceeded):
            run(limited, no_engine)
    assert run(config(mixed, out, max_failures=8), engine).rows == 23


def test_a_disk_that_is_full_is_told_where_it_was_met_first(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where the summary, too, finds no room; with room again the run goes on."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    asked = config(mixed, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(rundir, "append_synced", full)
        # A disk that is full from the summary on: config.json was written before.
        patch.setattr("judge.runs.folder.RunDir.write_summary", lambda self, summary: no_room(self))
        with pytest.raises(
            UsageError, match=r"cannot write .*failures.jsonl: No space left .* again"
        ):
            run(asked, engine)
    assert not (tmp_path / "run" / "summary.json").exists()
    assert not list((tmp_path / "run").glob("*.part"))
    run(asked, engine)
    run(config(mixed, tmp_path / "whole"), engine)
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def no_room(folder: rundir.RunDir) -> None:
    raise UsageError(f"cannot write {folder.path / 'summary.json'}: No space left on device")


def test_a_budget_that_is_kept(mixed: Path, tmp_path: Path) -> None:
    assert run(config(mixed, tmp_path / "run", max_failures=8), engine).failed == 8


def test_a_damaged_input_is_judged_up_to_the_damage(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl.gz", [row(n) for n in range(500)])
    source.write_bytes(source.read_bytes()[:-40])
    for load in (engine, no_engine):
        with pytest.raises(UsageError, match=r"damaged after row \d+"):
            run(config(source, tmp_path / "run", window=64), load)
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert 64 < summary["judged"] < 500
    assert not summary["complete"]


class Watch:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.rows = self.failed = 0

    def start(self, total: int | None, done: int, failed: int) -> None:
        self.started.append((total, done, failed))

    def advance(self, rows: int, failed: int) -> None:
        self.rows += rows
        self.failed += failed

    def note(self, text: str) -> None: ...


def test_progress_adds_up(mixed: Path, tmp_path: Path) -> None:
    first, second = Watch(), Watch()
    run(config(mixed, tmp_path / "run", limit=6), engine, first)
    run(config(mixed, tmp_path / "run"), engine, second)
    assert first.started == [(6, 0, 0)]
    assert (first.rows, first.failed) == (6, 2)
    assert second.started == [(23, 6, 2)]
    assert (second.rows, second.failed) == (17, 6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_a_write_waits_for_its_end(number: signal.Signals) -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        with interrupts.held():
            os.kill(os.getpid(), number)
            steps.append("written")
        steps.append("never")
    assert steps == ["written"]
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), number)
        time.sleep(5)


SLOW = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from judge.infer.batch import run
    from judge.infer.engines.protocol import ScriptedEngine
    from tests.scripted import answer, config

    def slow(text, mode):
        time.sleep(0.004)
        return answer(text, mode)

    run(config(Path(sys.argv[1]), Path(sys.argv[2])), lambda: ScriptedEngine(slow))
""")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the run did not get there"
        time.sleep(0.01)


def reached(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size >= size


def test_kill_9_leaves_no_trace(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", mixed_rows(120))
    run(config(source, tmp_path / "whole"), engine)
    out = tmp_path / "run"
    command = [sys.executable, "-c", SLOW, str(source), str(out)]
    size = 0
    for more in (1, 20_000, 20_000):
        process = subprocess.Popen(command, cwd=ROOT)
        file = out / "judgments.jsonl"
        until(partial(reached, file, size + more))
        process.send_signal(signal.SIGKILL)
        process.wait()
        size = file.stat().st_size
    assert size < (tmp_path / "whole" / "judgments.jsonl").stat().st_size
    run(config(source, out), engine)
    assert results(out) == results(tmp_path / "whole")


def test_a_dry_run_writes_nothing(mixed: Path, tmp_path: Path) -> None:
    found = dry_run(config(mixed, tmp_path / "run"), lambda: engine(context=225))
    assert not (tmp_path / "run").exists()
    assert found.rows == 23
    assert found.limit == 125
    too_long = found.failures["prompt_too_long"]
    assert found.judged + found.failures.total() == 23
    assert found.judged + too_long == 16
    assert 0 < too_long < 16
    for tokens in found.tokens.values():
        assert tokens.mean is not None
        assert tokens.longest > 125
        assert 100 < tokens.mean < tokens.longest
    assert found.seconds is not None
    assert found.basis.startswith("measured: the first")

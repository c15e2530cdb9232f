"""A run beside the labels in its input: what is counted, and that no judge ever sees a label."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from judge.compare.comparison import compare
from judge.compare.config import CompareConfig
from judge.errors import RowError, UsageError
from judge.formats.labels import RowLabel
from judge.formats.records import Record
from judge.infer import batch, score
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.infer.input_labels import PassingLabels
from judge.infer.label_tally import LabelTally
from judge.metrics.intervals import wilson
from judge.metrics.label_agreement import LabelAgreement
from judge.runs import folder as rundir
from judge.runs.jsonlines import append_synced
from judge.runs.summary import Summary
from judge.screen import labels_table
from judge.verdict import Verdict, render_statement
from tests.scripted import answer, config, engine, failures, judgments, results, row, write_rows
from tests.scripted_scorers import beside, bt, score_config, scored_config


def told(text: str, mode: Mode) -> Verdict | RowError:
    """Prefer what is shown first where it says GOOD, what is shown second otherwise."""
    if "REFUSE" in text:
        return RowError("refused", "the model said no")
    shown_first = text.split("@Response 2:")[0]
    strength = -1 if "GOOD" in shown_first else 1
    return Verdict(
        strength=strength,
        statement=render_statement(strength),
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
    )


def told_engine() -> ScriptedEngine:
    return ScriptedEngine(told)


def good(number: int, which: int, **fields: Any) -> dict[str, Any]:
    """A pair whose response ``which`` is the better and the shorter one."""
    texts = {f"response_{n}": "GOOD" if n == which else "so so" for n in (1, 2)}
    return row(number, **texts, **fields)


def labels_of(input: Path, out: Path, load: Callable[[], Any] = told_engine) -> LabelAgreement:
    found = batch.run(config(input, out), load).labels
    assert found is not None
    return found


def by_hand(hits: float, n: int) -> tuple[float, tuple[float, float], int]:
    low, high = wilson(hits, n)
    return round(hits / n, 6), (round(low, 6), round(high, 6)), n


def test_agreement_counted_by_hand(tmp_path: Path) -> None:
    rows = [
        good(1, 1, label=1),
        good(2, 2, label=2),
        good(3, 1, label=2),  # against the label
        good(4, 2, strength=2),
        good(5, 1, label="tie"),
        good(6, 1),  # without a label
        row(7, label=1),  # neither says GOOD: the orders disagree, no preference
        good(8, 1, label=1, prompt="REFUSE"),
        good(9, 1, label="neither"),
        good(10, 2, label="second"),
        good(11, 2, annotations=[{"strength": s} for s in (-3, -1, 2, 3)]),
        b"no json",
        good(1, 1, label=1),  # an id that was there before
    ]
    found = labels_of(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run")
    assert found.labelled == 6 and found.prefer_response_1 == 3
    assert found.without == {
        "bad_json": 1,
        "bad_label": 1,
        "duplicate_id": 1,
        "no_valid_annotation": 1,
        "spread": 1,
        "tie": 1,
        "unlabelled": 1,
    }
    assert found.problem is not None and found.problem.startswith("line 10: label is 'second'")
    judge = found.systems["judge"]
    assert (judge.agreed, judge.disagreed, judge.ties, judge.failed) == (3, 1, 1, 1)
    said = judge.agreement
    assert (said.value, said.interval, said.n) == by_hand(3.5, 6)
    said = judge.agreement_judged
    assert (said.value, said.interval, said.n) == by_hand(3.5, 5)
    # The longer response: right on 3 and 7 (Second answer is longer, the label says 1: wrong).
    assert judge.longer.value == pytest.approx(1 / 6, abs=1e-6) and judge.longer.n == 6


def mixed(count: int = 40) -> list[dict[str, Any] | bytes]:
    """Labelled rows; some fail before any system, in the judge alone, in a scorer; some tie."""
    rows: list[dict[str, Any] | bytes] = []
    for n in range(count):
        texts = {"response_1": "word " * (n % 7 + 1), "response_2": "other " * (n % 5 + 1)}
        label = ["response_1", "response_2", "tie", "response_2", ""][n % 5]
        rows.append(row(n, **texts, label=label))
    rows[3] = row(3, prompt="REFUSE", label=1)
    rows[7] = row(7, response_1="NAN", label=1)
    rows[11] = row(11, response_1="TIE", response_2="TIE too", label=2)
    rows[13] = row(13, response_1="", label=2)
    rows[17] = row(17, response_1="same", response_2="same", label=2)
    rows[21] = b"{"
    return rows


def test_the_figures_are_those_of_judge_compare(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", mixed())
    summary = batch.run(scored_config(input, tmp_path / "run"), engine, None, beside)
    found = summary.labels
    assert found is not None
    compared = compare(CompareConfig(runs=(str(tmp_path / "run"),)))
    ours = list(found.systems.values())
    for accuracy, system in zip(compared.accuracy[:-1], ours, strict=True):
        assert (accuracy.right, accuracy.wrong, accuracy.ties, accuracy.failed) == (
            system.agreed,
            system.disagreed,
            system.ties,
            system.failed,
        ), accuracy.system
        assert accuracy.accuracy == system.agreement
        assert accuracy.failures_left_out == system.agreement_judged
    assert found.systems["judge"].failed == 2 and found.systems["bt"].failed == 2
    assert found.systems["bt"].ties and found.systems["bt"].pairs < found.systems["judge"].pairs
    assert compared.labelled == found.labelled
    assert Summary.model_validate(json.loads((tmp_path / "run" / "summary.json").read_bytes()))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_no_label_reaches_a_judge(tmp_path: Path, suffix: str) -> None:
    """With labels, with the opposite ones and without any: the same prompts, the same bytes."""
    import pandas

    prompts: dict[str, list[str]] = {}
    found = {}
    for name, label in (("with", "1"), ("against", "2"), ("without", None)):
        rows = [row(n) for n in range(20)]
        for given_row in rows if label else []:
            given_row |= {"label": label, "strength": "3", "justification": "@Response 1 LABEL"}
        input = tmp_path / f"{name}{suffix}"
        if suffix == ".jsonl":
            write_rows(input, rows)
        else:
            frame = pandas.DataFrame(rows)
            frame.to_csv(input, index=False) if suffix == ".csv" else frame.to_parquet(input)
        seen = prompts.setdefault(name, [])

        def noted(text: str, mode: Mode, seen: list[str] = seen) -> Verdict | RowError:
            seen.append(text)
            return answer(text, mode)

        asked = scored_config(input, tmp_path / name)
        found[name] = batch.run(asked, lambda: ScriptedEngine(noted), None, beside).labels
    assert prompts["with"] == prompts["against"] == prompts["without"]
    assert not any("LABEL" in text for text in prompts["with"])
    assert (
        results(tmp_path / "with") == results(tmp_path / "against") == results(tmp_path / "without")
    )
    assert found["without"] is None
    one, other = found["with"], found["against"]
    assert one is not None and other is not None
    for name in ("judge", "bt", "reg"):
        assert one.systems[name].agreed == other.systems[name].disagreed > 0


def test_without_labels_nothing_changes(tmp_path: Path) -> None:
    from judge.compare.reports.run import write_report
    from judge.formats.sources import open_source

    input = write_rows(tmp_path / "in.jsonl", [b"{", *(row(n, score=1) for n in range(5))])
    summary = batch.run(config(input, tmp_path / "run"), engine)
    assert summary.labels is None and labels_table(summary, True) is None
    assert "labels" not in json.loads((tmp_path / "run" / "summary.json").read_bytes())
    page = write_report(tmp_path / "run", open_source(str(input))).read_text()
    assert "the labels" not in page


def piped(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", open(path, encoding="utf-8"))  # noqa: SIM115


def spaced(rows: list[dict[str, Any] | bytes]) -> list[dict[str, Any] | bytes]:
    """The rows with blank lines between them, which count as lines and are no rows."""
    return [line for r in rows for line in (b"", r)]


def test_a_stream_has_the_labels_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    input = write_rows(tmp_path / "in.jsonl", spaced(mixed()))
    from_file = batch.run(config(input, tmp_path / "file"), engine)
    piped(monkeypatch, input)
    stream = batch.run(config(Path("-"), tmp_path / "stream"), engine)
    assert stream.labels == from_file.labels is not None
    piped(monkeypatch, input)
    (tmp_path / "stream" / "summary.json").unlink()
    again = batch.run(config(Path("-"), tmp_path / "stream"), no_engine)
    assert again.labels == from_file.labels


def no_engine() -> Any:
    raise AssertionError("the model was loaded for nothing")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("stream", [False, True])
@settings(max_examples=12)
@given(data=st.data())
def test_a_run_in_pieces_counts_what_a_whole_one_counts(
    tmp_path_factory: pytest.TempPathFactory, stream: bool, data: st.DataObject
) -> None:
    """Limits that grow, and kills between any two writes."""
    folder = tmp_path_factory.mktemp("pieces")
    input = write_rows(folder / "in.jsonl", spaced(mixed()))
    whole = batch.run(config(input, folder / "whole"), engine)
    asked = Path("-") if stream else input
    limits = sorted(data.draw(st.lists(st.integers(1, 39), max_size=2), label="limits"))
    with pytest.MonkeyPatch.context() as patch:
        for limit in [*limits, None]:
            left = data.draw(st.integers(0, 9), label="writes before a kill")

            def dying(path: Path, content: bytes) -> None:
                nonlocal left
                if not left:
                    raise Killed
                left -= 1
                append_synced(path, content)

            patch.setattr(rundir, "append_synced", dying)
            for _ in range(40):
                if stream:
                    piped(patch, input)
                try:
                    found = batch.run(config(asked, folder / "run", limit=limit), engine)
                    break
                except Killed:
                    left = 9
            labels = found.labels
            rows = found.rows
            assert labels is not None
            assert labels.labelled + sum(labels.without.values()) == rows
    assert found.labels == whole.labels


def test_a_limited_run_counts_its_own_rows(tmp_path: Path) -> None:
    rows = [good(n, 1 + n % 2, label=1 + n % 2) for n in range(12)]
    input = write_rows(tmp_path / "in.jsonl", rows)
    first = batch.run(config(input, tmp_path / "run", limit=5), told_engine).labels
    assert first is not None and first.labelled == 5 and first.systems["judge"].agreed == 5
    all_of_them = batch.run(config(input, tmp_path / "run"), told_engine).labels
    assert all_of_them is not None and all_of_them.labelled == 12


def test_a_reward_model_alone(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", mixed())
    summary = score.run(score_config(input, tmp_path / "run"), bt)
    assert summary.labels is not None
    [(name, found)] = summary.labels.systems.items()
    assert name == "bt"
    labels = {r["pair_id"]: r["label"] for r in mixed() if isinstance(r, dict)}
    names: dict[Any, str] = {1: "response_1", 2: "response_2"}
    said = [(j["preference"], labels[j["pair_id"]]) for j in judgments(tmp_path / "run")]
    agreed = sum(preference == names.get(label, label) for preference, label in said)
    assert found.agreed == agreed > 0
    reasons = [f["reason"] for f in failures(tmp_path / "run")]
    assert "engine_error" in reasons and found.failed == 2


def test_every_row_failed(tmp_path: Path) -> None:
    rows = [row(n, prompt="REFUSE", label=1) for n in range(3)]
    found = labels_of(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run", engine)
    judge = found.systems["judge"]
    assert (judge.failed, judge.agreement.value, judge.agreement_judged.value) == (3, 0.0, None)
    input = write_rows(tmp_path / "long.jsonl", [row(1, prompt="x" * 500, label=1)])
    scored = score.run(score_config(input, tmp_path / "scored"), bt).labels
    assert scored is not None and scored.systems["bt"].failed == 1


@pytest.mark.parametrize("names", [("chosen", "rejected"), ("response_A", "response_B")])
def test_layouts_of_benchmarks(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = []
    for n in range(6):
        texts = dict(zip(names, ("GOOD", "so so"), strict=True))
        prompt = {"prompt": "Q?"} if names[0] == "chosen" else {"question": "Q?", "label": "A>B"}
        rows.append({"id": n, **prompt, **texts})
    found = labels_of(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run")
    assert found.labelled == found.prefer_response_1 == found.systems["judge"].agreed == 6


def shown(labels: LabelAgreement, both_orders: bool, width: int = 80) -> str:
    summary = Summary.model_construct(labels=labels)
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(labels_table(summary, both_orders))
    return capture.get()


def test_what_the_table_says(tmp_path: Path) -> None:
    rows = [good(n, 1, chosen="GOOD", rejected="so so") for n in range(4)]
    rows.append(good(4, 1, label="[red]first"))
    found = labels_of(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run")
    text = shown(found, both_orders=True)
    assert "│ judge │     4 │ 100.0 % [51.0, 100.0] │           0.0 % │" in text
    assert "failed" not in text and "given order" not in text
    assert "4 of 5 rows have a label that prefers a response; not counted: 1 bad_label." in text
    assert "line 5: label is '[red]first'; expected one of 1, response_1" in text
    assert "only the given order was judged" in " ".join(shown(found, both_orders=False).split())
    rows[2]["prompt"] = "REFUSE"
    found = labels_of(write_rows(tmp_path / "failing.jsonl", rows), tmp_path / "failing")
    text = shown(found, both_orders=True, width=120)
    assert "75.0 % [30.1, 95.4]" in text and "│      1 │       100.0 %" in text


def test_what_the_page_says(tmp_path: Path) -> None:
    from judge.compare.reports.run import write_report
    from judge.formats.sources import open_source

    input = write_rows(tmp_path / "in.jsonl", mixed())
    batch.run(scored_config(input, tmp_path / "run"), engine, None, beside)
    page = write_report(tmp_path / "run", open_source(str(input))).read_text()
    assert page.count("Agreement with the labels in the input</h2>") == 1
    assert page.index('<h2 id="labels"') < page.index('<h2 id="preferences"')
    assert "24 pairs have a label that prefers a response: mini agrees on" in page
    score.run(score_config(input, tmp_path / "scored"), bt)
    page = write_report(tmp_path / "scored", open_source(str(input))).read_text()
    assert "agrees with the labels" in page


def test_an_input_that_changes_under_way_is_said(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [good(n, 1, label=1) for n in range(5)])

    def load() -> ScriptedEngine:
        def changing(text: str, mode: Mode) -> Verdict | RowError:
            write_rows(input, [good(n, 1, label=1) for n in range(2, 9)])
            return told(text, mode)

        return ScriptedEngine(changing)

    found = labels_of(input, tmp_path / "run", load)
    assert found.problem == "the labels cannot be read: line 1 is 'p2', but 'p0' was judged"
    assert found.labelled == 0 and found.systems == {}
    assert "cannot be read" in shown(found, both_orders=True)


def test_an_input_that_is_gone_costs_no_summary(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [good(n, 1, label=1) for n in range(5)])

    def load() -> ScriptedEngine:
        input.unlink()
        return told_engine()

    summary = batch.run(config(input, tmp_path / "run"), load)
    assert summary.judged == 5 and summary.labels is not None
    assert summary.labels.problem is not None and "cannot be read" in summary.labels.problem


def test_damaged_inputs_count_up_to_the_damage(tmp_path: Path) -> None:
    rows = [good(n, 1, label=1) for n in range(500)]
    input = write_rows(tmp_path / "in.jsonl.gz", rows)
    input.write_bytes(input.read_bytes()[:-40])
    with pytest.raises(UsageError, match="damaged after row"):
        batch.run(config(input, tmp_path / "run", window=64), told_engine)
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert summary["labels"]["labelled"] == summary["judged"] > 64
    assert summary["labels"]["problem"] is None


def test_many_rows_take_a_byte_each(tmp_path: Path) -> None:
    count = 5000
    record = json.dumps(row(1, label=1)).encode()

    def records() -> Iterator[Record]:
        for line in range(1, count + 1):
            yield Record(2 * line, record)

    def judged() -> Iterator[dict[str, Any]]:
        for _ in range(count):
            yield {"pair_id": "p1", "preference": "response_1"}

    labels = PassingLabels()
    tracemalloc.start()
    assert sum(1 for _ in labels.watch(records())) == count
    tally = LabelTally(labels.rows(), iter(()), ["judge"])
    for judgment in judged():
        tally.judged(judgment)
    found = tally.result()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None and found.systems["judge"].agreed == count
    assert peak < 20 * count, f"{peak / count:.1f} bytes a row"


def test_rows_of_a_file_are_not_kept() -> None:
    """Labels are read one at a time, as judgments come."""
    read = 0

    def rows() -> Iterator[RowLabel]:
        nonlocal read
        for line in range(1, 100):
            read = line
            yield RowLabel(line, f"p{line}", "response_1", None, None)

    failing = [{"line": 3, "reason": "refused", "order": "given"}]
    tally = LabelTally(rows(), failing, ["judge", "bt"])
    for line in (1, 2, 4):
        tally.judged({"pair_id": f"p{line}", "preference": "response_1"})
        assert read == line
    found = tally.result()
    assert found is not None and read == 4
    assert found.systems["judge"].failed == 1 and found.systems["bt"].pairs == 0

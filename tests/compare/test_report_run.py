"""The report of a run: everything escaped, nothing loaded, the same bytes twice."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from judge.compare.reports import run as report
from judge.compare.reports.run import write_report
from judge.compare.reports.run_tables import SHOWN
from judge.errors import RowError, UsageError
from judge.formats.sources import open_source
from judge.infer.batch import run
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.report.page import LONGEST
from judge.verdict import Verdict
from tests.compare.made import judged_beside, scored
from tests.compare.pages import HOSTILE, Page, check_safe
from tests.scripted import answer, config, engine, judgments, row, write_rows


def hostile_answer(text: str, mode: Mode) -> Verdict | RowError:
    if "REFUSE" in text:
        return RowError("refused", HOSTILE)
    verdict = answer(text, mode)
    assert isinstance(verdict, Verdict)
    return verdict.model_copy(update={"elaboration": HOSTILE})


def report_of(folder: Path, input: Path) -> str:
    return write_report(folder, open_source(str(input))).read_text(encoding="utf-8")


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[str, Path]:
    rows: list[dict[str, Any] | bytes] = [
        row(1, pair_id=HOSTILE, prompt=HOSTILE, response_1=HOSTILE, response_2=HOSTILE + "2"),
        row(2, pair_id=HOSTILE + "2", prompt="REFUSE"),
        row(3, pair_id=HOSTILE + "3", prompt=[{"role": HOSTILE, "content": "x"}]),
        row(4),
    ]
    source = write_rows(tmp_path / "<b>&'in.jsonl", rows)
    run(config(source, tmp_path / "run"), lambda: ScriptedEngine(hostile_answer))
    return report_of(tmp_path / "run", source), tmp_path / "run"


def test_hostile_text_stays_text(hostile: tuple[str, Path]) -> None:
    page = Page(hostile[0])
    check_safe(page)
    assert page.text.count(HOSTILE) >= 7  # ids, prompt, responses, elaborations, detail
    assert "49" not in page.text.split()


def test_thinking_is_shown_folded_and_as_text(tmp_path: Path) -> None:
    def thoughtful(text: str, mode: Mode) -> Verdict | RowError:
        verdict = answer(text, mode)
        assert isinstance(verdict, Verdict)
        said = f"{HOSTILE} @Response 1 of {'both' if 'First answer' in text[:300] else 'one'}"
        return verdict.model_copy(update={"thinking": said})

    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    run(config(source, tmp_path / "run"), lambda: ScriptedEngine(thoughtful))
    page = Page(report_of(tmp_path / "run", source))
    check_safe(page)
    # In the judgments and among the disagreements, in the names of the given order.
    assert page.html.count("<summary>thinking, given order</summary>") == page.html.count(
        "<summary>thinking, flipped order</summary>"
    )
    assert page.html.count("<summary>thinking, given order</summary>") in (1, 2)
    assert page.text.count(f"{HOSTILE} @Response 1 of") == page.text.count(
        f"{HOSTILE} @Response 2 of"
    )


def test_responses_are_shown_as_they_were_judged(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(1, response_1="<think>Hidden.</think>Shown.")])
    for strip in (False, True):
        out = tmp_path / f"run-{strip}"
        run(config(source, out, strip_thinking=strip), engine)
        page = report_of(out, source)
        assert "Shown." in page and ("Hidden." in page) != strip


def test_the_same_folder_gives_the_same_page(hostile: tuple[str, Path]) -> None:
    html, folder = hostile
    summary = json.loads((folder / "summary.json").read_bytes())
    summary["session"] = None
    (folder / "summary.json").write_text(json.dumps(summary))
    pages = [write_report(folder).read_bytes() for _ in range(2)]
    assert pages[0] == pages[1]
    assert "last session" in html
    assert b"last session" not in pages[0]


def test_what_the_page_shows(tmp_path: Path) -> None:
    source = write_rows(
        tmp_path / "in.jsonl", [*(row(n) for n in range(SHOWN + 5)), row(999, response_1="")]
    )
    run(config(source, tmp_path / "run"), engine)
    page = Page(report_of(tmp_path / "run", source))
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    flips = min(20, round(105 * (1 - summary["order_consistency"])))
    assert sum(tag == "article" for tag, _ in page.tags) == SHOWN + flips
    assert "The first 100 judgments" in page.text
    assert "First answer 7." in page.text
    assert "empty_response" in page.text
    share = 100 * summary["win_shares"]["response_1"]
    assert f"Of 105 pairs, mini prefers Response 1 in {share:.1f} %" in page.text
    strengths = page.plots["strengths"]["data"][0]
    assert strengths["y"] == [summary["strengths"][str(s)] for s in range(-3, 4)]
    [longer] = page.plots["longer"]["data"]
    assert longer["text"][0].endswith("of 105")  # "Second answer" is always longer
    assert longer["x"] == pytest.approx([summary["win_shares"]["response_2"]])
    without = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "First answer 7." not in without and "longer" not in Page(without).plots


def test_a_page_of_many_rows_is_drawn_from_some_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evenly over the run; what the summary counts is of all rows."""
    rows = [row(n, response_2="x" if n % 3 == 0 else "a longer one") for n in range(24)]
    source = write_rows(tmp_path / "in.jsonl", [*rows, row(99, response_1="")])
    run(config(source, tmp_path / "run"), engine)
    monkeypatch.setattr(report, "DRAWN", 10)
    page = Page(report_of(tmp_path / "run", source))
    assert "drawn from one row in 3 of 25; counts and tables are of all" in page.text
    [longer] = page.plots["longer"]["data"]
    assert longer["text"][0].endswith("of 8")
    by_hand = [judgment["preference"] for judgment in judgments(tmp_path / "run")[::3]]
    assert longer["x"] == [by_hand.count("response_1") / 8]  # in all of these Response 2 is "x"
    assert sum(page.plots["strengths"]["data"][0]["y"]) == 24
    assert "First answer 7." in page.text and "empty_response" in page.text
    monkeypatch.setattr(report, "DRAWN", 25)
    assert "drawn from" not in report_of(tmp_path / "run", source)


def test_reward_models_have_their_distributions(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(20)])
    page = Page(report_of(judged_beside(source, tmp_path / "both"), source))
    preferred, others = page.plots["rewards-0"]["data"]
    assert sum(preferred["customdata"]) == sum(others["customdata"]) == 20
    alone = Page(report_of(scored(source, tmp_path / "alone"), source))
    [every] = alone.plots["rewards-0"]["data"]
    assert sum(every["customdata"]) == 40
    assert sum(every["y"]) == pytest.approx(1)
    assert "strengths" not in alone.plots and "first-slot-rate" not in alone.plots
    check_safe(alone)


def test_without_plotly_there_are_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(1), row(2)])
    run(config(source, tmp_path / "run"), engine)
    monkeypatch.setitem(sys.modules, "plotly", None)
    page = Page(report_of(tmp_path / "run", source))
    check_safe(page)
    assert page.scripts == [] and "This page has no figures" in page.text
    assert "Judged pairs by strength" in page.text and "of 2" in page.text


def test_a_run_without_judgments_or_failures(tmp_path: Path) -> None:
    bad = write_rows(tmp_path / "bad.jsonl", [b"x"])
    run(config(bad, tmp_path / "bad"), engine)
    page = Page(report_of(tmp_path / "bad", bad))
    assert "bad_json" in page.text and "judged none of 1 rows" in page.text
    good = write_rows(tmp_path / "good.jsonl", [row(1)])
    run(config(good, tmp_path / "good"), engine)
    assert "None." in Page(report_of(tmp_path / "good", good)).text


def test_a_folder_without_a_finished_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*summary.json"):
        write_report(tmp_path)
    for text in ("[", "[]"):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(UsageError, match="is damaged"):
            write_report(tmp_path)


def test_ten_thousand_long_pairs_stay_small(tmp_path: Path) -> None:
    long = "<&\u00e9" * 500
    rows: list[dict[str, Any] | bytes] = [
        row(n, response_1=long if n % 2 else "short") for n in range(10_000)
    ]
    rows[0] = row(0, prompt="<" * 90_000)
    seconds = []
    for count in (1000, len(rows)):
        source = write_rows(tmp_path / f"{count}.jsonl", rows[:count])
        run(config(source, tmp_path / str(count), window=1000, orders="given"), engine)
        start = time.process_time()
        html = report_of(tmp_path / str(count), source)
        seconds.append(time.process_time() - start)
    assert (
        seconds[1] < 20 * seconds[0]
    )  # ten times as many; what grows with their square: 100 times
    assert len(html.encode()) < 3_000_000
    assert f"[{90_000 - LONGEST:,} more characters]" in html

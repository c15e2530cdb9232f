"""Figure 2 of HelpSteer2-Preference: rewards of chosen and rejected responses, and differences."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from judge.cli import app
from judge.compare.columns import column
from judge.compare.reports.reward_figure import FIGURE, write_figure
from judge.compare.reports.run import write_report
from judge.compare.rewards import RewardDistributions, reward_distributions
from judge.compare.systems import Decision, System
from judge.formats.sources import open_source
from judge.report.histograms import ticks
from tests.compare.made import judged_beside, labelled_rows, scored
from tests.compare.pages import Page, check_safe
from tests.scripted import judgments, row, write_rows

REWARDS = [(1.0, 3.0), (2.0, 0.5), (0.0, 0.0), (4.0, -1.0), (9.0, 9.0)]
PREFERS = ["response_2", "response_2", "response_1", "response_1", None]
"""Differences of what is preferred: 2, -1.5, 0, 5; the last pair has no preference."""


@pytest.fixture
def made() -> RewardDistributions:
    ids = [str(number) for number in range(len(REWARDS))]
    model = System(
        "bt",
        "reward_model",
        {i: Decision(None, rewards=r) for i, r in zip(ids, REWARDS, strict=True)},
    )
    people = System("people", "people", {i: Decision(p) for i, p in zip(ids, PREFERS, strict=True)})  # type: ignore[arg-type]
    [found] = reward_distributions([column(ids, model)], column(ids, people))
    return found


def test_differences_are_of_preferred_less_the_other(made: RewardDistributions) -> None:
    differences = [2.0, -1.5, 0.0, 5.0]
    assert made.gaps.spread.n == 4 and made.gaps.above == 2
    assert made.gaps.spread.mean == pytest.approx(np.mean(differences))
    assert made.gaps.spread.deviation == pytest.approx(np.std(differences), abs=1e-6)
    assert (made.gaps.edges[0], made.gaps.edges[-1]) == (-1.5, 5.0)
    assert sum(made.gaps.spread.counts) == 4
    assert made.preferred.mean == pytest.approx(np.mean([3.0, 0.5, 0.0, 4.0]))
    assert made.other.mean == pytest.approx(np.mean([1.0, 2.0, 0.0, -1.0]))


def test_the_picture_has_a_row_a_model_and_a_bar_a_filled_bin(
    made: RewardDistributions, tmp_path: Path
) -> None:
    named = made.model_copy(update={"system": "<b>&\x07 much"})
    [path] = write_figure([made, named], tmp_path)
    assert path.read_bytes() == write_figure([made, named], tmp_path)[0].read_bytes()
    picture = ET.fromstring(path.read_text(encoding="utf-8"))
    bars = [r for r in picture.iter("{http://www.w3.org/2000/svg}rect") if r.get("fill-opacity")]
    filled = [
        c for spread in (made.preferred, made.other, made.gaps.spread) for c in spread.counts if c
    ]
    assert len(bars) == 2 * len(filled)
    assert all(float(bar.get("height") or 0) > 0 for bar in bars)
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "above 0 in 2 of 4" in texts and "bt" in texts


def test_without_labels_there_is_no_picture_and_an_old_one_goes(
    made: RewardDistributions, tmp_path: Path
) -> None:
    write_figure([made], tmp_path)
    bare = made.model_copy(update={"gaps": made.gaps.model_copy(update={"edges": []})})
    assert write_figure([bare], tmp_path) == [] and not (tmp_path / FIGURE).exists()


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    high = low + width
    if high <= low:
        return
    found = ticks(low, high)
    slack = 1e-9 * max(abs(low), abs(high), 1)
    assert 2 <= len(found) <= 11
    assert all(low - slack <= tick <= high + slack for tick in found)


def test_ticks_by_hand() -> None:
    assert ticks(-0.879, 4.79) == [0, 1, 2, 3, 4]
    assert ticks(-2.75, 2.85) == [-2, -1, 0, 1, 2]
    assert ticks(3, 3) == [3]


def test_a_run_of_a_reward_model_has_it_from_the_labels_of_its_input(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", labelled_rows(12))
    run = scored(source, tmp_path / "run")
    page = Page(write_report(run, open_source(str(source))).read_text(encoding="utf-8"))
    check_safe(page)
    preferred, _ = page.plots["rewards-0"]["data"]
    assert "labels prefer" in preferred["name"]
    [gaps] = page.plots["reward-gaps-0"]["data"]
    assert sum(gaps["customdata"]) == 12
    signs = [1 if n % 2 == 0 else -1 for n in range(12)]
    found = [j["rewards"] for j in judgments(run)]
    by_hand = [s * (of[0] - of[1]) for s, r in zip(signs, found, strict=True) for of in r.values()]
    assert f"above 0 in {sum(d > 0 for d in by_hand)} of 12" in (run / FIGURE).read_text()
    assert math.isfinite(sum(by_hand))


def test_a_run_without_labels_has_none(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(6)])
    both = judged_beside(source, tmp_path / "both")
    page = Page(write_report(both, open_source(str(source))).read_text(encoding="utf-8"))
    assert not (both / FIGURE).exists()
    assert "judge prefers" in page.plots["rewards-0"]["data"][0]["name"]


def test_compare_writes_it(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", labelled_rows(12))
    run, out = judged_beside(source, tmp_path / "run"), tmp_path / "out"
    result = CliRunner().invoke(app, ["compare", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert str(out / FIGURE) in result.output.replace("\n", "")
    assert (out / FIGURE).read_text().count("chosen less rejected") == 2

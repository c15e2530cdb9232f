"""The reports of a comparison and of a benchmark: the result's own numbers, nobody's markup."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.compare.benches.plan import PAIRS, plan, write_pairs
from judge.compare.benches.registry import find
from judge.compare.benches.score import score_run
from judge.compare.comparison import Comparison, compare
from judge.compare.config import CompareConfig
from judge.compare.reports.bench import write_report as write_bench
from judge.compare.reports.compare import sentence, write_report
from judge.metrics.formatting import share
from judge.report.plots import labels, words
from tests.compare.benching import example
from tests.compare.made import judged, judged_beside, labelled_rows
from tests.compare.pages import HOSTILE, Page, check_safe
from tests.scripted import row, write_rows


def comparison(*runs: str | Path, **fields: object) -> Comparison:
    return compare(CompareConfig(runs=tuple(map(str, runs)), **fields))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("compared")
    rows = labelled_rows(60)
    for n in range(0, 60, 3):
        rows[n] |= {"prompt": HOSTILE, "response_1": f"{HOSTILE}{n}", "category": HOSTILE}
    source = write_rows(folder / "in.jsonl", rows)
    run = judged_beside(source, folder / "run")
    other = judged(source, folder / "other", seed=1)
    return comparison(run, f"{HOSTILE.replace('=', ' ')}={other}")


@pytest.fixture(scope="module")
def page(found: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = write_report(found, tmp_path_factory.mktemp("page"))
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_is_safe(page: Page) -> None:
    check_safe(page)
    assert page.text.count(HOSTILE) >= 5  # prompts, responses and a category


def test_no_name_is_markup_to_plotly(page: Page) -> None:
    specifications = json.dumps(page.plots)
    assert "<script" not in specifications and "<a " not in specifications
    assert "<extra></extra>" in specifications, "the templates are our own"


def test_the_figures_are_those_of_the_result(found: Comparison, page: Page) -> None:
    [marks] = page.plots["accuracy"]["data"]
    assert marks["x"] == [a.accuracy.value for a in found.accuracy]
    assert marks["y"] == labels([a.system for a in found.accuracy])
    low = [x - less for x, less in zip(marks["x"], marks["error_x"]["arrayminus"], strict=True)]
    assert low == pytest.approx(
        [a.accuracy.interval[0] for a in found.accuracy if a.accuracy.interval]
    )
    [heat] = page.plots["agreement"]["data"]
    names = found.agreement.names
    for cell in found.agreement.cells:
        i, j = names.index(cell.first), names.index(cell.second)
        assert heat["z"][i][j] == heat["z"][j][i] == cell.percent.value
    assert [heat["z"][i][i] for i in range(len(names))] == [None] * len(names)
    raw = found.calibration[0].raw
    assert raw is not None
    assert page.plots["reliability-0"]["data"][0]["y"] == [b.right for b in raw.bins if b.n]
    preferred = page.plots["rewards-0"]["data"][0]
    assert preferred["customdata"] == found.rewards[0].preferred.counts
    [longer] = page.plots["longer"]["data"]
    of_people = next(c for c in found.agreement.cells if c.first == "people")
    assert of_people.second == found.systems[-1].name
    assert longer["x"][longer["y"].index("people")] == of_people.percent.value
    assert {"first-slot-rate", "flip-rate", "response-1", "slice-0"} <= set(page.plots)


def test_the_disagreements_are_there_in_full(found: Comparison, page: Page) -> None:
    first = found.queue[0]
    assert first.pair is not None and first.pair.response_2 in page.text
    assert sum(tag == "article" for tag, _ in page.tags) == min(20, len(found.queue))
    assert "@Response 1 is shorter." in page.text, "the judge's explanation"


def test_the_same_comparison_gives_the_same_page(
    found: Comparison, page: Page, tmp_path: Path
) -> None:
    assert write_report(found, tmp_path).read_text(encoding="utf-8") == page.html


def test_the_sentence_says_who_is_best_and_whether_it_is_chance(found: Comparison) -> None:
    models = [a for a in found.accuracy if a.system != found.systems[-1].name]
    best = max(models, key=lambda a: a.accuracy.value or 0)
    said = sentence(found)
    assert said.startswith(f"On {best.accuracy.n} labelled pairs {best.system} prefers what people")
    assert "may well be chance" in said or "more than chance" in said


def test_without_labels_nobody_is_accurate(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(6)])
    alone = comparison(judged(source, tmp_path / "run"))
    assert sentence(alone).startswith("Of 6 pairs none has a label")
    page = Page(write_report(alone, tmp_path).read_text(encoding="utf-8"))
    check_safe(page)
    assert "accuracy" not in page.plots and "nan" not in json.dumps(page.plots).lower()


@pytest.mark.slow
def test_ten_thousand_pairs_make_a_small_page_soon(tmp_path: Path) -> None:
    seconds = []
    for count in (1000, 10_000):
        source = write_rows(tmp_path / f"{count}.jsonl", labelled_rows(count))
        alone = comparison(judged(source, tmp_path / str(count), window=1000))
        start = time.process_time()
        path = write_report(alone, tmp_path)
        seconds.append(time.process_time() - start)
    assert (
        seconds[1] < 20 * seconds[0]
    )  # ten times as many; what grows with their square: 100 times
    assert path.stat().st_size < 3_000_000


def test_words_are_literal_and_short() -> None:
    assert words("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"
    assert words("a\n b") == "a b" and words(" ") == "(no name)"
    assert len(words("x" * 1000)) == 32
    assert labels(["x" * 50, "x" * 60, "y"])[1:] == [words("x" * 60) + " (2)", "y"]


def test_the_command_writes_the_report(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", labelled_rows(12))
    run, out = judged(source, tmp_path / "run"), tmp_path / "out"
    result = CliRunner().invoke(app, ["compare", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    check_safe(Page((out / "report.html").read_text(encoding="utf-8")))


def test_a_benchmark_s_figures_are_those_of_its_result(tmp_path: Path) -> None:
    benchmark, items = find("judgebench"), example("judgebench")
    planned = plan(benchmark, items, "judge")
    write_pairs(tmp_path, items, planned, False)
    run = judged(tmp_path / PAIRS, tmp_path / "run")
    result = score_run(benchmark, items, planned, run)
    page = Page(write_bench(result, tmp_path).read_text(encoding="utf-8"))
    check_safe(page)
    lines = [result.overall, *result.columns]
    for trace, of in zip(page.plots["sections"]["data"], ("published", "strict"), strict=True):
        values = [getattr(line, of).value for line in lines]
        assert trace["x"] == [value for value in values if value is not None] != []
    assert f"scores {share(result.overall.published)} on JudgeBench" in page.text

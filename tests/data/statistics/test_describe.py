"""`judge data stats` from files to report, page and screen."""

import gzip
import json
import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from judge.cli import app
from judge.data.statistics.describe import StatsConfig, run
from judge.data.statistics.page import PAGE, STATS
from judge.errors import UsageError
from tests.compare.pages import Page, check_safe
from tests.data.statistics.conftest import HOSTILE, write


def stats(*arguments):
    return CliRunner().invoke(app, ["data", "stats", *map(str, arguments)])


def test_pairs_and_both_kinds_of_ratings_are_read(folder):
    seen = []
    report = run(StatsConfig(input=str(folder)), seen.append).model_dump()
    assert seen == [1, 2, 3, 4]
    stages = report["stages"]["all"]
    assert stages["read"] == 4 and stages["neither_valid"] == 1
    assert stages["dropped"] == {"no_valid_annotation": 0, "spread": 1, "zero": 1}
    assert report["helpfulness"]["kept"] == {"pairs": 2, "pearson_r": 1.0}
    assert report["ratings"]["responses"] == 8
    assert report["ratings"]["with_several_ratings"] == 4
    assert report["ratings"]["dropped"]["helpfulness_spread"] == 1
    assert report["ratings"]["agreement"]["helpfulness"]["collected"]["items"] == 4
    assert report["ratings"]["agreement"]["helpfulness"]["kept"]["items"] == 3
    assert report["problems"]["counts"] == {"bad_json": 1}
    assert report["problems"]["listed"][0]["line"] == 5
    assert sorted(report["input"]["files"]) == [
        "disagreements/disagreements.jsonl.gz",
        "preference/preference.jsonl.gz",
        "train.jsonl.gz",
    ]


def test_strict_stops_at_file_and_line(folder):
    with pytest.raises(UsageError, match=r"preference\.jsonl\.gz, line 5: bad_json"):
        run(StatsConfig(input=str(folder), strict=True))


def test_same_input_same_bytes_and_nothing_left_over(folder, tmp_path):
    for name in ("a", "b"):
        run(StatsConfig(input=str(folder), output_dir=str(tmp_path / name)))
    for file in (STATS, PAGE):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [PAGE, STATS]
    report = json.loads((tmp_path / "a" / STATS).read_text())
    assert report["strengths"]["kept"]["count"] == 2


def test_a_folder_that_cannot_be_written_is_one_line(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        run(StatsConfig(input=str(folder), output_dir=str(tmp_path / "file")))


def test_only_one_split(folder):
    report = run(StatsConfig(input=str(folder), split="val")).model_dump()
    assert list(report["stages"]["by_split"]) == ["val"]
    assert report["ratings"]["responses"] == 0


def test_pairs_without_ratings(folder):
    file = folder / "preference" / "preference.jsonl.gz"
    report = run(StatsConfig(input=str(file))).model_dump()
    assert report["ratings"]["responses"] == 0
    assert report["helpfulness"]["with_consensus"] == {"pairs": 0, "pearson_r": None}
    assert list(report["input"]["files"]) == ["preference.jsonl.gz"]


def test_tables_of_pairs_in_a_folder_are_not_taken_for_ratings(folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(folder / "preference" / "preference.jsonl.gz", flat / "preference.jsonl.gz")
    report = run(StatsConfig(input=str(flat))).model_dump()
    assert report["ratings"]["responses"] == 0
    assert report["problems"]["counts"] == {"bad_json": 1}


@pytest.mark.parametrize("whole_folder", [True, False])
def test_ratings_without_pairs_are_described(folder, whole_folder):
    path = folder / "disagreements"
    path = path if whole_folder else path / "disagreements.jsonl.gz"
    result = stats(path, "--out", folder / "out")
    assert result.exit_code == 0, result.output
    assert "helpfulness, kept" in result.output
    assert "Strengths" not in result.output
    report = json.loads((folder / "out" / STATS).read_text())
    assert report["ratings"]["responses"] == 4
    assert "Rated responses" in (folder / "out" / PAGE).read_text()


def test_nothing_to_read(tmp_path):
    assert stats(tmp_path / "nowhere").exit_code == 2
    write(tmp_path / "other.jsonl", [{"a": 1}])
    result = stats(tmp_path / "other.jsonl")
    assert result.exit_code == 2
    assert "no row has a known format" in result.output


def test_the_screen_shows_the_tables(folder):
    result = stats(folder, "--similar", "2", "--keep-zeros")
    assert result.exit_code == 0, result.output
    for text in ("pairs kept", "Agreement on preference", "bad_json", "longer is preferred"):
        assert text in result.output


def test_rules_that_exclude_each_other(folder):
    assert stats(folder, "--similar", "2", "--all-annotations").exit_code == 2
    assert stats(folder, "--max-spread", "2", "--no-spread-filter").exit_code == 2
    result = stats(folder, "--no-spread-filter", "--all-annotations", "--out", folder / "out")
    assert result.exit_code == 0, result.output
    report = json.loads((folder / "out" / STATS).read_text())
    assert report["options"]["similar"] is report["options"]["max_spread"] is None
    assert report["stages"]["all"]["dropped"]["spread"] == 0


@pytest.fixture
def page(folder, tmp_path):
    run(StatsConfig(input=str(folder), output_dir=str(tmp_path)))
    return Page((tmp_path / PAGE).read_text(encoding="utf-8"))


def test_the_page_loads_nothing(page):
    check_safe(page)


def test_the_page_escapes_what_came_from_the_input(page):
    assert HOSTILE not in page.html and HOSTILE in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.html


def test_every_plot_has_a_caption_a_label_and_tables_beside_it(page):
    plots = re.findall(r'<div class="plot" role="img" aria-label="([^"]+)" data', page.html)
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", page.html)
    assert len(plots) == len(captions) == page.html.count("<figure>") == len(page.plots) == 9
    for section in re.findall(r"<section aria-labelledby.*?</section>", page.html, re.S):
        assert section.count("<h2") == 1
        assert section.count("<table>") == section.count("<caption>") >= 1


def test_tables_that_no_screen_shows_are_folded_on_the_page(page):
    folded = re.findall(r"<details><summary>(.+?)</summary>\n<div", page.html)
    assert "By split and source" in folded and "Keywords in all useful annotations" in folded
    assert "Strengths and position" not in folded
    assert page.text.count("Files, with the SHA-256 of their bytes") == 1


def test_a_pair_nobody_agrees_on_still_makes_a_page(tmp_path):
    row = {
        "prompt": "Why?",
        "response_1": "one",
        "response_2": "two",
        "all_preferences_unprocessed": [{"strength": 3, "justification": ""}],
    }
    write(tmp_path / "pref.jsonl", [{**row, "all_preferences_unprocessed": [{"strength": -100}]}])
    result = stats(tmp_path / "pref.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "nan" not in (tmp_path / "out" / STATS).read_text().lower()


def test_the_real_rows_against_an_independent_count(shared):
    """12 rows of HelpSteer2-Preference, three annotators each: numpy and scikit-learn agree."""
    folder = shared / "data" / "helpsteer2_sample"
    with gzip.open(folder / "preference" / "preference.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    given = np.array([[a["strength"] for a in row["all_preferences_unprocessed"]] for row in rows])
    assert given.shape == (12, 3)
    close = given[np.ptp(given, axis=1) <= 2]
    overall = np.rint(close.mean(axis=1))

    def kappa(annotations):
        pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
        one = np.concatenate([annotations[:, a] for a, _ in pairs])
        other = np.concatenate([annotations[:, b] for _, b in pairs])
        return cohen_kappa_score(one, other, labels=list(range(-3, 4)), weights="quadratic")

    report = run(StatsConfig(input=str(folder))).model_dump()
    agreement = report["agreement"]
    assert agreement["collected"]["kappa"] == pytest.approx(kappa(given), abs=1e-6)
    assert agreement["with_consensus"]["kappa"] == pytest.approx(kappa(close), abs=1e-6)
    assert agreement["kept"]["kappa"] == pytest.approx(kappa(close[overall != 0]), abs=1e-6)
    strengths = report["strengths"]["with_consensus"]
    assert strengths["count"] == len(close)
    assert strengths["mean"] == pytest.approx(overall.mean(), abs=1e-6)
    assert strengths["sd"] == pytest.approx(overall.std(), abs=1e-6)
    assert strengths["shares"]["zero"] == pytest.approx((overall == 0).mean(), abs=1e-6)

"""The page of an arena, and its tables as files: the result's own numbers, nobody's markup."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from judge.compare.arena.examples import gallery
from judge.compare.arena.paper_table import paper_table
from judge.compare.arena.result import ArenaResult
from judge.compare.arena.tables import win_rate
from judge.compare.reports.arena import plots, sentence, write_report
from judge.report.table_files import as_csv, as_latex, as_markdown
from judge.report.tables import Table
from tests.compare.arenas import answers, bare, decider, play
from tests.compare.pages import HOSTILE, Page, check_safe

Found = tuple[ArenaResult, Path]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Answers, a model and an instruction that would be markup; the longer answer wins."""
    folder = tmp_path_factory.mktemp("arena")
    texts = [f"{HOSTILE} {n}" for n in range(12)]
    files = [
        answers(folder, "oak", texts),
        answers(folder, "pine", [text + "x" * (n % 4) for n, text in enumerate(texts)]),
    ]
    rows = json.loads((folder / "oak.json").read_text())
    for row in rows:
        row |= {"generator": HOSTILE, "output": f"much longer {row['output']}"}
    (folder / "hostile.json").write_text(json.dumps(rows))
    files.append(str(folder / "hostile.json"))
    script = decider(lambda one, two: 2.0 * (len(one) - len(two)), sure=True)
    result, _, _ = play("pairs", folder / "o", files, "oak", script)
    return result, folder / "o"


def test_the_page_is_safe_and_has_what_was_found(found: Found, tmp_path: Path) -> None:
    path, tables = write_report([found], tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    check_safe(page)
    assert "<script" not in json.dumps(page.plots)
    for name in ("paper", "scores", "matrix", "lengths"):
        for suffix in ("csv", "md", "tex"):
            assert (tables / f"{name}.{suffix}").stat().st_size > 20
    result, _ = found
    assert sentence(result).startswith("pine: ")
    assert path.read_bytes() == write_report([found], tmp_path)[0].read_bytes()


def test_examples_are_the_surest_wins_and_losses(found: Found) -> None:
    result, folder = found
    shown = gallery(result, folder).pairs
    assert 0 < len(shown) <= 8
    first = shown[0]
    assert first.pair is not None and first.said[0].choice.startswith("prefers pine")
    text = first.pair.response_1 if first.said[0].side == "one" else first.pair.response_2
    assert text.endswith("x")
    names = [said.choice for one in shown for said in one.said]
    assert any(HOSTILE in name for name in names)


def test_the_plots_hold_the_results_numbers(found: Found) -> None:
    rates, matrix, length = plots(found[0])
    values = [r.win_rate.value for r in found[0].results]
    assert list(rates.traces[0]["x"]) == values == list(length.traces[0]["y"])
    cells = matrix.traces[0]["z"]
    assert cells[0][2] == values[0] and cells[2][0] == pytest.approx(1 - (values[0] or 0))


def test_models_that_never_met_are_compared_by_their_strengths() -> None:
    rates: dict[tuple[str, str], float | None] = {("a", "o"): 0.75, ("b", "o"): 0.5, ("c", "o"): 1}
    value, measured = win_rate("a", "b", rates, "o")
    assert value == pytest.approx(0.75) and not measured
    assert win_rate("a", "o", rates, "o") == (0.75, True)
    assert win_rate("a", "c", rates, "o") == (None, False)


def test_one_row_a_model_and_the_baseline_last(tmp_path: Path) -> None:
    files = [answers(tmp_path, n, [f"{n} {i}" for i in range(12)]) for n in ("oak", "pine", "fir")]
    script = bare(lambda one, two: -2 if one < two else 2)
    first = play("pairs", tmp_path / "1", files, "oak", script)[0]
    second = play("pairs", tmp_path / "2", files[:2], "pine", script)[0]
    table = paper_table([first, second])
    assert table.columns[1:3] == (
        "win rate, 95 %, mini, over oak",
        "win rate, 95 %, mini, over pine",
    )
    assert [row[0] for row in table.rows] == ["pine", "fir", "oak"]
    assert table.rows[0][2] == "baseline" and table.rows[1][2] == "-"
    assert "not figures of GPT-4" in table.note


def test_tables_as_files_stay_tables() -> None:
    table = Table("x", "A_title", ("model", "a|b"), (("=1+1", "50 % <i>"), ("two\nlines", "-3")))
    rows = list(csv.reader(io.StringIO(as_csv(table))))
    assert rows == [["model", "a|b"], ["'=1+1", "50 % <i>"], ["two\nlines", "-3"]]
    markdown = as_markdown(table).splitlines()
    assert markdown[2] == "| model | a\\|b |" and markdown[4] == "| =1+1 | 50 % \\<i\\> |"
    assert markdown[5] == "| two lines | -3 |"
    latex = as_latex(table)
    assert r"\caption{A\_title}" in latex
    assert r"=1+1 & 50 \% \textless{}i\textgreater{} \\" in latex

"""The documentation's table of figures: every field exists, every number comes from a real run."""

import re
from pathlib import Path

from judge.data.statistics.describe import StatsConfig, run
from judge.data.statistics.tables import cell

DOCS = Path(__file__).parents[3] / "docs"
PARTS = "stages|strengths|agreement|ratings|helpfulness|justifications|justification_sets"
FIGURES = re.findall(
    rf"^\|[^|]*\|[^|]*\| `((?:{PARTS})\.[^`]+)`[^|]*\| ([^|]*) \|$",
    "".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))),
    re.MULTILINE,
)


def at(report, path):
    for name in path.split("."):
        report = report[name]
    return report


def test_the_table_names_every_figure_of_the_paper():
    assert len(FIGURES) >= 40
    assert len({path for path, _ in FIGURES}) == len(FIGURES)


def test_every_named_field_exists(folder):
    report = run(StatsConfig(input=str(folder))).model_dump()
    for path, _ in FIGURES:
        at(report, path)


def test_every_documented_number_is_that_of_the_run(shared):
    report = run(StatsConfig(input=str(shared / "data" / "human_pairs"))).model_dump()
    compared = 0
    for path, shown in FIGURES:
        number = re.fullmatch(r"(-?[\d,]+(?:\.(\d+))?)( %)?", shown)
        if number is None:
            continue
        value, places = at(report, path), len(number[2] or "")
        text = cell(value) if number[3] or not places else f"{value:.{places}f}"
        assert text == shown, path
        compared += 1
    assert compared >= 36

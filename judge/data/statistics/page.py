"""The report as files: ``stats.json`` and one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from judge.data.statistics.figures import figures
from judge.data.statistics.report import StatsReport
from judge.data.statistics.tables import cell, tables
from judge.report import page as report_page
from judge.report.page import Page
from judge.report.tables import Table
from judge.runs.whole import refused_in_one_line, replace_json

STATS, PAGE = "stats.json", "stats.html"
SECTIONS = {
    "stages": ("Pairs and annotations", "What each rule drops, and what is left."),
    "strengths": (
        "Strengths and position",
        "Negative strengths prefer Response 1, positive ones Response 2. Where people do not lean "
        "to one position, 50 % lies in the interval of Response 2's share of the decided pairs.",
    ),
    "agreement": (
        "Agreement",
        "1 is perfect agreement, 0 what chance gives. Kappa is Cohen's with squared differences; "
        "every two annotations of one pair count, in both orders. By rank, -1 and 1 are neighbours "
        "instead of two apart. Alpha is Krippendorff's.",
    ),
    "helpfulness": (
        "Strength and helpfulness",
        "Overall strength beside the difference of the two responses' helpfulness ratings, where "
        "ratings lie beside the pairs.",
    ),
    "justifications": (
        "Justifications",
        "All useful: every annotation but -100. All set: those kept by the rule, of pairs with a "
        "consensus. Overall set: those of people who gave the pair's overall strength, where the "
        "paper draws one a pair. Shares of statements are of the justifications that have one.",
    ),
    "keywords": (
        "Keywords by attribute",
        "Lower-cased words, each counted once a justification. The word lists are this project's "
        "own, not the paper's.",
    ),
    "lengths": (
        "Length",
        "Pairs kept and decided; shares are of those whose two lengths differ.",
    ),
    "ratings": (
        "Ratings",
        "Responses with ratings beside the pairs. Kept: the people most similar on helpfulness, "
        "where they do not differ by more than the rule allows.",
    ),
    "problems": ("Problems", "Rows, annotations and files that were not used."),
    "input": ("Input and options", ""),
}


def write(report: StatsReport, folder: Path) -> None:
    """Write ``stats.json`` and ``stats.html``. The same report gives the same bytes.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    with refused_in_one_line(folder / PAGE):
        folder.mkdir(parents=True, exist_ok=True)
    report_page.write(page_of(report), folder, PAGE)
    replace_json(folder / STATS, report.model_dump())


def page_of(report: StatsReport) -> Page:
    """Return what the page says."""
    return Page(
        title="Annotated data",
        about=[report.input.name],
        sentence="",
        tiles=_tiles(report),
        sections=SECTIONS,
        tables=[*tables(report), *_input(report)],
        plots=figures(report),
    )


def _input(report: StatsReport) -> Iterator[Table]:
    options = tuple(
        (name, "not given" if value is None else f"{value}")
        for name, value in report.options.items()
    )
    yield Table("input", "Options", ("option", "value"), options)
    files = tuple(report.input.files.items())
    yield Table("input", "Files, with the SHA-256 of their bytes", ("file", "SHA-256"), files)


def _tiles(report: StatsReport) -> list[tuple[str, str, str]]:
    """Return the numbers at the top of the page: value, name, what it means."""
    if not report.stages.all.read:
        return [(cell(report.ratings.responses), "rated responses", "no pair was read")]
    stages, agreed = report.stages.all, report.agreement
    strengths, lengths = report.strengths["with_consensus"], report.lengths["characters"]
    return [
        (cell(stages.kept), "pairs kept", f"of {stages.read:,} read"),
        (cell(report.problems.total), "problems", "rows or annotations not used"),
        (_number(agreed["collected"].kappa), "kappa as collected", "1 is perfect agreement"),
        (_number(agreed["kept"].kappa), "kappa kept", "after the rules"),
        (_number(strengths.mean), "mean strength", "0 leans to no position"),
        (cell(strengths.shares.response_2), "Response 2 preferred", "with a consensus"),
        (
            _number(report.helpfulness.with_consensus.pearson_r),
            "Pearson's R",
            "with the helpfulness difference",
        ),
        (cell(lengths.share), "longer preferred", "by characters"),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

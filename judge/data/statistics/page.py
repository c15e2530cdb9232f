"""The report as files: ``stats.json`` and one page that needs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judge.data.statistics.figures import Figure, figures
from judge.data.statistics.tables import Table, cell, tables
from judge.errors import UsageError
from judge.runs.jsonlines import replace_json

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
}


def write(folder: Path, report: Mapping[str, Any]) -> None:
    """Write ``stats.json`` and ``stats.html``. The same report gives the same bytes.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    page = render(report)
    part = folder / f"{PAGE}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8", errors="backslashreplace")
        os.replace(part, folder / PAGE)
    except OSError as error:
        raise UsageError(f"cannot write {folder / PAGE}: {error.strerror}") from None
    replace_json(folder / STATS, report)


def render(report: Mapping[str, Any]) -> str:
    """Return the page. What came from the input is escaped; the page may load nothing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots, grids = figures(report), tables(report)
    return environment.get_template("page.html.j2").render(
        name=report["input"]["name"],
        files=report["input"]["files"],
        options=report["options"],
        tiles=_tiles(report),
        sections=[_section(name, plots, grids) for name in SECTIONS],
        script=Markup(get_plotlyjs()),
    )


def _section(name: str, plots: list[Figure], grids: list[Table]) -> dict[str, Any]:
    from markupsafe import Markup

    title, lead = SECTIONS[name]
    return {
        "name": name,
        "title": title,
        "lead": lead,
        "figures": [(Markup(plot.html), plot.caption) for plot in plots if plot.section == name],
        "tables": [grid for grid in grids if grid.section == name],
    }


def _tiles(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the numbers at the top of the page: value, name, what it means."""
    if not report["stages"]["all"]["read"]:
        return [(cell(report["ratings"]["responses"]), "rated responses", "no pair was read")]
    stages, agreed = report["stages"]["all"], report["agreement"]
    strengths, lengths = report["strengths"]["with_consensus"], report["lengths"]["characters"]
    correlation = report["helpfulness"]["with_consensus"]["pearson_r"]
    return [
        (cell(stages["kept"]), "pairs kept", f"of {stages['read']:,} read"),
        (cell(report["problems"]["total"]), "problems", "rows or annotations not used"),
        (_number(agreed["collected"]["kappa"]), "kappa as collected", "1 is perfect agreement"),
        (_number(agreed["kept"]["kappa"]), "kappa kept", "after the rules"),
        (_number(strengths["mean"]), "mean strength", "0 leans to no position"),
        (cell(strengths["shares"]["response_2"]), "Response 2 preferred", "with a consensus"),
        (_number(correlation), "Pearson's R", "with the helpfulness difference"),
        (cell(lengths["share"]), "longer preferred", "by characters"),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

"""The report as tables: the same ones on the screen and on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from judge.data.statistics.words import (
    POSITION_NAMES,
    SET_NAMES,
    SIZE_NAMES,
    STAGE_NAMES,
    STAGE_ROWS,
    STRENGTH_NAMES,
)
from judge.report.tables import Table

Report = Mapping[str, Any]


def tables(report: Report) -> list[Table]:
    """Return every table of a report of :func:`judge.data.statistics.describe.run`, in order."""
    found = [*_ratings(report["ratings"]), *_problems(report["problems"])]
    if not report["stages"]["all"]["read"]:
        return found
    return [
        *_stages(report["stages"]),
        _strengths(report["strengths"]),
        *_agreement(report["agreement"]),
        *_helpfulness(report["helpfulness"]),
        *_justifications(report),
        *_keywords(report["justifications"]),
        *_lengths(report["lengths"]),
        *found,
    ]


def _stages(stages: Report) -> Iterator[Table]:
    groups = {"all": stages["all"], **stages["by_split"]}
    rows = _grid(groups.values(), [(name, path, cell) for path, name in STAGE_ROWS.items()])
    yield Table("stages", "Pairs and annotations", ("", *groups), rows)
    by_source = tuple(
        (f"{split}, {source}", *(cell(_at(counts, path)) for path in STAGE_ROWS))
        for split, sources in stages["by_split_and_source"].items()
        for source, counts in sources.items()
    )
    columns = ("split, source", *(name.strip() for name in STAGE_ROWS.values()))
    yield Table("stages", "By split and source", columns, by_source, folded=True)


def _strengths(strengths: Report) -> Table:
    spec: list[Row] = [
        ("count", "count", cell),
        ("mean", "mean", decimals(4)),
        ("standard deviation", "sd", decimals(2)),
        ("Response 1 preferred", "shares.response_1", cell),
        ("overall 0", "shares.zero", cell),
        ("Response 2 preferred", "shares.response_2", cell),
        *((name, f"by_strength.{key}.share", cell) for key, name in STRENGTH_NAMES.items()),
        ("Response 2 of decided", "response_2_of_decided", cell),
        ("  95 % interval", "response_2_of_decided_interval", span),
    ]
    columns = ("", *(STAGE_NAMES[name] for name in strengths))
    rows = _grid(strengths.values(), spec)
    return Table("strengths", "Strengths and position", columns, rows)


_AGREED = ("", "items", "kappa", "by rank", "alpha, ordinal", "alpha, interval")


def _agreement(agreed: Report) -> Iterator[Table]:
    rows = tuple(_agreed(STAGE_NAMES[name], of) for name, of in agreed.items())
    yield Table("agreement", "Agreement on preference", _AGREED, rows)
    for name, of in agreed.items():
        title = f"Ordered pairs of annotations of the same pair: {STAGE_NAMES[name]}"
        yield _matrix("agreement", title, "one \\ another", of["values"], of["values"], of)


def _ratings(ratings: Report) -> Iterator[Table]:
    if not ratings["responses"]:
        return
    spec: list[Row] = [
        ("responses", "responses", cell),
        ("with several ratings", "with_several_ratings", cell),
        ("dropped: helpfulness spread", "dropped.helpfulness_spread", cell),
    ]
    yield Table("ratings", "Rated responses", ("", "count"), _grid([ratings], spec))
    rated = tuple(
        _agreed(f"{attribute}, {STAGE_NAMES[name]}", of)
        for attribute, stages in ratings["agreement"].items()
        for name, of in stages.items()
        if of["items"]
    )
    if rated:
        yield Table("ratings", "Agreement on ratings", _AGREED, rated)


def _agreed(name: str, of: Report) -> tuple[str, ...]:
    kinds = ("kappa", "kappa_by_rank", "alpha_ordinal", "alpha_interval")
    return (name, cell(of["items"]), *(decimals(3)(of[kind]) for kind in kinds))


def _helpfulness(joint: Report) -> Iterator[Table]:
    rows = tuple(
        (STAGE_NAMES[name], cell(joint[name]["pairs"]), decimals(4)(joint[name]["pearson_r"]))
        for name in ("with_consensus", "kept")
    )
    yield Table("helpfulness", "Strength and helpfulness", ("", "rated pairs", "Pearson's R"), rows)
    yield _matrix(
        "helpfulness",
        "Pairs by strength and by helpfulness of Response 2 minus Response 1",
        "strength \\ difference",
        joint["strengths"],
        joint["differences"],
        joint,
    )


def _matrix(
    section: str, title: str, corner: str, rows: Sequence[int], columns: Sequence[int], of: Report
) -> Table:
    cells = tuple(
        (f"{name}", *map(cell, counts)) for name, counts in zip(rows, of["matrix"], strict=True)
    )
    return Table(section, title, (corner, *map(str, columns)), cells, folded=True)


def _justifications(report: Report) -> Iterator[Table]:
    given = report["justifications"].values()
    causes = next(iter(given))["statements"]["causes"]
    spec: list[Row] = [
        ("justifications", "count", cell),
        ("empty", "empty", cell),
        *((name, f"positions.{key}.share", cell) for key, name in POSITION_NAMES.items()),
        *((name, f"sizes.{key}.mean", decimals(1)) for key, name in SIZE_NAMES.items()),
        *(
            (
                "  any of these" if cause == "any" else f'statements with "{cause}"',
                f"statements.causes.{cause}.share",
                cell,
            )
            for cause in causes
        ),
        ("statements that name both", "statements.both_named.share", cell),
        ("Response 1 called better", "statements.better.response_1.share", cell),
        ("Response 2 called better", "statements.better.response_2.share", cell),
        ("contradict their number", "statements.contradict_strength.share", cell),
    ]
    columns = ("", *SET_NAMES.values())
    yield Table("justifications", "Justifications", columns, _grid(given, spec))
    sets = report["justification_sets"]
    splits = sorted({split for of in sets.values() for split in of} - {"total"})
    yield Table(
        "justifications",
        "Justifications to train on",
        ("", "total", *splits),
        tuple(
            (SET_NAMES[f"{name}_set"], *(cell(of.get(split, 0)) for split in ("total", *splits)))
            for name, of in sets.items()
        ),
    )


def _keywords(justifications: Report) -> Iterator[Table]:
    given = [of["keywords"] for of in justifications.values()]
    spec: list[Row] = [
        *((name, f"attributes.{name}.share", cell) for name in given[0]["attributes"]),
        ("  any", "any.share", cell),
    ]
    columns = ("", *SET_NAMES.values())
    yield Table("keywords", "Justifications with a keyword of", columns, _grid(given, spec))
    words = tuple(
        (word, attribute, cell(of["count"]), cell(of["share"]))
        for attribute, found in given[0]["words"].items()
        for word, of in found.items()
    )
    columns = ("word", "attribute", "justifications", "share")
    yield Table("keywords", "Keywords in all useful annotations", columns, words, folded=True)


def _lengths(lengths: Report) -> Iterator[Table]:
    spec: list[Row] = [
        ("preferred response, mean", "preferred.mean", decimals(1)),
        ("the other, mean", "other.mean", decimals(1)),
        ("pairs of equal length", "equal", cell),
        ("longer is preferred", "share", cell),
        ("  95 % interval", "interval", span),
    ]
    columns = ("", *lengths)
    rows = _grid(lengths.values(), spec)
    yield Table("lengths", "Length of the preferred response", columns, rows)
    ratios = tuple(
        (
            f"{unit}, {ratio}",
            cell(of["unequal"]),
            cell(of["longer_preferred"]),
            cell(of["share"]),
            span(of["interval"]),
        )
        for unit, all_of in lengths.items()
        for ratio, of in all_of["by_ratio"].items()
    )
    columns = ("times as long", "pairs", "longer preferred", "share", "95 % interval")
    yield Table("lengths", "By ratio of the two lengths", columns, ratios, folded=True)


def _problems(problems: Report) -> Iterator[Table]:
    if not problems["total"]:
        return
    counts = tuple((reason, cell(count)) for reason, count in problems["counts"].items())
    yield Table("problems", "Problems in the input", ("reason", "count"), counts)
    listed = tuple(
        (f"{p['file']}, line {p['line']}", p["reason"], p["detail"]) for p in problems["listed"]
    )
    columns = ("where", "reason", "detail")
    yield Table("problems", f"The first {len(listed)}", columns, listed, folded=True)


Row = tuple[str, str, Callable[[Any], str]]
"""The name of a row, the path of its value, and how it is written."""


def _grid(given: Any, spec: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    """Return one row an entry of ``spec`` and one column a report of ``given``."""
    return tuple((name, *(write(_at(of, path)) for of in given)) for name, path, write in spec)


def _at(report: Report, path: str) -> Any:
    for name in path.split("."):
        report = report[name]
    return report


def cell(value: float | None) -> str:
    """Return a count as it is, a share (a float) in per cent, a dash for None."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if isinstance(value, float) else f"{value:,}"


def decimals(places: int) -> Callable[[float | None], str]:
    """Return what writes a number to so many places, a dash for None."""
    return lambda value: "-" if value is None else f"{value:.{places}f}"


def span(ends: Sequence[float] | None) -> str:
    """Return an interval of shares in per cent, a dash for None."""
    return "-" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"

"""The report as tables: the same ones on the screen and on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from judge.annotated import Attribute
from judge.data.justification import Position
from judge.data.statistics.report import (
    HelpfulnessReport,
    JustificationsReport,
    KeywordsReport,
    LengthsReport,
    ProblemsReport,
    RatingsReport,
    StageCounts,
    StagesReport,
    StatsReport,
    StrengthsReport,
)
from judge.data.statistics.words import (
    POSITION_NAMES,
    SET_NAMES,
    SIZE_NAMES,
    STAGE_NAMES,
    STRENGTH_NAMES,
)
from judge.metrics.agreement import AgreementReport
from judge.report.tables import Table

Of = TypeVar("Of")


class ReportRow(NamedTuple, Generic[Of]):
    """A row of a table that has a column for each of several reports."""

    name: str
    value: Callable[[Of], Any]
    written: Callable[[Any], str]


def tables(report: StatsReport) -> list[Table]:
    """Return every table of a report of :func:`judge.data.statistics.describe.run`, in order."""
    found = [*_ratings(report.ratings), *_problems(report.problems)]
    if not report.stages.all.read:
        return found
    return [
        *_stages(report.stages),
        _strengths(report.strengths),
        *_agreement(report.agreement),
        *_helpfulness(report.helpfulness),
        *_justifications(report),
        *_keywords(report.justifications),
        *_lengths(report.lengths),
        *found,
    ]


_OF_STAGES: tuple[tuple[str, Callable[[StageCounts], float | None]], ...] = (
    ("pairs read", lambda of: of.read),
    ("annotations", lambda of: of.annotations),
    ("  neither valid (-100)", lambda of: of.neither_valid),
    ("fewer than 3 useful", lambda of: of.few_annotations),
    ("  share of the pairs", lambda of: of.few_annotations_share),
    ("dropped: none useful", lambda of: of.dropped["no_valid_annotation"]),
    ("dropped: spread", lambda of: of.dropped["spread"]),
    ("with a consensus", lambda of: of.with_consensus),
    ("dropped: overall 0", lambda of: of.dropped["zero"]),
    ("pairs kept", lambda of: of.kept),
)


def _stages(stages: StagesReport) -> Iterator[Table]:
    groups = {"all": stages.all, **stages.by_split}
    rows = _grid(groups.values(), [ReportRow(name, value, cell) for name, value in _OF_STAGES])
    yield Table("stages", "Pairs and annotations", ("", *groups), rows)
    by_source = tuple(
        (f"{split}, {source}", *(cell(value(counts)) for _, value in _OF_STAGES))
        for split, sources in stages.by_split_and_source.items()
        for source, counts in sources.items()
    )
    columns = ("split, source", *(name.strip() for name, _ in _OF_STAGES))
    yield Table("stages", "By split and source", columns, by_source, folded=True)


def _strengths(strengths: Mapping[str, StrengthsReport]) -> Table:
    spec: list[ReportRow[StrengthsReport]] = [
        ReportRow("count", lambda of: of.count, cell),
        ReportRow("mean", lambda of: of.mean, decimals(4)),
        ReportRow("standard deviation", lambda of: of.sd, decimals(2)),
        ReportRow("Response 1 preferred", lambda of: of.shares.response_1, cell),
        ReportRow("overall 0", lambda of: of.shares.zero, cell),
        ReportRow("Response 2 preferred", lambda of: of.shares.response_2, cell),
        *(ReportRow(name, _strength(key), cell) for key, name in STRENGTH_NAMES.items()),
        ReportRow("Response 2 of decided", lambda of: of.response_2_of_decided, cell),
        ReportRow("  95 % interval", lambda of: of.response_2_of_decided_interval, span),
    ]
    columns = ("", *(STAGE_NAMES[name] for name in strengths))
    return Table("strengths", "Strengths and position", columns, _grid(strengths.values(), spec))


_AGREED = ("", "items", "kappa", "by rank", "alpha, ordinal", "alpha, interval")


def _agreement(agreed: Mapping[str, AgreementReport]) -> Iterator[Table]:
    rows = tuple(_agreed(STAGE_NAMES[name], of) for name, of in agreed.items())
    yield Table("agreement", "Agreement on preference", _AGREED, rows)
    for name, of in agreed.items():
        title = f"Ordered pairs of annotations of the same pair: {STAGE_NAMES[name]}"
        yield _matrix("agreement", title, "one \\ another", of.values, of.values, of.matrix)


def _ratings(ratings: RatingsReport) -> Iterator[Table]:
    if not ratings.responses:
        return
    counts = (
        ("responses", cell(ratings.responses)),
        ("with several ratings", cell(ratings.with_several_ratings)),
        ("dropped: helpfulness spread", cell(ratings.dropped.helpfulness_spread)),
    )
    yield Table("ratings", "Rated responses", ("", "count"), counts)
    rated = tuple(
        _agreed(f"{attribute}, {name}", of)
        for attribute, stages in ratings.agreement.items()
        for name, of in (("as collected", stages.collected), ("kept", stages.kept))
        if of.items
    )
    if rated:
        yield Table("ratings", "Agreement on ratings", _AGREED, rated)


def _agreed(name: str, of: AgreementReport) -> tuple[str, ...]:
    kinds = (of.kappa, of.kappa_by_rank, of.alpha_ordinal, of.alpha_interval)
    return (name, cell(of.items), *map(decimals(3), kinds))


def _helpfulness(joint: HelpfulnessReport) -> Iterator[Table]:
    rows = tuple(
        (name, cell(of.pairs), decimals(4)(of.pearson_r))
        for name, of in (("with consensus", joint.with_consensus), ("kept", joint.kept))
    )
    yield Table("helpfulness", "Strength and helpfulness", ("", "rated pairs", "Pearson's R"), rows)
    yield _matrix(
        "helpfulness",
        "Pairs by strength and by helpfulness of Response 2 minus Response 1",
        "strength \\ difference",
        joint.strengths,
        joint.differences,
        joint.matrix,
    )


def _matrix(
    section: str,
    title: str,
    corner: str,
    rows: Sequence[int],
    columns: Sequence[int],
    matrix: Sequence[Sequence[int]],
) -> Table:
    cells = tuple(
        (f"{name}", *map(cell, counts)) for name, counts in zip(rows, matrix, strict=True)
    )
    return Table(section, title, (corner, *map(str, columns)), cells, folded=True)


def _justifications(report: StatsReport) -> Iterator[Table]:
    given = list(report.justifications.values())
    spec: list[ReportRow[JustificationsReport]] = [
        ReportRow("justifications", lambda of: of.count, cell),
        ReportRow("empty", lambda of: of.empty, cell),
        *(ReportRow(name, _position(key), cell) for key, name in POSITION_NAMES.items()),
        *(ReportRow(name, _mean_size(key), decimals(1)) for key, name in SIZE_NAMES.items()),
        *(
            ReportRow(
                "  any of these" if cause == "any" else f'statements with "{cause}"',
                _cause(cause),
                cell,
            )
            for cause in given[0].statements.causes
        ),
        ReportRow("statements that name both", lambda of: of.statements.both_named.share, cell),
        *(
            ReportRow(
                f"Response {number} called better",
                _called_better(f"response_{number}"),
                cell,
            )
            for number in (1, 2)
        ),
        ReportRow(
            "contradict their number", lambda of: of.statements.contradict_strength.share, cell
        ),
    ]
    columns = ("", *SET_NAMES.values())
    yield Table("justifications", "Justifications", columns, _grid(given, spec))
    yield _sets(report.justification_sets)


def _sets(sets: Mapping[str, Mapping[str, int]]) -> Table:
    splits = sorted({split for of in sets.values() for split in of} - {"total"})
    rows = tuple(
        (SET_NAMES[f"{name}_set"], *(cell(of.get(split, 0)) for split in ("total", *splits)))
        for name, of in sets.items()
    )
    columns = ("", "total", *splits)
    return Table("justifications", "Justifications to train on", columns, rows)


def _keywords(justifications: Mapping[str, JustificationsReport]) -> Iterator[Table]:
    given = [of.keywords for of in justifications.values()]
    spec: list[ReportRow[KeywordsReport]] = [
        *(ReportRow(name, _attribute(name), cell) for name in given[0].attributes),
        ReportRow("  any", lambda of: of.any.share, cell),
    ]
    columns = ("", *SET_NAMES.values())
    yield Table("keywords", "Justifications with a keyword of", columns, _grid(given, spec))
    words = tuple(
        (word, attribute, cell(of.count), cell(of.share))
        for attribute, found in given[0].words.items()
        for word, of in found.items()
    )
    columns = ("word", "attribute", "justifications", "share")
    yield Table("keywords", "Keywords in all useful annotations", columns, words, folded=True)


def _lengths(lengths: Mapping[str, LengthsReport]) -> Iterator[Table]:
    spec: list[ReportRow[LengthsReport]] = [
        ReportRow("preferred response, mean", lambda of: of.preferred.mean, decimals(1)),
        ReportRow("the other, mean", lambda of: of.other.mean, decimals(1)),
        ReportRow("pairs of equal length", lambda of: of.equal, cell),
        ReportRow("longer is preferred", lambda of: of.share, cell),
        ReportRow("  95 % interval", lambda of: of.interval, span),
    ]
    rows = _grid(lengths.values(), spec)
    yield Table("lengths", "Length of the preferred response", ("", *lengths), rows)
    ratios = tuple(
        (
            f"{unit}, {ratio}",
            cell(of.unequal),
            cell(of.longer_preferred),
            cell(of.share),
            span(of.interval),
        )
        for unit, all_of in lengths.items()
        for ratio, of in all_of.by_ratio.items()
    )
    columns = ("times as long", "pairs", "longer preferred", "share", "95 % interval")
    yield Table("lengths", "By ratio of the two lengths", columns, ratios, folded=True)


def _problems(problems: ProblemsReport) -> Iterator[Table]:
    if not problems.total:
        return
    counts = tuple((reason, cell(count)) for reason, count in problems.counts.items())
    yield Table("problems", "Problems in the input", ("reason", "count"), counts)
    listed = tuple((f"{p.file}, line {p.line}", p.reason, p.detail) for p in problems.listed)
    columns = ("where", "reason", "detail")
    yield Table("problems", f"The first {len(listed)}", columns, listed, folded=True)


def _grid(given: Iterable[Of], spec: Sequence[ReportRow[Of]]) -> tuple[tuple[str, ...], ...]:
    """Return one row an entry of ``spec`` and one column a report of ``given``."""
    columns = tuple(given)
    return tuple((row.name, *(row.written(row.value(of)) for of in columns)) for row in spec)


def _strength(key: str) -> Callable[[StrengthsReport], float | None]:
    return lambda of: of.by_strength[key].share


def _position(key: Position) -> Callable[[JustificationsReport], float | None]:
    return lambda of: of.positions[key].share


def _mean_size(key: str) -> Callable[[JustificationsReport], float | None]:
    return lambda of: of.sizes[key].mean


def _cause(name: str) -> Callable[[JustificationsReport], float | None]:
    return lambda of: of.statements.causes[name].share


def _called_better(name: str) -> Callable[[JustificationsReport], float | None]:
    return lambda of: of.statements.better[name].share


def _attribute(name: Attribute) -> Callable[[KeywordsReport], float | None]:
    return lambda of: of.attributes[name].share


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

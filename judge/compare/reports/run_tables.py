"""The tables of a run's report, from its summary and failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from judge.hostile import Flag
from judge.judgment import Failure
from judge.metrics.formatting import DASH, number
from judge.report.tables import Table
from judge.runs.summary import Flagged, ScorerSummary, Summary

SHOWN = 100
"""Judgments and failures that the page shows."""
STRENGTHS = {
    -3: "1 much better",
    -2: "1 better",
    -1: "1 slightly better",
    0: "undecided",
    1: "2 slightly better",
    2: "2 better",
    3: "2 much better",
}


def tables(summary: Summary, failures: Iterable[Failure], has_judge: bool) -> Iterator[Table]:
    """Yield the tables in the order in which they are read.

    Args:
        failures: the first :data:`SHOWN` of them.
    """
    if summary.scorers:
        yield _scorers(summary, has_judge)
    if has_judge:
        counts = summary.strengths
        rows = tuple((words, str(s), f"{counts[str(s)]:,}") for s, words in STRENGTHS.items())
        yield Table("strength", "Judged pairs by strength", ("", "strength", "pairs"), rows)
        yield _verdicts(summary)
    if summary.flagged:
        yield _flagged(summary.flagged)
    yield from _failures(summary, failures)


def _scorers(summary: Summary, has_judge: bool) -> Table:
    """Return the judge and the reward models side by side."""
    scorers = list(summary.scorers.values())
    systems: list[Summary | ScorerSummary] = [*([summary] if has_judge else []), *scorers]
    of_judge = [DASH] if has_judge else []
    rows: list[tuple[str, ...]] = [
        (label, *(_share(system.win_shares[key]) for system in systems))
        for key, label in (
            ("response_1", "Response 1 preferred"),
            ("response_2", "Response 2 preferred"),
            ("none", "no preference"),
        )
    ]
    if has_judge:
        agreement = (_share(scorer.agreement) for scorer in scorers)
        rows.append(("agrees with the judge", *of_judge, *agreement))
        rows.append(("pairs compared", *of_judge, *(_count(s.compared) for s in scorers)))
    rows.append(("mean margin", *(number(system.mean_margin, 3) for system in systems)))
    differences = (number(scorer.mean_difference, 3) for scorer in scorers)
    rows.append(("mean |r1 - r2|", *of_judge, *differences))
    rows.append(("failed", *(_count(system.failed) for system in systems)))
    names = ("", *(["judge"] if has_judge else []), *summary.scorers)
    title = "Judge and reward models" if has_judge else "Reward model"
    return Table("scorers", title, names, tuple(rows))


def _verdicts(summary: Summary) -> Table:
    rows = [(f"verdicts: {r}", f"{n:,}") for r, n in summary.finish_reasons.items()]
    rows += [
        ("off-grammar, mean", number(summary.mean_off_grammar, 3)),
        ("neutralised names", _count(summary.neutralised)),
        ("prompt tokens", _count(summary.prompt_tokens)),
        ("completion tokens", _count(summary.completion_tokens)),
    ]
    session = summary.session
    if session and session.pairs_per_second:
        pace = f"{session.pairs_per_second} pairs/s, {session.seconds} s"
        rows.append(("last session", f"{session.rows:,} rows, {pace}"))
    return Table("verdicts", "How they came about", ("", ""), tuple(rows))


def _flagged(flagged: Mapping[Flag, Flagged]) -> Table:
    """Return the responses that do something besides answering, and how often they won."""
    rows = tuple(
        (
            flag,
            f"{found.responses:,}",
            f"{found.compared:,}",
            f"{found.preferred:,}",
            _share(found.preferred / found.compared if found.compared else None),
        )
        for flag, found in flagged.items()
    )
    columns = ("flag", "responses", "compared", "preferred", "share")
    note = (
        "Compared: pairs with a preference whose other response lacks the flag. A flag is not"
        " a verdict: look at what was preferred."
    )
    return Table("flagged", "Responses that do more than answer", columns, rows, note)


def _failures(summary: Summary, failures: Iterable[Failure]) -> Iterator[Table]:
    reasons = tuple((reason, f"{n:,}") for reason, n in summary.failures.items())
    note = "" if reasons else "None."
    yield Table(
        "failures", "Failed rows by reason", ("reason", "rows"), reasons or (("-", "0"),), note
    )
    rows = tuple(
        (f"{f.line:,}", f.pair_id or DASH, f.reason, f.order or DASH, f.detail) for f in failures
    )
    title = f"The first {SHOWN} failed rows" if summary.failed > SHOWN else "The failed rows"
    yield Table("failures", title, ("line", "pair", "reason", "order", "detail"), rows)


def _share(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f} %"


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"

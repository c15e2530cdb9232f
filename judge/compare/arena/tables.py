"""Results of an arena as tables of texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from judge.compare.arena.grades import Grading
from judge.compare.arena.result import ArenaResult
from judge.compare.arena.win_rate import Lengths
from judge.lookalikes import told_apart
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import DASH, number, share, share_and_interval
from judge.report.tables import Table

_WIDEST = 12
"""Models up to which the matrix is shown."""


def tables(result: ArenaResult) -> Iterator[Table]:
    """Yield the tables of a result in the order in which they are read."""
    if result.controlled:
        yield _alpaca(result)
    if result.graded is not None:
        yield _hard(result, result.graded)
        yield _style(result.graded)
    yield _games(result)
    if len(result.lengths) <= _WIDEST and len(result.results) > 1:
        yield matrix(result)
    yield lengths_table(result.lengths)


def _games(result: ArenaResult) -> Table:
    rows = tuple(
        (
            r.model,
            share_and_interval(r.win_rate),
            share(r.decided),
            f"{r.wins:,}/{r.ties:,}/{r.losses:,}",
            f"{sum(r.failures.values()):,}",
            number(result.lengths[r.model].characters, 0),
        )
        for r in result.results
    )
    columns = ("model", "win rate, 95 %", "ties apart", "won/tied/lost", "failed", "length")
    title = f"Against {result.baseline}, by {judge_of(result)}"
    return Table("scores", title, columns, rows, "\n".join(_notes(result)))


def _alpaca(result: ArenaResult) -> Table:
    by_model = {r.model: r for r in result.results}
    rows = tuple(
        (
            name,
            _with_error(c.win_rate, c.standard_error),
            _ends(c.win_rate),
            _with_error(by_model[name].preference, by_model[name].standard_error),
            share(by_model[name].win_rate),
            number(c.length_effect, 2),
            number(result.lengths[name].characters, 0),
        )
        for name, c in result.controlled.items()
    )
    columns = (
        "model", "LC win rate (SE)", "95 %", "win rate (SE)", "counted", "effect", "length",
    )  # fmt: skip
    title = f"AlpacaEval's rule against {result.baseline}, by {judge_of(result)}"
    reasons = [
        "win rate: mean probability; counted: of preferences; effect: log-odds of the longer answer"
    ]
    reasons += [
        f"{name}: {c.win_rate.why_not}"
        for name, c in result.controlled.items()
        if c.win_rate.why_not
    ]
    return Table("alpaca", title, columns, rows, "\n".join(reasons))


def _hard(result: ArenaResult, found: Grading) -> Table:
    by_model = {r.model: r for r in result.results}
    rows = tuple(
        (
            name,
            share_and_interval(g.score),
            share_and_interval(g.controlled),
            reach(g.published),
            share(g.published_controlled),
            " ".join(f"{count:,}" for count in g.grades.values()),
            number(result.lengths[name].characters, 0),
        )
        for name, g in found.models.items()
    )
    columns = (
        "model", "score, 95 %", "same style", "published (CI)", "its style", ">> > = < <<",
        "length",
    )  # fmt: skip
    title = f"Arena-Hard's rule against {result.baseline}, by {judge_of(result)}"
    even = "none" if not found.even else "slightly better"
    note = (
        f"A>>B from strength {found.strong}, A=B: {even}; a strong win counts {found.weight} times;"
        " CI: 95 % of 100 resamples of single battles, as in v0.1"
    )
    lost = [
        f"{name}: {bounds_of(sum(by_model[name].failures.values()), g.lowest, g.highest)}"
        for name, g in found.models.items()
        if by_model[name].failures
    ]
    return Table("hard", title, columns, rows, "\n".join([note, *lost]))


def _style(found: Grading) -> Table:
    rows = tuple((name, signed(effect)) for name, effect in found.style.items())
    note = f"length in {found.length_unit}; one root mean square of the difference gains so much"
    return Table("style", "Effect of style, log-odds", ("difference in", "effect"), rows, note)


def matrix(result: ArenaResult) -> Table:
    """Return the row's win rate against the column: measured, or by the strengths (``~``).

    Two models that never met each have a strength by their games with the baseline: the log-odds of
    their win rates, as Bradley and Terry's model has it.
    """
    names = [*(r.model for r in result.results), result.baseline]
    rates = {(r.model, r.other): r.win_rate.value for r in (*result.results, *result.meetings)}
    rates |= {(b, a): None if v is None else 1 - v for (a, b), v in rates.items()}
    rows = tuple(
        (one, *(_cell(one, two, rates, result.baseline) for two in names)) for one in names
    )
    note = "~: not measured; by the strengths of both against the baseline"
    guessed = any("~" in cell for row in rows for cell in row[1:])
    return Table(
        "matrix",
        "Win rate of the row against the column, ties half",
        ("", *names),
        rows,
        note if guessed else "",
    )


def win_rate(
    one: str, two: str, rates: dict[tuple[str, str], float | None], baseline: str
) -> tuple[float | None, bool]:
    """Return a win rate and whether it was measured; None where there is none."""
    if (one, two) in rates:
        return rates[one, two], True
    mine, theirs = (rates.get((name, baseline)) for name in (one, two))
    if mine is None or theirs is None or not (0 < mine < 1 and 0 < theirs < 1):
        return None, False
    odds = math.log(mine / (1 - mine)) - math.log(theirs / (1 - theirs))
    return 1 / (1 + math.exp(-odds)), False


def _cell(one: str, two: str, rates: dict[tuple[str, str], float | None], baseline: str) -> str:
    if one == two:
        return ""
    value, measured = win_rate(one, two, rates, baseline)
    return DASH if value is None else f"{'' if measured else '~'}{100 * value:.0f} %"


def lengths_table(lengths: Mapping[str, Lengths]) -> Table:
    """Return how long everybody's answers are."""
    rows = tuple(
        (
            name,
            f"{found.answers:,}",
            number(found.characters, 1),
            number(found.words, 1),
            number(found.tokens, 1),
            _ended(found),
        )
        for name, found in lengths.items()
    )
    columns = ("model", "answers", "characters", "words", "tokens", "cut, empty")
    return Table("lengths", "Mean length of the answers", columns, rows)


def judge_of(result: ArenaResult) -> str:
    """Return the judge's name, or that there was none."""
    return "nobody: nothing needed a judge" if result.judge is None else result.judge.model


def bounds_of(failed: int, lowest: float | None, highest: float | None) -> str:
    """Return a number of failures with the rates if all of them were lost, or won."""
    if lowest is None or highest is None:
        return f"{failed:,} failures"
    return (
        f"{failed:,} failures, in no rate; {100 * lowest:.1f} % if all were lost,"
        f" {100 * highest:.1f} % if all were won"
    )


def reach(estimate: Estimate) -> str:
    """Return a rate with how far its interval reaches, as Arena-Hard writes it."""
    if estimate.value is None or estimate.interval is None:
        return share(estimate)
    low, high = (100 * (end - estimate.value) for end in estimate.interval)
    return f"{100 * estimate.value:.1f} ({low:+.1f}, {high:+.1f})"


def signed(estimate: Estimate) -> str:
    """Return log-odds with their interval."""
    if estimate.value is None:
        return estimate.why_not or DASH
    ends = estimate.interval
    return f"{estimate.value:+.2f}" + (f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends else "")


def _notes(result: ArenaResult) -> list[str]:
    names = told_apart(r.model for r in result.results)
    orders = "" if result.judge is None else f"; {result.judge.orders} orders"
    notes = [
        f"{result.prompts:,} prompts{orders}; intervals by prompt, seed {result.seed}; length: mean"
        " characters"
    ]
    agree = [
        f"{names[r.model]} {100 * r.consistent:.0f} %"
        for r in result.results
        if r.consistent is not None
    ]
    if agree:
        notes.append(f"both orders agree: {', '.join(agree)}")
    for one in result.results:
        if one.failures:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in one.failures.items())
            lost = bounds_of(sum(one.failures.values()), one.lowest, one.highest)
            notes.append(f"{names[one.model]}: {lost} ({reasons})")
    same = {names[r.model]: r.same for r in result.results if r.same}
    if same:
        said = ", ".join(f"{name} {count:,}" for name, count in same.items())
        notes.append(f"ties of the same text, which nobody judged: {said}")
    return [*notes, *result.notes]


def _ended(found: Lengths) -> str:
    return f"{found.cut:,}, {found.empty:,}"


def _with_error(estimate: Estimate, error: float | None) -> str:
    shown = share(estimate)
    return shown if error is None or estimate.value is None else f"{shown} ({100 * error:.2f})"


def _ends(estimate: Estimate) -> str:
    if estimate.interval is None:
        return DASH
    return f"[{100 * estimate.interval[0]:.1f}, {100 * estimate.interval[1]:.1f}]"

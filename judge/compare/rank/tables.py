"""A ranking as tables of texts."""

from __future__ import annotations

from collections.abc import Iterator

from judge.compare.rank.ranking import Meeting, Ranking
from judge.lookalikes import told_apart
from judge.metrics.estimate import Estimate
from judge.report.tables import Table

_DASH = "-"
_WIDEST = 12
"""Models up to which the matrix is shown; ``rank.json`` has it of any number."""


def tables(ranking: Ranking) -> Iterator[Table]:
    """Yield the tables of a ranking in the order in which they are read."""
    yield _standings(ranking)
    if len(ranking.standings) <= _WIDEST:
        yield _matrix(ranking)


def _standings(ranking: Ranking) -> Table:
    grouped = any(s.group > 1 for s in ranking.standings)
    rows = tuple(
        (
            s.model,
            *((f"{s.group}",) if grouped else ()),
            _DASH if s.rank is None else f"{s.rank}",
            _signed(s.strength),
            _percent(s.win_rate),
            _percent(s.length_controlled),
            f"{s.games:,}",
            f"{s.wins:,} / {s.ties:,} / {s.losses:,}",
        )
        for s in ranking.standings
    )
    columns = (
        "model", *(("group",) if grouped else ()), "rank", "strength, 95 %", "win rate, 95 %",
        "length-controlled, 95 %", "games", "won / tied / lost",
    )  # fmt: skip
    title = f"{len(rows)} models by {ranking.system}"
    return Table("ranking", title, columns, rows, "\n".join(_notes(ranking)))


def _notes(ranking: Ranking) -> list[str]:
    notes = [f"{ranking.games:,} games on {ranking.prompts:,} prompts"]
    if ranking.left_out:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in ranking.left_out.items())
        notes[0] += f"; left out: {reasons}"
    if ranking.length_effect.value is not None:
        notes.append(
            f"effect of length: {_signed(ranking.length_effect)} log-odds for the longer response,"
            f" unit {ranking.length_unit:,.0f} characters"
        )
    names = told_apart(s.model for s in ranking.standings)
    reasons_why = dict.fromkeys(
        f"{names[s.model]}: {s.strength.why_not}" for s in ranking.standings if s.strength.why_not
    )
    return [*notes, *ranking.notes, *reasons_why]


def _matrix(ranking: Ranking) -> Table:
    """Return the row's win rate against the column, ties half, and the games."""
    names = [s.model for s in ranking.standings]
    met = {(m.first, m.second): m for m in ranking.meetings}
    rows = []
    for one in names:
        cells = [_cell(met.get((one, two)), met.get((two, one))) for two in names]
        rows.append((one, *cells))
    return Table(
        "meetings",
        "Win rate of the row against the column, ties half (games)",
        ("", *names),
        tuple(rows),
    )


def _cell(own: Meeting | None, other: Meeting | None) -> str:
    meeting = own or other
    if meeting is None or meeting.win_rate.value is None:
        return ""
    value = meeting.win_rate.value if own else 1 - meeting.win_rate.value
    return f"{100 * value:.0f} % ({meeting.wins + meeting.ties + meeting.losses:,})"


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return _DASH
    ends = estimate.interval
    shown = f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
    return f"{100 * estimate.value:.1f} %{shown}"


def _signed(estimate: Estimate) -> str:
    if estimate.value is None:
        return _DASH
    ends = estimate.interval
    shown = f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends else ""
    return f"{estimate.value:+.2f}{shown}"

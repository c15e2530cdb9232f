"""One altered pair, one answer: markdown against none, null answers against real ones, copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from judge.compare.probes.answers import answered, wins
from judge.compare.probes.figures import Figure, share
from judge.compare.probes.sets import SetRow
from judge.compare.systems import Decision, System
from judge.reward import Preference

CLEAR = 0.05
"""A copy is clearly preferred to the other where its probability is further off 0.5 than this."""
REFUSED = "empty_response"
FORMATTING_RULE = (
    "One response twice, plain and with markdown: no preference counts half. Texts that have"
    " markdown already are left out, and so are failures."
)
NULL_RULE = (
    "Only a preference for the null answer is a win. A row that is refused because the answer is"
    " empty counts and is not a win; every other failure is left out."
)
IDENTICAL_RULE = (
    "One response twice, a newline behind one (exact copies are refused before a judge sees them)."
    f" A preference with a probability within {CLEAR} of 0.5 is none. Failures are left out."
)


def formatted(system: System, kind: str, rows: Iterable[SetRow]) -> Figure:
    """Return how often a text with markdown is preferred to the same text without."""
    return _share(f"formatting.{kind}.preferred", system, rows, wins)


def null_wins(system: System, kind: str, rows: Iterable[SetRow]) -> Figure:
    """Return how often a null answer beats a real one."""
    rows = list(rows)
    refused = sum(_is_refused(system, row) for row in rows)
    note = None
    if refused:
        note = f"{refused} of {len(rows)} rows were refused ({REFUSED}) and count as not won"
    return _share(
        f"null.{kind}.win_rate",
        system,
        rows,
        lambda decision, target: float(decision.preference == target),
        counted=lambda row: _is_refused(system, row),
        note=note,
    )


def preferred_copies(system: System, rows: Iterable[SetRow]) -> Figure:
    """Return how often one of two copies is clearly preferred."""
    return _share("identical.preference_rate", system, rows, _is_clear)


def _is_refused(system: System, row: SetRow) -> bool:
    decision = system.decisions.get(row.pair_id)
    return decision is not None and decision.failure == REFUSED


def _is_clear(decision: Decision, target: Preference) -> float:
    p = decision.probability
    return float(decision.preference is not None and (p is None or abs(p - 0.5) > CLEAR))


def _share(
    name: str,
    system: System,
    rows: Iterable[SetRow],
    hit: Callable[[Decision, Preference], float],
    counted: Callable[[SetRow], bool] = lambda row: False,
    note: str | None = None,
) -> Figure:
    """Return the mean of ``hit`` over the answers; a failure that is ``counted`` is a miss."""
    hits: list[float] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        assert row.target is not None
        if counted(row):
            hits.append(0.0)
        elif decision := answered(system.decisions, row.pair_id, left_out):
            hits.append(hit(decision, row.target))
    return share(name, system.name, hits, left_out, note)

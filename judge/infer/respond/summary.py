"""What a run of answers found, counted from its files: one pass, no text kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from judge.infer.rows import Ran
from judge.runs.responses import (
    Responses,
    ResponseSession,
    ResponseSummary,
    read_no_responses,
    read_responses,
)

_PLACES = 6


class _Tally:
    def __init__(self) -> None:
        self.answered = self.turns = self.characters = self.thought = self.neutralised = 0
        self.tokens = self.counted = 0
        self.finish: Counter[str] = Counter()
        self.of_category: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        """Characters and answers."""

    def add(self, row: Responses) -> None:
        self.answered += 1
        self.turns += len(row.responses)
        self.characters += sum(row.length)
        self.thought += sum(thinking is not None for thinking in row.thinking)
        self.neutralised += row.neutralised
        self.finish.update(row.finish)
        known = [count for count in row.tokens if count is not None]
        self.tokens += sum(known)
        self.counted += len(known)
        if row.category is not None:
            found = self.of_category[row.category]
            found[0] += sum(row.length)
            found[1] += len(row.length)


def summarise(
    folder: Path, complete: bool, ran: Ran, adapted: Sequence[str] = ()
) -> ResponseSummary:
    """Return the summary of a run folder.

    Args:
        adapted: what a server did not take of the requests.
    """
    tally = _Tally()
    for row in read_responses(folder):
        tally.add(row)
    reasons = Counter(failure.reason for failure in read_no_responses(folder))
    lengths = sorted(tally.of_category.items())
    return ResponseSummary(
        complete=complete,
        rows=tally.answered + reasons.total(),
        answered=tally.answered,
        failed=reasons.total(),
        failures={str(reason): count for reason, count in sorted(reasons.items())},
        turns=tally.turns,
        finish=dict(sorted(tally.finish.items())),
        cut=_share(tally.finish["length"], tally.turns),
        mean_length=_share(tally.characters, tally.turns),
        mean_tokens=_share(tally.tokens, tally.counted),
        lengths={name: round(part / whole, _PLACES) for name, (part, whole) in lengths},
        thought=tally.thought,
        neutralised=tally.neutralised,
        adapted=list(adapted),
        session=_session(ran),
    )


def _session(ran: Ran) -> ResponseSession:
    engine = dict(ran.counts.get("engine", {}))
    written = engine.get("completion_tokens", 0)
    return ResponseSession(
        rows=ran.rows,
        resumed_after=ran.resumed_after,
        load_seconds=round(ran.load_seconds, 3),
        seconds=round(ran.seconds, 3),
        tokens_per_second=round(written / ran.seconds, 3) if written and ran.seconds else None,
        engine=engine,
    )


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, _PLACES) if whole else None

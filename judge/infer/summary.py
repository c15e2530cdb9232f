"""What a run found, counted from its files: one pass, no pair text kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

_PLACES = 6


class Session(BaseModel):
    """What the last process did on a run folder: the only numbers that depend on a clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """Rows this session added; the folder's own count is :attr:`Summary.rows`."""
    resumed_after: int
    """Rows that earlier sessions had finished."""
    load_seconds: float
    """Until the model stood ready."""
    seconds: float
    """From then to the last row."""
    pairs_per_second: float | None
    """Judged pairs of this session a second, without the loading; None when there were none."""
    engine: dict[str, int]
    """The engine's counts: tokens of prompts and completions, forwarded, padding."""


class Summary(BaseModel):
    """A run folder in numbers. Shares are 0 to 1, and None where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete: bool
    """Whether every row of the input, or as many as ``limit`` allows, is in the folder."""
    rows: int
    judged: int
    failed: int
    failures: dict[str, int]
    """Failed rows by reason."""
    wins: dict[str, int]
    """Judged pairs by preference: ``response_1``, ``response_2``, ``none``."""
    win_shares: dict[str, float | None]
    order_consistency: float | None
    """Share of the pairs judged in both orders that had the same response chosen in both."""
    first_slot_rate: float | None
    """Share of the verdicts, over all orders, for the response shown first; 0.5 is no bias."""
    mean_margin: float | None
    """Mean of |P(response_1 better) - P(response_2 better)|."""
    strengths: dict[str, int]
    """Judged pairs by strength, -3 to 3."""
    neutralised: int
    """Literal ``@Response`` names in pair text that were made harmless."""
    finish_reasons: dict[str, int]
    """Verdicts by how they came to their statement."""
    mean_off_grammar: float | None
    """Mean probability that the model gave to other words where the statement branches."""
    prompt_tokens: int
    completion_tokens: int
    session: Session | None = None


def summarise(
    judgments: Iterable[Mapping[str, Any]],
    failures: Iterable[Mapping[str, Any]],
    complete: bool,
    session: Session | None = None,
) -> Summary:
    """Return the summary of a run folder's rows, as its two files have them."""
    tally = _Tally()
    for row in judgments:
        tally.add(row)
    reasons = Counter(str(row["reason"]) for row in failures)
    wins = {name: tally.wins[name] for name in ("response_1", "response_2", "none")}
    return Summary(
        complete=complete,
        rows=tally.judged + reasons.total(),
        judged=tally.judged,
        failed=reasons.total(),
        failures=dict(sorted(reasons.items())),
        wins=wins,
        win_shares={name: _share(count, tally.judged) for name, count in wins.items()},
        order_consistency=_share(tally.consistent[True], tally.consistent.total()),
        first_slot_rate=_share(tally.first, tally.verdicts),
        mean_margin=_share(tally.margin, tally.margins),
        strengths={str(value): tally.strengths[value] for value in range(-3, 4)},
        neutralised=tally.neutralised,
        finish_reasons=dict(sorted(tally.finish.items())),
        mean_off_grammar=_share(tally.off_grammar, tally.off_grammars),
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        session=session,
    )


class _Tally:
    def __init__(self) -> None:
        self.judged = self.neutralised = 0
        self.wins: Counter[str] = Counter()
        self.strengths: Counter[int] = Counter()
        self.consistent: Counter[bool] = Counter()
        self.finish: Counter[str] = Counter()
        self.verdicts = self.first = self.prompt_tokens = self.completion_tokens = 0
        self.margin = self.off_grammar = 0.0
        self.margins = self.off_grammars = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.judged += 1
        self.wins[row["preference"] or "none"] += 1
        self.strengths[row["strength"]] += 1
        self.neutralised += row["neutralised"]
        if row["consistent"] is not None:
            self.consistent[row["consistent"]] += 1
        if row["probability"] is not None:
            self.margin += abs(2 * row["probability"] - 1)
            self.margins += 1
        for verdict in row["orders"].values():
            self._add_verdict(verdict)

    def _add_verdict(self, verdict: Mapping[str, Any]) -> None:
        self.verdicts += 1
        self.first += verdict["strength"] < 0
        self.finish[verdict["finish_reason"]] += 1
        self.prompt_tokens += verdict["prompt_tokens"]
        self.completion_tokens += verdict["completion_tokens"]
        if verdict["off_grammar"] is not None:
            self.off_grammar += verdict["off_grammar"]
            self.off_grammars += 1


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, _PLACES) if whole else None

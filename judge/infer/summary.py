"""What a run found, counted from its files: one pass, no pair text kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from judge.hostile import FLAGS, Flag
from judge.infer.label_tally import LabelTally
from judge.metrics.label_agreement import LabelAgreement

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
    scorers: dict[str, dict[str, int]] = {}
    """Each scorer's counts."""


class ScorerSummary(BaseModel):
    """What one scorer said of the judged pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scored: int
    failed: int
    """Judged pairs that this scorer gave no rewards."""
    failures: dict[str, int]
    """The same by reason."""
    wins: dict[str, int]
    """Scored pairs by the preference their rewards imply; ``none`` are exact ties."""
    win_shares: dict[str, float | None]
    compared: int
    """Pairs for which both the judge and this scorer prefer a response."""
    agreement: float | None
    """Share of those for which they prefer the same one."""
    mean_margin: float | None
    """Mean of |P(response_1 better) - P(response_2 better)|; None without probabilities."""
    mean_difference: float | None
    """Mean of |reward_1 - reward_2|."""


class Flagged(BaseModel):
    """Responses with one flag of :data:`judge.hostile.FLAGS`, in judged pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    responses: int
    compared: int
    """Those whose pair has a preference, and whose other response lacks the flag."""
    preferred: int
    """Those of ``compared`` that are the preferred response."""


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
    flagged: dict[Flag, Flagged] = {}
    """Responses that do something besides answering, by what; empty where none does."""
    finish_reasons: dict[str, int]
    """Verdicts by how they came to their statement."""
    mean_off_grammar: float | None
    """Mean probability that the model gave to other words where the statement branches."""
    prompt_tokens: int
    completion_tokens: int
    scorers: dict[str, ScorerSummary] = {}
    """The reward models, by name."""
    labels: LabelAgreement | None = Field(default=None, exclude_if=lambda labels: labels is None)
    """How often each system agrees with the labels in the input; not there where it has none."""
    adapted: list[str] = Field(default=[], exclude_if=lambda lines: not lines)
    """What was left out of the requests to a server, or cut, because it refuses it; not there where
    it takes all."""
    session: Session | None = None

    @property
    def reward_alone(self) -> bool:
        """Whether a reward model judged, not a judge beside one."""
        return bool(self.scorers) and not self.finish_reasons

    @property
    def has_failures(self) -> bool:
        """Whether a row has no judgment, or a judgment lacks a scorer's rewards."""
        return self.failed > 0 or any(scorer.failed for scorer in self.scorers.values())


def summarise(
    judgments: Iterable[Mapping[str, Any]],
    failures: Iterable[Mapping[str, Any]],
    complete: bool,
    session: Session | None = None,
    labels: LabelTally | None = None,
) -> Summary:
    """Return the summary of a run folder's rows, as its two files have them."""
    tally = _Tally()
    for row in judgments:
        tally.add(row)
        if labels is not None:
            labels.judged(row)
    reasons = Counter(str(row["reason"]) for row in failures)
    wins = _by_preference(tally.wins)
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
        flagged={flag: tally.flagged(flag) for flag in FLAGS if tally.flags[flag]},
        finish_reasons=dict(sorted(tally.finish.items())),
        mean_off_grammar=_share(tally.off_grammar, tally.off_grammars),
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        scorers={name: scorer.summary() for name, scorer in tally.scorers.items()},
        labels=None if labels is None else labels.result(),
        session=session,
    )


class _Tally:
    def __init__(self) -> None:
        self.judged = self.neutralised = 0
        self.wins: Counter[str] = Counter()
        self.strengths: Counter[int | None] = Counter()
        self.consistent: Counter[bool] = Counter()
        self.finish: Counter[str] = Counter()
        self.flags: Counter[Flag] = Counter()
        self.flags_compared: Counter[Flag] = Counter()
        self.flags_preferred: Counter[Flag] = Counter()
        self.verdicts = self.first = self.prompt_tokens = self.completion_tokens = 0
        self.margin = self.off_grammar = 0.0
        self.margins = self.off_grammars = 0
        self.scorers: dict[str, _ScorerTally] = {}

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
        self._add_flags(row.get("flags", {}), row["preference"])
        for name, scored in row.get("scorers", {}).items():
            self.scorers.setdefault(name, _ScorerTally()).add(row, row["rewards"].get(name), scored)

    def flagged(self, flag: Flag) -> Flagged:
        return Flagged(
            responses=self.flags[flag],
            compared=self.flags_compared[flag],
            preferred=self.flags_preferred[flag],
        )

    def _add_flags(self, flags: Mapping[str, list[Flag]], preference: str | None) -> None:
        for name, of_response in flags.items():
            other = flags.get("response_2" if name == "response_1" else "response_1", [])
            self.flags.update(of_response)
            alone = [flag for flag in of_response if preference and flag not in other]
            self.flags_compared.update(alone)
            self.flags_preferred.update(alone if preference == name else [])

    def _add_verdict(self, verdict: Mapping[str, Any]) -> None:
        self.verdicts += 1
        self.first += verdict["strength"] < 0
        self.finish[verdict["finish_reason"]] += 1
        self.prompt_tokens += verdict["prompt_tokens"]
        self.completion_tokens += verdict["completion_tokens"]
        if verdict["off_grammar"] is not None:
            self.off_grammar += verdict["off_grammar"]
            self.off_grammars += 1


class _ScorerTally:
    def __init__(self) -> None:
        self.wins: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.compared = self.agreed = self.margins = 0
        self.margin = self.difference = 0.0

    def add(
        self, row: Mapping[str, Any], rewards: list[float] | None, scored: Mapping[str, Any]
    ) -> None:
        if rewards is None:
            self.failures[scored["failure"]["reason"]] += 1
            return
        preference = scored["preference"]
        self.wins[preference or "none"] += 1
        self.difference += abs(rewards[0] - rewards[1])
        if scored["probability"] is not None:
            self.margin += abs(2 * scored["probability"] - 1)
            self.margins += 1
        if row["orders"] and preference and row["preference"]:
            self.compared += 1
            self.agreed += preference == row["preference"]

    def summary(self) -> ScorerSummary:
        wins = _by_preference(self.wins)
        scored = self.wins.total()
        return ScorerSummary(
            scored=scored,
            failed=self.failures.total(),
            failures=dict(sorted(self.failures.items())),
            wins=wins,
            win_shares={name: _share(count, scored) for name, count in wins.items()},
            compared=self.compared,
            agreement=_share(self.agreed, self.compared),
            mean_margin=_share(self.margin, self.margins),
            mean_difference=_share(self.difference, scored),
        )


def _by_preference(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in ("response_1", "response_2", "none")}


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, _PLACES) if whole else None

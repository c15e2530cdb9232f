"""What a run found, counted from its files: one pass, no pair text kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from judge.hostile import FLAGS, Flag
from judge.infer.label_tally import LabelTally
from judge.runs.summary import Flagged, ScorerSummary, Session, Summary

_PLACES = 6


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

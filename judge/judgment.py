"""Judgments and failures: both orders' verdicts reconciled, and their lines in a run folder."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict

from judge.errors import FailureReason
from judge.hostile import Flags, flip_flags
from judge.reward import DIGITS as DIGITS
from judge.reward import Preference as Preference
from judge.reward import Scored
from judge.verdict import (
    ORDERS,
    STRENGTHS,
    Distribution,
    Order,
    Verdict,
    flip_names,
    flip_strength,
    render_statement,
    sigmoid,
)


class Judgment(BaseModel):
    """The verdicts of a pair's orders, reconciled. All of it is in the pair's own (given) order,
    but for ``orders``, where every verdict keeps the words of the order the model saw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair_id: str
    preference: Preference | None
    """None where there are no probabilities and the orders disagree, or P is exactly 0.5. Where a
    reward model judges alone (no ``orders``) its own; None for two equal rewards."""
    strength: int | None
    """-3..3; 0 exactly where ``preference`` is None. None from a reward model alone: rewards have
    no degrees."""
    probability: float | None
    """P(response_1 better) to :data:`DIGITS` places; None where an engine or a reward model gives
    no probabilities. Rounded, so that 1 - (1 - P) is P again."""
    consistent: bool | None
    """Whether both orders chose the same response; None when only one order was judged."""
    statement: str | None
    elaboration: str | None
    orders: dict[Order, Verdict]
    rewards: dict[str, list[float]] = {}
    """For each scorer, the rewards of response_1 and response_2; not for one that failed."""
    scorers: dict[str, Scored] = {}
    """For each scorer what follows from its rewards, or why it has none."""
    neutralised: int = 0
    """How many literal ``@Response`` names in the pair's text were made harmless."""
    flags: Flags = {}
    """What else the responses do besides answering (:mod:`judge.hostile`); no verdict follows."""

    def flipped(self) -> Judgment:
        """Return the judgment of the flipped pair: everything exchanged; twice is the identity."""
        other: dict[Preference | None, Preference | None] = {
            "response_1": "response_2",
            "response_2": "response_1",
            None: None,
        }
        exchanged: dict[Order, Order] = {"given": "flipped", "flipped": "given"}
        strength = None if self.strength is None else flip_strength(self.strength)
        return self.model_copy(
            update={
                "preference": other[self.preference],
                "strength": strength,
                "probability": None if self.probability is None else _round(1 - self.probability),
                "statement": render_statement(strength) if self.statement and strength else None,
                "elaboration": self.elaboration and flip_names(self.elaboration),
                "orders": {
                    o: self.orders[exchanged[o]] for o in ORDERS if exchanged[o] in self.orders
                },
                "rewards": {name: rewards[::-1] for name, rewards in self.rewards.items()},
                "scorers": {name: scored.flipped() for name, scored in self.scorers.items()},
                "flags": flip_flags(self.flags),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object of this judgment's line in ``judgments.jsonl``."""
        scorers = {name: scored.to_json() for name, scored in self.scorers.items()}
        return {
            "pair_id": self.pair_id,
            "preference": self.preference,
            "strength": self.strength,
            "probability": _round(self.probability),
            "consistent": self.consistent,
            "statement": self.statement,
            "elaboration": self.elaboration,
            "orders": {o: _verdict_json(self.orders[o]) for o in ORDERS if o in self.orders},
            "rewards": self.rewards,
            **({"scorers": scorers} if scorers else {}),
            "neutralised": self.neutralised,
            **({"flags": self.flags} if self.flags else {}),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Judgment:
        """Read a line of ``judgments.jsonl`` back; raises pydantic's error for a damaged one."""
        orders = {order: _verdict_from_json(verdict) for order, verdict in row["orders"].items()}
        return cls.model_validate({**row, "orders": orders})


class Failure(BaseModel):
    """A row without a usable verdict, and why. Never a tie, never 0.5, never a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    """Line (row for CSV, JSON and Parquet) of the input, from 1."""
    pair_id: str | None
    reason: FailureReason
    detail: str
    """One line: what was found and what was expected."""
    order: Order | None = None
    """The order that failed; None where the row failed before any."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of this failure's line in ``failures.jsonl``."""
        return self.model_dump()

    def flipped(self) -> Failure:
        """Return the failure of the flipped pair: the same, in the other order."""
        other: dict[Order | None, Order | None] = {
            "given": "flipped",
            "flipped": "given",
            None: None,
        }
        return self.model_copy(update={"order": other[self.order]})


def reconcile(pair_id: str, orders: dict[Order, Verdict], neutralised: int = 0) -> Judgment:
    """Reconcile one or two orders' verdicts (DESIGN: probability = sigmoid of the mean log-odds).

    The strength is the preferred response's likeliest degree in the mean of both distributions. The
    elaboration is that of the order surer of the preferred response (as sure: the longer one), its
    names put into the given order; where no order chose that response, there is none.

    Raises:
        ValueError: when ``orders`` is empty.
    """
    if not orders:
        raise ValueError(f"{pair_id}: no verdict to reconcile")
    seen = {
        order: verdict if order == "given" else verdict.flipped()
        for order, verdict in orders.items()
    }
    signs = {math.copysign(1, verdict.strength) for verdict in seen.values()}
    distributions = [v.distribution for v in seen.values() if v.distribution is not None]
    probability: float | None = None
    if len(distributions) == len(seen):
        mean = _mean_log_odds(distributions)
        likelier = round(sigmoid(abs(mean)), DIGITS)
        probability = likelier if mean >= 0 else _round(1 - likelier)
        sign = 0 if mean == 0 else (-1 if mean > 0 else 1)
    else:
        sign = int(signs.pop()) if len(signs) == 1 else 0
    strength = sign * _degree(sign, list(seen.values()), distributions) if sign else 0
    speakers = [v for v in seen.values() if v.strength * sign > 0]
    speaker = max(speakers, key=_certainty, default=None)
    return Judgment(
        pair_id=pair_id,
        preference=None if sign == 0 else ("response_1" if sign < 0 else "response_2"),
        strength=strength,
        probability=probability,
        consistent=None if len(seen) == 1 else _agree(list(seen.values())),
        statement=render_statement(strength) if strength else None,
        elaboration=speaker.elaboration if speaker else None,
        orders=orders,
        neutralised=neutralised,
    )


def _agree(verdicts: list[Verdict]) -> bool:
    return len({verdict.strength > 0 for verdict in verdicts}) == 1


def _certainty(verdict: Verdict) -> tuple[float, int]:
    odds = abs(verdict.distribution.log_odds) if verdict.distribution else 0.0
    return odds, len(verdict.elaboration or "")


def _mean_log_odds(distributions: list[Distribution]) -> float:
    """Return the mean, 0 where one order is certain of one response and one of the other."""
    odds = [d.log_odds for d in distributions]
    if math.inf in odds and -math.inf in odds:
        return 0.0
    return math.fsum(odds) / len(odds)


def _degree(sign: int, verdicts: list[Verdict], distributions: list[Distribution]) -> int:
    """Return 1, 2 or 3: the likeliest degree on the side of ``sign``; smaller wins a tie."""
    if len(distributions) == len(verdicts):
        mass = {
            abs(s): math.fsum(math.exp(d.log_probs[i]) for d in distributions)
            for i, s in enumerate(STRENGTHS)
            if s * sign > 0
        }
        return max(sorted(mass), key=mass.__getitem__)
    degrees = [abs(v.strength) for v in verdicts]
    return round(sum(degrees) / len(degrees))


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    distribution = verdict.distribution
    return {
        "strength": verdict.strength,
        "statement": verdict.statement,
        "elaboration": verdict.elaboration,
        **({} if verdict.thinking is None else {"thinking": verdict.thinking}),
        # JSON has no infinity: the logarithm of an impossible strength is null.
        "log_probs": distribution
        and [None if p == -math.inf else round(p, DIGITS) for p in distribution.log_probs],
        "off_grammar": distribution and round(distribution.off_grammar, DIGITS),
        "finish_reason": verdict.finish_reason,
        "prompt_tokens": verdict.prompt_tokens,
        "completion_tokens": verdict.completion_tokens,
    }


def _verdict_from_json(row: dict[str, Any]) -> Verdict:
    values = dict(row)
    log_probs, off_grammar = values.pop("log_probs"), values.pop("off_grammar")
    if log_probs is not None:
        values["distribution"] = Distribution.model_validate(
            {
                "log_probs": [-math.inf if p is None else p for p in log_probs],
                "off_grammar": off_grammar,
            }
        )
    return Verdict.model_validate(values)

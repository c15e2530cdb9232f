"""Rewards: what a reward model says of a pair, and the preference that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from judge.errors import FailureReason, RowError
from judge.verdict import sigmoid

Preference = Literal["response_1", "response_2"]
Objective = Literal["regression", "bt", "margin_bt", "scaled_bt"]
"""What a reward model was trained for; all but the first are Bradley-Terry models."""
DIGITS = 6
"""Decimal places of every reward and probability in a run folder."""


class ScorerFailure(BaseModel):
    """Why a scorer gave a pair no rewards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: FailureReason
    detail: str


class Scored(BaseModel):
    """What follows from a scorer's two rewards for a pair, or why there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preference: Preference | None
    """The response with the higher reward. None where both are equal to :data:`DIGITS` places (a
    tie says nothing), and after a failure."""
    probability: float | None
    """P(response_1 better) = sigmoid(reward_1 - reward_2) of a Bradley-Terry model. None for a
    regression model, whose rewards are no log-odds, and after a failure."""
    attributes: dict[str, list[float]] = {}
    """For a model with several outputs, each one's values for response_1 and response_2."""
    failure: ScorerFailure | None = None

    def flipped(self) -> Scored:
        """Return what follows for the flipped pair; twice is the identity."""
        other: dict[Preference | None, Preference | None] = {
            "response_1": "response_2",
            "response_2": "response_1",
            None: None,
        }
        probability = self.probability
        return self.model_copy(
            update={
                "preference": other[self.preference],
                "probability": None if probability is None else round(1 - probability, DIGITS),
                "attributes": {name: values[::-1] for name, values in self.attributes.items()},
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object of this scorer in a judgment's line; empty parts are left out."""
        return self.model_dump(
            exclude={name for name in ("attributes", "failure") if not getattr(self, name)}
        )


class Reward(BaseModel):
    """What a reward model gives one response."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    """To :data:`DIGITS` places: the same as in a run folder, where the response is in a pair."""
    attributes: dict[str, float] = {}
    """For a model with several outputs, each one's value."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of this reward in a server's answer."""
        return {"reward": self.value, "attributes": self.attributes}


@dataclass(frozen=True)
class Rewards:
    """The rewards of response_1 and response_2, and what follows from them."""

    pair: tuple[float, float]
    scored: Scored


def no_rewards(error: RowError) -> Scored:
    """Return what a run folder says of a scorer that failed on a pair."""
    failure = ScorerFailure(reason=error.reason, detail=error.detail)
    return Scored(preference=None, probability=None, failure=failure)


def pair_rewards(
    first: Sequence[float],
    second: Sequence[float],
    outputs: Sequence[str],
    weights: Mapping[str, float],
    objective: Objective,
) -> Rewards | RowError:
    """Return the rewards of a pair from a model's outputs for its two responses.

    Args:
        first: one value an output for response_1; ``second`` likewise for response_2.
        outputs: the outputs' names.
        weights: reward = sum of weight x value; outputs without a weight do not count.
        objective: with several outputs no probability follows, whatever it says.

    Returns:
        An ``engine_error`` where a value is not a finite number: never a tie.
    """
    named = {
        name: [round(a, DIGITS), round(b, DIGITS)] if math.isfinite(a) and math.isfinite(b) else []
        for name, a, b in zip(outputs, first, second, strict=True)
    }
    bad = [name for name, values in named.items() if not values]
    if bad:
        return RowError("engine_error", f"the value of {', '.join(bad)} is not a finite number")
    one, two = (
        round(
            math.fsum(
                weights[name] * values[side] for name, values in named.items() if name in weights
            ),
            DIGITS,
        )
        for side in (0, 1)
    )
    probability: float | None = None
    if objective != "regression" and len(outputs) == 1:
        likelier = round(sigmoid(abs(one - two)), DIGITS)
        probability = likelier if one >= two else round(1 - likelier, DIGITS)
    return Rewards(
        pair=(one, two),
        scored=Scored(
            preference=None if one == two else ("response_1" if one > two else "response_2"),
            probability=probability,
            attributes=named if len(outputs) > 1 else {},
        ),
    )


def check_weights(weights: Mapping[str, float], outputs: Sequence[str]) -> str | None:
    """Return what is wrong with the weights of a model with these outputs, None for nothing."""
    unknown = [name for name in weights if name not in outputs]
    if unknown:
        return f"no output {', '.join(unknown)}; the model has {', '.join(outputs)}"
    if not all(math.isfinite(value) for value in weights.values()):
        return "a weight is not a finite number"
    if not any(weights.values()):
        return "every weight is 0"
    return None

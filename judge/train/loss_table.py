"""Table 10 of the paper: what each Bradley-Terry loss makes of a difference and a strength.

Source: HelpSteer2-Preference (arXiv 2410.01257), Table 10: differences 3, 1, -1, -3, strengths 1
and 3. The losses are those that trainings use (:data:`judge.train.losses.PAIR_LOSSES`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, field_validator

from judge.options import Option
from judge.report.tables import Table
from judge.reward import Objective

NAMES: Mapping[Objective, str] = {
    "bt": "regular",
    "margin_bt": "margin",
    "scaled_bt": "scaled",
}
"""The losses in the paper's order, by the names that it gives them."""
DIFFERENCES = (3.0, 1.0, -1.0, -3.0)
STRENGTHS = (1.0, 3.0)
"""The scenarios of the table."""


class LossTable(BaseModel):
    """What ``judge train losses`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    differences: Annotated[tuple[float, ...], Option("--difference", metavar="NUMBER")] = (
        DIFFERENCES
    )
    """A difference of rewards, chosen minus rejected; repeat it for others. With DPO: beta times
    the difference of log-ratios. None: 3, 1, -1, -3, as in the paper."""
    strengths: Annotated[tuple[float, ...], Option("--strength", metavar="NUMBER")] = STRENGTHS
    """How much better the chosen response is, from 1 to 3; repeat it for others. None: 1, 3, as in
    the paper."""

    @field_validator("differences")
    @classmethod
    def _finite(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if bad := [value for value in values if not math.isfinite(value)]:
            raise ValueError(f"a difference is a finite number, not {bad[0]:g}")
        return values

    @field_validator("strengths")
    @classmethod
    def _on_the_scale(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if bad := [value for value in values if not 1 <= value <= 3]:
            raise ValueError(f"a strength is from 1 to 3, not {bad[0]:g}")
        return values


@dataclass(frozen=True)
class Scenario:
    """A pair, and its loss by each objective."""

    difference: float
    """Reward of the chosen minus that of the rejected response."""
    strength: float
    losses: Mapping[Objective, float]


@dataclass(frozen=True)
class Losses:
    """The losses of all scenarios, and their means."""

    scenarios: tuple[Scenario, ...]
    means: Mapping[Objective, float]


def losses(asked: LossTable) -> Losses:
    """Return the losses of every difference with every strength, in natural units (nats)."""
    import torch

    from judge.train.losses import PAIR_LOSSES

    cases = [(d, s) for d in asked.differences for s in asked.strengths]
    # In double precision: the digits shown are those of the formula.
    chosen, margin = torch.tensor(cases, dtype=torch.float64).unbind(1)
    rejected = torch.zeros_like(chosen)
    found = {name: PAIR_LOSSES[name](chosen, rejected, margin).tolist() for name in NAMES}
    scenarios = tuple(
        Scenario(*case, {name: found[name][row] for name in NAMES})
        for row, case in enumerate(cases)
    )
    return Losses(scenarios, {name: sum(values) / len(cases) for name, values in found.items()})


def table(found: Losses) -> Table:
    """Return the losses as a table: a row a scenario, the means last."""
    rows = [
        (f"{one.difference:g}", f"{one.strength:g}", *(f"{one.losses[name]:.4f}" for name in NAMES))
        for one in found.scenarios
    ]
    rows.append(("mean", "", *(f"{found.means[name]:.4f}" for name in NAMES)))
    return Table(
        "losses",
        "Bradley-Terry losses of a pair",
        ("difference", "strength", *NAMES.values()),
        tuple(rows),
        "regular -log s(d), margin -log s(d - m), scaled -m log s(d); s the logistic function.",
    )


def as_json(found: Losses) -> dict[str, Any]:
    """Return everything as JSON, unrounded."""
    return {
        "scenarios": [
            {"difference": one.difference, "strength": one.strength, "losses": dict(one.losses)}
            for one in found.scenarios
        ],
        "means": dict(found.means),
    }

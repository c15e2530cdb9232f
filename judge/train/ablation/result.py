"""What ``ablation.json`` says of the runs of an ablation, of reward models and of judges."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from judge.train.ablation.paired_table import Difference
from judge.train.ablation.rewards_table import AccuracyCell

Counted = dict[str, tuple[int | float, int]]
"""Hits and pairs by source."""
Cells = dict[str, AccuracyCell]
"""Cells of the table by source, and of all of them."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TestedReward(_Part):
    """``accuracy.json`` in a run's folder: what its model gets right."""

    pairs: str
    """The digest of the test pairs."""
    accuracy: Counted
    hits: list[int | float]
    """Of each pair 1 where it is right, else 0."""


class RewardRunResult(_Part):
    """One training of a reward model and its test, or ExPO from two of them."""

    seed: int
    steps: int | None = None
    seconds: int | None = None
    factor: float | None = None
    """Of ExPO alone."""
    validation: dict[str, float] | float | None
    """The last figures over the validation set; of ExPO the accuracy of the search."""
    accuracy: Counted


class JudgeRunResult(_Part):
    """One training of a judge and its test in one mode."""

    seed: int
    both_orders: Counted
    one_order: Counted
    consistent: Counted
    train_examples: int
    steps: int
    seconds: int | None
    validation_losses: dict[str, float]
    """By step."""


class RewardRowResult(_Part):
    """A line of the table of reward models."""

    start: str
    objective: str
    data: str = ""
    """Which set, where the ablation has several."""
    summary: Cells
    runs: list[RewardRunResult]


class JudgeRowResult(_Part):
    """A line of the table of judges."""

    variant: str
    mode: str
    summary: dict[str, Cells]
    """By figure."""
    runs: list[JudgeRunResult]


class RewardTest(_Part):
    """The test pairs of reward models."""

    pairs: int
    digest: str
    longer_response: Counted
    """What always choosing the longer response gets right."""


class JudgeTest(_Part):
    """The test pairs of judges."""

    pairs: int


Test = TypeVar("Test", RewardTest, JudgeTest)
RowResult = TypeVar("RowResult", RewardRowResult, JudgeRowResult)


class AblationResult(_Part, Generic[Test, RowResult]):
    """The whole of it."""

    recipe: dict[str, Any]
    test: Test
    rows: list[RowResult]
    compared: list[Difference]
    git_revision: str | None
    versions: dict[str, str]
    table: str = Field(exclude=True)
    """``ablation.md``."""

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``ablation.json``; what does not apply to a run is not there."""
        return self.model_dump(exclude_unset=True)


RewardAblation = AblationResult[RewardTest, RewardRowResult]
JudgeAblation = AblationResult[JudgeTest, JudgeRowResult]

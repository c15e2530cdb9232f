"""What ``judge train select`` found, as types; their fields, in this order, are those of
``select.json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Number = int | float
"""A sum of hits: a whole number where no benchmark gives a part of one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SelectionBenchmark(_Part):
    """What checkpoints were compared on."""

    file: str
    pairs: int
    unit: str = "pairs"
    """What is counted, and how, as ``prompts, against ...``."""
    start: str | None = None
    """The model that a policy was trained from, whose answers are the others; None for pairs."""
    judge: str | None = None
    """Who judged these answers; None for pairs."""


class _OfChosen(_Part):
    rule: str
    """Which checkpoints were looked at."""
    benchmark: SelectionBenchmark


class EvaluatedCheckpoint(_Part):
    """A checkpoint and what it is worth on the benchmark."""

    step: int
    checkpoint: str
    """Its folder in that of the run."""
    validation_loss: float | None
    accuracy: Number
    """By which checkpoints are compared: the benchmark's own overall figure."""
    right: Number
    """Of ``pairs``."""
    pairs: int
    low: Number
    high: Number
    """95 % Wilson interval of right / pairs."""
    by_source: dict[str, list[Number]]
    """``[right, of]`` of each source."""
    failures: int
    """Pairs without a judgment: they count as wrong."""

    @property
    def share(self) -> float:
        """Share of all pairs that are right."""
        return self.right / self.pairs


class ChosenCheckpoint(EvaluatedCheckpoint, _OfChosen):
    """What the manifest of a copied checkpoint says of its choice."""


class Selection(_Part):
    """Checkpoints compared on a benchmark, and the one that was chosen."""

    run: str
    """The training's folder."""
    kind: Literal["judge", "reward", "policy"]
    rule: str
    """Which checkpoints were looked at."""
    ties: str
    benchmark: SelectionBenchmark
    candidates: tuple[EvaluatedCheckpoint, ...]
    validation_losses: dict[str, float]
    """Of every step that has one."""
    chosen: str

    def to_json(self) -> dict[str, Any]:
        """Return the file's content; what does not apply is not in it."""
        return self.model_dump(exclude_unset=True)

    @property
    def best(self) -> EvaluatedCheckpoint:
        """The chosen one."""
        return next(one for one in self.candidates if one.checkpoint == self.chosen)

    def of_chosen(self) -> ChosenCheckpoint:
        """Return what the manifest of the copied checkpoint says."""
        return ChosenCheckpoint(rule=self.rule, benchmark=self.benchmark, **dict(self.best))

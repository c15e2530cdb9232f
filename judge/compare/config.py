"""What ``judge compare`` is asked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judge.errors import UsageError
from judge.formats.labels import Rule

COLUMN = "column:"
"""Opens the name of a column where a file of labels could stand."""


class CompareConfig(BaseModel):
    """Which runs are compared, with which labels, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[str, ...] = Field(min_length=1)
    """Run folders, ``DIR`` or ``NAME=DIR``."""
    labels: tuple[str, ...] = ()
    """Files, or ``column:NAME`` of the runs' input; the first is what accuracy is measured against,
    the others stand beside it in the agreement. None: what the runs' input carries."""
    label_rule: Rule = "consensus"
    """How several people's labels of a pair become one."""
    slice: tuple[str, ...] = ()
    """Columns to tell pairs apart by, besides the usual ones."""
    weights: str | None = None
    """A column of weights for weighted figures; ``strength`` is that of the label."""
    queue: int = Field(default=200, ge=0)
    """The most pairs in the queue of disagreements."""
    seed: int = Field(default=0, ge=0)
    """Of the bootstrap, the permutation test and the folds."""

    @classmethod
    def checked(cls, **values: Any) -> CompareConfig:
        """Return the configuration of values as they were given; None was not given.

        Raises:
            UsageError: for a value that is out of range.
        """
        try:
            return cls.model_validate({k: v for k, v in values.items() if v is not None})
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(str(part) for part in problem["loc"])
            raise UsageError(f"{name}: {problem['msg']}") from None

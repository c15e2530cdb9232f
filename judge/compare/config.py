"""What ``judge compare`` is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from judge.formats.labels import Rule
from judge.options import Option

COLUMN = "column:"
"""Opens the name of a column where a file of labels could stand."""


class CompareConfig(BaseModel):
    """Which runs are compared, with which labels, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    runs: Annotated[tuple[str, ...], Option(metavar="DIR...")] = Field(min_length=1)
    """Run folders of judge batch and judge score, each as ``DIR`` or ``NAME=DIR``."""
    labels: Annotated[tuple[str, ...], Option(metavar="FILE|column:NAME")] = ()
    """What people say: a file, or a column of the runs' input. May be repeated: accuracy is against
    the first. None: what the runs' input carries."""
    label_rule: Rule = "consensus"
    """How several people's labels of a pair become one."""
    slice: Annotated[tuple[str, ...], Option(metavar="COLUMN")] = ()
    """Accuracy by this column, too. May be repeated."""
    weights: Annotated[str | None, Option(metavar="COLUMN")] = None
    """Column of the pairs' weights for weighted figures; ``strength`` is the label's."""
    queue: Annotated[int, Option(metavar="N")] = Field(default=200, ge=0)
    """Most pairs in the queue of disagreements."""
    seed: int = Field(default=0, ge=0)
    """Seed of the bootstrap, the permutation test and the folds."""

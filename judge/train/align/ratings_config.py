"""The options of ``judge align rate``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from judge.options import Option


class RatingsConfig(BaseModel):
    """What ``judge align rate`` rates, by which model, and where it writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: Annotated[str, Option(metavar="DATA")]
    """A folder of ``judge data prepare`` of kind ``preference`` or ``regression``."""
    out: Annotated[str, Option(metavar="DIR")]
    """Where the rated responses are written, as a folder of kind ``regression``."""
    model: str = "small-regression"
    """A regression reward model: a bundled one's name, a folder or a hub id."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """Only the first N responses of each side."""

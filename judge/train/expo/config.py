"""The configuration of ``judge train expo``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from judge.options import Option


class ExpoConfig(BaseModel):
    """What ``judge train expo`` is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weak: str
    """The model to move away from (in the paper: helpfulness regression): a folder or hub id."""
    strong: str
    """The model trained from it (in the paper: Scaled Bradley-Terry): a folder or hub id."""
    output_dir: Annotated[str, Option(flag="--out", metavar="DIR")]
    """The folder to write; its files, names and number formats are those of ``strong``."""
    factor: float | None = None
    """The result is weak + FACTOR (strong - weak): 1 gives strong, 0 weak; the paper took 1.52."""
    search: Annotated[str | None, Option(metavar="FILE")] = None
    """In place of ``--factor``: a ``preference`` file of ``judge data prepare`` to search it on."""
    search_limit: Annotated[int | None, Option(flag="--limit", metavar="N")] = None
    """Search on the first N pairs only."""
    base: str | None = None
    """The base model of LoRA adapters, if it is not where they say."""

"""The configuration of ``judge train weights``; a reward model's recipe is in train/config.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from judge.options import Option


class WeightsConfig(BaseModel):
    """What ``judge train weights`` is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pairs: str
    """With ``--model`` a ``preference`` file of ``judge data prepare``, else a file of rewards."""
    output_dir: Annotated[str, Option(flag="--out", metavar="DIR")]
    """Where ``weights.json`` and, with ``--model``, ``rewards.jsonl`` are written."""
    model: str | None = None
    """A regression model with five outputs: a folder or hub id."""
    limit: Annotated[int | None, Option(metavar="N")] = None
    """Only the first N pairs."""
    folds: int = Field(default=5, ge=2)
    """Parts of the cross-validation; all pairs of a prompt are in one."""
    seed: int = 17
    """Seed of the division into folds."""
    base: str | None = None
    """The base model of a LoRA adapter, if it is not where the adapter says."""

"""The configuration of ``judge train plan``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from judge.options import Option


class PlanRequest(BaseModel):
    """What ``judge train plan`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    recipe: str
    """Recipe: a file, or a bundled one's name."""
    overrides: list[str] = []
    """Fields of the recipe, over its own values: ``key=value``."""
    gpus: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """How many GPUs. None: those of the recipe."""
    gpu: str | None = None
    """Which GPU, as ``h100-80gb``. None: that of the recipe."""
    gpus_per_node: int = Field(default=8, ge=1)
    """GPUs of a node."""
    data: Annotated[str | None, Option(metavar="DIR")] = None
    """A folder of ``judge data prepare``. None: the paper's numbers."""
    price: float | None = Field(default=None, ge=0)
    """Price of a GPU for an hour, from which the cost follows."""
    margin: float = Field(default=0.1, ge=0, le=0.9)
    """Share of a GPU's memory that stays free: fragmentation, and what is not counted."""
    tokens_a_second: float | None = Field(default=None, gt=0)
    """Of online alignment: tokens that its rollouts write a second, all GPUs together, as measured.
    None: what two published figures say of a model of this size."""
    sync_gb_s: Annotated[float | None, Option(flag="--sync-gb-s")] = Field(default=None, gt=0)
    """Of online alignment: GB/s at which a vLLM server gets new weights. None: 70 % of one network
    adapter."""
    counts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    """GPU counts of the table."""

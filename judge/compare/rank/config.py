"""The configuration of ``judge rank``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from judge.options import Option


class RankConfig(BaseModel):
    """Which run is ranked, whose judgments count, and how sure the ranking is."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    run: Annotated[str, Option(metavar="DIR")]
    """Run folder of ``judge batch`` or ``judge score``."""
    out: Annotated[str | None, Option(metavar="DIR")] = None
    """Where ``rank.json`` is written. None: the run folder."""
    model_columns: Annotated[str, Option(metavar="FIRST,SECOND")] = "model_a,model_b"
    """Columns of its input that name the models of Response 1 and Response 2."""
    by: Annotated[str | None, Option(metavar="NAME")] = None
    """Whose judgments: a scorer's name. None: the judge's."""
    resamples: Annotated[int, Option(metavar="N")] = Field(default=1000, ge=1)
    """Bootstrap resamples of the prompts."""
    seed: int = Field(default=0, ge=0)
    """Seed of the resamples."""

    @field_validator("model_columns")
    @classmethod
    def _two_names(cls, value: str) -> str:
        names = _names(value)
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise ValueError(f"expected two names, as in a,b, not {value!r}")
        return value

    @property
    def columns(self) -> tuple[str, str]:
        """Return the columns of the models that wrote Response 1 and Response 2."""
        first, second = _names(self.model_columns)
        return first, second


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]

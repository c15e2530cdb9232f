"""``manifest.json`` of a prepared folder: what it was made of, and what became of every row."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from judge.annotated import Problem
from judge.runs.training import OutputFile, SetManifest

Table = dict[str, int]
"""Numbers by entry."""


class SourceRows(BaseModel):
    """The rows of one source on one side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    read: int
    kept: int
    dropped: Table
    """By rule."""


class SideRows(BaseModel):
    """The rows of one side: train, val or test."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Table]
    """The tables of its examples, which depend on the kind: ``examples``, ``margins``, ..."""

    pairs: dict[str, SourceRows]
    """By source."""

    def table(self, name: str) -> Table:
        """Return one of the tables; one that is not there is empty."""
        return self.__pydantic_extra__.get(name, {})


class Problems(BaseModel):
    """What could not be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: Table
    """By reason."""
    listed: list[Problem]
    """The first ones."""


class PreparedRows(BaseModel):
    """What became of every row that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sides: dict[str, SideRows]
    problems: Problems


class PreparedManifest(SetManifest):
    """The whole of it."""

    sides: dict[str, SideRows]
    problems: Problems
    outputs: dict[str, OutputFile]

    def to_json(self) -> dict[str, Any]:
        """Return the file's content: what was given, as only a justifier's set has a template."""
        return self.model_dump(exclude_unset=True)

"""What ExPO says of a checkpoint that it made: the ``expo`` part of its ``judge.json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from judge import __version__


class WeakAndStrong(BaseModel):
    """Names of the folders of both models."""

    model_config = ConfigDict(frozen=True)

    weak: str
    strong: str


class ExpoRecord(BaseModel):
    """A checkpoint by what it was made of, and by which factor."""

    model_config = ConfigDict(frozen=True)

    version: str = __version__
    names: WeakAndStrong
    weak: str
    """The digest of its weights and configuration, as of ``strong``."""
    strong: str
    asked: dict[str, int | float | str | None]
    """The factor; or the digest of the pairs that it is searched on (``search``) and how many of
    them (``limit``)."""
    factor: float
    accuracy: float | None = None
    """Of the model with the best factor, on the pairs of the search."""
    weak_output: str | None = None
    """The row of the weak model's head that was used, where it has several."""

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in ``judge.json``; what does not apply is not there."""
        left_out = {n for n in ("accuracy", "weak_output") if getattr(self, n) is None}
        return self.model_dump(exclude=left_out)

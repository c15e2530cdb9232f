"""A model that an object of the Python API holds in memory until it is closed."""

from __future__ import annotations

import gc
import sys
from typing import Any, Generic, Protocol, Self, TypeVar

from judge.errors import UsageError


class Described(Protocol):
    """What is held: it says what determines its results."""

    def describe(self) -> dict[str, Any]: ...


M = TypeVar("M", bound=Described)


class Held(Generic[M]):
    """Holds a model; a context manager that lets go of it. Not for two threads at once."""

    def __init__(self, model: M) -> None:
        self._held: M | None = model

    def describe(self) -> dict[str, Any]:
        """Return what determines the results: the model, digests of its weights, how it runs."""
        return self._model().describe()

    def close(self) -> None:
        """Let go of the model and its memory; a second call does nothing."""
        self._held = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _model(self) -> M:
        """Return the model.

        Raises:
            UsageError: when it was closed.
        """
        if self._held is None:
            raise UsageError("the model is closed")
        return self._held

"""The seam between scoring and whatever runs a reward model, and a scripted scorer for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from judge.infer.engines.protocol import Counts
from judge.pair import Message
from judge.reward import Objective


class Scorer(Protocol):
    """Runs one reward model. Scorers keep no state between calls but ``counts``.

    A result depends on the conversations of the call and the scorer's options alone, so a call
    repeated with the same conversations gives the same values.
    """

    outputs: tuple[str, ...]
    """Names of the model's outputs, in order."""
    objective: Objective
    context: int
    """The most tokens of a conversation."""
    counts: Counts

    def build(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Return the token ids of conversations that end with a response.

        Raises:
            RowError: when one of them has none.
        """
        ...

    def score(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return one value an output for each row of ids, in order; none is over ``context``.

        Values may be NaN or infinite: whoever asks must look.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines this scorer's values (model, its digest, dtype, limits)."""
        ...


@dataclass
class ScriptedScorer:
    """A scorer that answers by a function of the response: for tests, without a model.

    Args:
        script: called with the text of a conversation's messages, one a line.
    """

    script: Callable[[str], list[float]]
    outputs: tuple[str, ...] = ("reward",)
    objective: Objective = "bt"
    context: int = 100_000
    counts: Counts = field(default_factory=Counts)

    def build(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        return [list("\n".join(m.content for m in c).encode()) for c in conversations]

    def score(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        self.counts.prompt_tokens += sum(map(len, rows))
        return [self.script(bytes(row).decode()) for row in rows]

    def describe(self) -> dict[str, Any]:
        return {"engine": "scripted"}

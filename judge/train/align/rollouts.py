"""The seams of online alignment: what draws responses of a policy, and what scores them.

:mod:`judge.online` joins the engines and scorers of ``judge.infer`` to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from judge.errors import RowError
from judge.pair import Message
from judge.reward import Reward


@dataclass(frozen=True)
class DrawnTokens:
    """A response that a policy drew."""

    tokens: tuple[int, ...]
    """Its ids, never none; the token that ended it is the last one."""
    ended: bool
    """Whether the policy ended it; False: it was cut at the most tokens."""


class RolloutEngine(Protocol):
    """Draws responses of the policy as it is at the time."""

    whole_policy: bool
    """Whether ZeRO-3, which has the weights in parts, must gather them here while it draws."""

    def draw(
        self, policy: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int]
    ) -> list[DrawnTokens]:
        """Return a response to each prompt, in their order.

        Args:
            policy: the trainer's model, unwrapped; its weights are those to draw from.
            prompts: token ids, the response's turn opened; the samples of one are neighbours.
            seeds: of each response's own draws.

        Raises:
            UsageError: when the engine does not answer, in one line.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines the draws besides weights, prompts and seeds."""
        ...


class RewardSource(Protocol):
    """Scores responses."""

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        """Return the reward of the last message of each conversation, or why it has none.

        Raises:
            UsageError: when nothing answers any more, in one line.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines the rewards (model, its digest, weights)."""
        ...

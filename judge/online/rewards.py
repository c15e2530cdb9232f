"""Rewards by a reward model in the trainer's process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from judge.errors import RowError
from judge.infer.scorers.load import load_scorer
from judge.infer.scorers.responses import score_responses
from judge.pair import Message
from judge.reward import Reward
from judge.train.align.rloo_config import RewardSection
from judge.train.align.rollouts import RewardSource

T = TypeVar("T")
TOGETHER = 64
"""Responses that are scored in one call. A reward's last digit depends on its company: it is the
same in this process as on a server (:mod:`judge.online.http_rewards`)."""


def pieces(conversations: Sequence[T]) -> list[Sequence[T]]:
    """Return what is scored in one call each."""
    starts = range(0, len(conversations), TOGETHER)
    return [conversations[start : start + TOGETHER] for start in starts]


class ModelRewards:
    """A :class:`judge.train.align.rollouts.RewardSource`: a reward model of this project.

    Raises:
        UsageError: when it cannot be loaded, or is no reward model.
    """

    def __init__(self, section: RewardSection) -> None:
        self._scorer = load_scorer(section.model, weights_file=section.weights)

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        scored = [score_responses(self._scorer, piece) for piece in pieces(conversations)]
        return [reward for piece in scored for reward in piece]

    def describe(self) -> dict[str, Any]:
        return self._scorer.describe()


def rewards_of(section: RewardSection, note: Callable[[str], None]) -> RewardSource:
    """Return what a recipe scores responses by: a server's reward model, or one in this process.

    Args:
        note: told what a person should know of it.

    Raises:
        UsageError: for a model that is missing or is no reward model, or a server that does not
            answer, in one line.
    """
    if section.url is None:
        return ModelRewards(section)
    from judge.online.http_rewards import open_rewards

    return open_rewards(section, note)

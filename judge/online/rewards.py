"""Rewards by a reward model in the trainer's process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judge.errors import RowError
from judge.infer.scorers.load import load_scorer
from judge.infer.scorers.responses import score_responses
from judge.pair import Message
from judge.reward import Reward
from judge.train.align.rloo_config import RewardSection


class ModelRewards:
    """A :class:`judge.train.align.rollouts.RewardSource`: a reward model of this project.

    Raises:
        UsageError: when it cannot be loaded, or is no reward model.
    """

    def __init__(self, section: RewardSection) -> None:
        self._scorer = load_scorer(section.model, weights_file=section.weights)

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        return score_responses(self._scorer, conversations)

    def describe(self) -> dict[str, Any]:
        return self._scorer.describe()

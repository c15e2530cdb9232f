"""``judge align rloo``: a policy learns from the rewards of what it writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from judge.online.http_rewards import open_rewards
from judge.online.rewards import ModelRewards
from judge.online.rollouts import TransformersRollouts
from judge.runs.training import TrainingManifest
from judge.train.align.online import rloo
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import RewardSource, RolloutEngine
from judge.train.progress import UNWATCHED, TrainingProgress


def run(config: RLOOConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Align the model of ``config``; see :func:`judge.train.align.online.rloo.run`."""
    rewards = partial(_rewards, note=progress.note)
    return rloo.run(config, rloo.Helpers(_engine, rewards), progress)


def _engine(config: RLOOConfig, tokenizer: Any) -> RolloutEngine:
    """Return what draws the responses."""
    return TransformersRollouts(config.rollout, tokenizer, config.max_length)


def _rewards(config: RLOOConfig, note: Callable[[str], None]) -> RewardSource:
    """Return what scores the responses: a server's reward model, or one in this process."""
    if config.reward.url is not None:
        return open_rewards(config.reward, note)
    return ModelRewards(config.reward)

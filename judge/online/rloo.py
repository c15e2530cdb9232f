"""``judge align rloo``: a policy learns from the rewards of what it writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from judge.online.http_rewards import open_rewards
from judge.online.rewards import ModelRewards
from judge.online.rollouts import TransformersRollouts
from judge.online.vllm_rollouts import VllmRollouts
from judge.online.vllm_server import ServedRollouts
from judge.runs.training import TrainingManifest
from judge.train.align.online import rloo
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import RewardSource, RolloutEngine
from judge.train.progress import UNWATCHED, TrainingProgress


def run(config: RLOOConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Align the model of ``config``; see :func:`judge.train.align.online.rloo.run`."""
    note = progress.note
    helpers = rloo.Helpers(partial(engine_of, note=note), partial(rewards_of, note=note))
    return rloo.run(config, helpers, progress)


def engine_of(config: RLOOConfig, tokenizer: Any, note: Callable[[str], None]) -> RolloutEngine:
    """Return what draws the responses: the weights that are trained, or a copy in vLLM."""
    section, context = config.rollout, config.max_length
    if section.engine == "transformers":
        return TransformersRollouts(section, tokenizer, context)
    if section.mode == "server":
        return ServedRollouts(section, tokenizer, context, note)
    return VllmRollouts(section, tokenizer, context)


def rewards_of(config: RLOOConfig, note: Callable[[str], None]) -> RewardSource:
    """Return what scores the responses: a server's reward model, or one in this process."""
    if config.reward.url is not None:
        return open_rewards(config.reward, note)
    return ModelRewards(config.reward)

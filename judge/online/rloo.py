"""``judge align rloo``: a policy learns from the rewards of what it writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from judge.online.rewards import rewards_of
from judge.online.rollouts import TransformersRollouts
from judge.online.vllm_rollouts import VllmRollouts
from judge.online.vllm_server import ServedRollouts
from judge.runs.training import TrainingManifest
from judge.train.align.online import rloo
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import RolloutEngine
from judge.train.progress import UNWATCHED, TrainingProgress


def run(config: RLOOConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Align the model of ``config``; see :func:`judge.train.align.online.rloo.run`."""
    note = progress.note
    rewards = partial(rewards_of, config.reward, note)
    helpers = rloo.Helpers(partial(engine_of, note=note), rewards)
    return rloo.run(config, helpers, progress)


def engine_of(config: RLOOConfig, tokenizer: Any, note: Callable[[str], None]) -> RolloutEngine:
    """Return what draws the responses: the weights that are trained, or a copy in vLLM."""
    section, context = config.rollout, config.max_length
    if section.engine == "transformers":
        return TransformersRollouts(section, tokenizer, context)
    if section.mode == "server":
        return ServedRollouts(section, tokenizer, context, note)
    return VllmRollouts(section, tokenizer, context)

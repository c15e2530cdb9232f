"""A rollout of online alignment: prompts, the responses that were drawn, what they earned."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

import torch

from judge.errors import RowError
from judge.reward import Reward
from judge.runs.online import Drawn, RolloutFigures, repetition
from judge.train.align.online.estimator import leave_one_out
from judge.train.align.prompts import PromptSet
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import DrawnTokens
from judge.train.batches.sequences import Conversation

TRUNCATED, ALONE, NOT_FINITE = "truncated", "alone", "reward_not_finite"


@dataclass(frozen=True)
class Ask:
    """A response that is to be drawn."""

    name: str
    """Of its prompt."""
    conversation: Conversation
    prompt: tuple[int, ...]
    """The ids of the conversation, the response's turn opened."""
    sample: int
    seed: int


@dataclass
class Response:
    """A response that was drawn, and what is known of it."""

    ask: Ask
    drawn: DrawnTokens
    text: str
    reward: Reward | RowError
    kl_mean_absolute: float = math.nan
    kl_sum: float = math.nan
    log_prob: float = math.nan
    """Under the policy that drew it, in nats."""
    advantage: float = 0.0
    left_out: str | None = None
    """Why it is in no gradient."""

    @property
    def value(self) -> float | None:
        """The reward, None without one that is a number."""
        if isinstance(self.reward, RowError) or not math.isfinite(self.reward.value):
            return None
        return self.reward.value

    def kl(self, how: str) -> float:
        """Return the divergence from the reference in one way of counting."""
        return self.kl_sum if how == "sum" else self.kl_mean_absolute

    def item(self, index: int) -> dict[str, Any]:
        """Return what :class:`judge.train.align.examples.ResponseCollator` takes.

        Its labels are the advantage, and 1 where the response counts.
        """
        return {
            "index": index,
            "prompt": len(self.ask.prompt),
            "sequences": [[*self.ask.prompt, *self.drawn.tokens]],
            "labels": [self.advantage, float(self.left_out is None)],
        }


def ask_of(prompts: PromptSet, index: int, sample: int, seed: int) -> Ask:
    """Return the ask for a response to the prompt at ``index``."""
    ids = tuple(prompts.ids[index])
    return Ask(prompts.names[index], prompts.conversations[index], ids, sample, seed)


def seed_of(*what: Any) -> int:
    """Return a seed for torch's generators that depends on ``what`` alone."""
    digest = hashlib.sha256(repr(what).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def estimate(config: RLOOConfig, responses: Sequence[Response]) -> None:
    """Give each response its advantage, or the reason why it has none.

    Args:
        responses: whose rewards and divergences are known; those of a prompt are neighbours.
    """
    for one in responses:
        if isinstance(one.reward, RowError):
            one.left_out = one.reward.reason
        elif one.value is None:
            one.left_out = NOT_FINITE
        elif config.leave_out_truncated and not one.drawn.ended:
            one.left_out = TRUNCATED
    earned = torch.tensor([_earned(config, one) for one in responses], dtype=torch.float64)
    counted = torch.tensor([one.left_out is None for one in responses])
    shape = (-1, config.samples)
    advantages, kept = leave_one_out(earned.view(shape), counted.view(shape))
    for one, advantage, counts in zip(
        responses, advantages.flatten().tolist(), kept.flatten().tolist(), strict=True
    ):
        one.advantage = advantage
        if one.left_out is None and not counts:
            one.left_out = ALONE


def _earned(config: RLOOConfig, one: Response) -> float:
    """Return the reward less the costs of divergence and length; NaN without a reward."""
    if one.value is None:
        return math.nan
    divergence = config.beta * one.kl(config.kl) if config.beta else 0.0
    return one.value - divergence - config.length_penalty * len(one.drawn.tokens)


def drawn_lines(config: RLOOConfig, step: int, responses: Sequence[Response]) -> list[Drawn]:
    """Return the lines of ``responses.jsonl``."""
    return [
        Drawn(
            step=step,
            prompt_id=one.ask.name,
            sample=one.ask.sample,
            response=one.text,
            tokens=len(one.drawn.tokens),
            truncated=not one.drawn.ended,
            reward=one.value,
            kl=one.kl(config.kl),
            advantage=None if one.left_out else one.advantage,
            left_out=one.left_out,
        )
        for one in responses
    ]


def figures_of(config: RLOOConfig, step: int, responses: Sequence[Response]) -> RolloutFigures:
    """Return a rollout in numbers."""
    rewards = [one.value for one in responses if one.value is not None]
    tokens = sum(len(one.drawn.tokens) for one in responses)
    groups = [
        {one.value for one in responses[i : i + config.samples]}
        for i in range(0, len(responses), config.samples)
    ]
    left_out = Counter(one.left_out for one in responses if one.left_out)
    return RolloutFigures(
        step=step,
        prompts=len(groups),
        responses=len(responses),
        reward=fmean(rewards) if rewards else None,
        reward_sd=pstdev(rewards) if rewards else None,
        kl=fmean(one.kl(config.kl) for one in responses),
        kl_mean_absolute=fmean(one.kl_mean_absolute for one in responses),
        kl_sum=fmean(one.kl_sum for one in responses),
        entropy=-sum(one.log_prob for one in responses) / tokens,
        tokens=tokens / len(responses),
        characters=fmean(len(one.text) for one in responses),
        truncated=fmean(not one.drawn.ended for one in responses),
        repetition=fmean(repetition(one.text) for one in responses),
        unscored=len(responses) - len(rewards),
        left_out=dict(sorted(left_out.items())),
        equal_groups=fmean(len(group) == 1 for group in groups),
    )

"""How long rollouts take, part by part, and what they are called in a plan."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from judge.train.align.rloo_config import RLOOConfig
from judge.train.plan.architecture import Architecture
from judge.train.plan.batches import Batches
from judge.train.plan.config import PlanRequest
from judge.train.plan.hardware import Gpu
from judge.train.plan.lengths import response_tokens
from judge.train.plan.online import Engine, reward_model
from judge.train.plan.speed import FULL, LINK_SHARE, flops_a_token, link_seconds, rate_of

PUBLISHED = ((6.74e9, 2566.0), (68.98e9, 437.0))
"""Parameters and output tokens a second and GPU: Llama 2 of 7 and 70 billion parameters under vLLM
0.4.3, on one and on four GPUs (vllm-project/vllm#5046). Today's vLLM is faster."""
A_STEP = 0.02 / 2**34
"""Seconds in which vLLM writes a token of each response, for a byte of weights on a GPU: 20 ms for
16 GiB, an assumption. The longest response of a rollout takes so many steps, whoever waits."""
SLOWER = 10
"""How many times slower transformers writes than vLLM: an assumption."""


@dataclass(frozen=True)
class Rollouts:
    """Seconds of a rollout by part, and their number."""

    count: int
    """Rollouts of the whole training."""
    evaluations: int
    """Times that the held-out prompts are answered: before the first step, and every
    ``eval_steps``."""
    held_out: int
    """Prompts of an evaluation, answered once each."""
    responses: int
    """Of a rollout."""
    response: float
    """Tokens of a response: assumed."""
    tokens: float
    """Tokens that a rollout writes."""
    rate: float
    """Tokens a second, all GPUs that draw together."""
    assumed: bool
    """Whether nobody gave the rate."""
    sync_bytes: int
    """Weights that are handed over before a rollout: all of them, an adapter's merged."""
    sync: float
    """Seconds of that."""
    draw: float
    """Seconds in which the responses are written: by the rate, or by the longest one."""
    score: float
    """Seconds in which they are rewarded."""
    log_probs: float
    """Seconds in which policy and reference say how likely they are."""

    @property
    def seconds(self) -> float:
        """All of a rollout, one part after the other; the updates are not in it."""
        return self.sync + self.draw + self.score + self.log_probs

    @property
    def hours(self) -> float:
        """Of all rollouts and evaluations."""
        return self.seconds * (self.count + self._evaluated) / 3600

    @property
    def _evaluated(self) -> float:
        """Return what all evaluations are worth in rollouts."""
        return self.evaluations * self.held_out / self.responses


def tokens_a_second(parameters: int, gpus: int) -> float:
    """Return the tokens that vLLM writes a second on ``gpus`` GPUs: through the two published
    points, a power of the parameters."""
    (small, fast), (large, slow) = PUBLISHED
    power = log(slow / fast) / log(large / small)
    return gpus * float(fast * (parameters / small) ** power)


def rollouts_of(
    config: RLOOConfig,
    model: Architecture,
    batches: Batches,
    engine: Engine,
    gpu: Gpu,
    gpus: int,
    request: PlanRequest,
) -> Rollouts:
    """Return the rollouts of a training on ``gpus`` GPUs and those beside them."""
    draws = config.rollout.engine == "vllm"
    assumed = tokens_a_second(model.parameters(), engine.gpus) / (1 if draws else SLOWER)
    rate = request.tokens_a_second or assumed
    response = response_tokens(config)
    longest = config.rollout.max_new_tokens * engine.weights * A_STEP
    if request.tokens_a_second or not draws:
        longest = 0.0  # what was measured has waited for it
    written = config.rollout_size * response
    share = rate_of(config).low * gpu.tflops * 1e12
    read = config.rollout_size * batches.mean_length
    forward, _ = flops_a_token(config, model, batches.mean_length)
    a_pass = link_seconds(config, model, gpu, gpus, request.gpus_per_node)
    passes = config.rollout_size / (gpus * config.per_device_batch_size)
    judged = 2 * reward_model(config, model).parameters(1) * read
    judged /= FULL.low * gpu.tflops * 1e12
    return Rollouts(
        count=batches.steps // config.updates,
        evaluations=1 + batches.steps // config.eval_steps if config.held_out else 0,
        held_out=config.held_out,
        responses=config.rollout_size,
        response=response,
        tokens=written,
        rate=rate,
        assumed=request.tokens_a_second is None,
        sync_bytes=2 * model.parameters() if draws or a_pass else 0,
        sync=_sync(config, model, gpu, request, a_pass),
        draw=max(written / rate, longest),
        # Layers on several GPUs of a server work one after the other.
        score=judged if config.reward.url else judged / gpus,
        log_probs=2 * (read * forward / gpus / share + passes * a_pass),
    )


def _sync(
    config: RLOOConfig, model: Architecture, gpu: Gpu, request: PlanRequest, a_pass: float
) -> float:
    """Return the seconds in which an engine gets the weights."""
    if config.rollout.is_server:
        rate = request.sync_gb_s or gpu.network_gb_s * LINK_SHARE
        return a_pass + 2 * model.parameters() / (rate * 1e9)
    return a_pass

"""What online alignment needs besides the trained model: reference, rollouts, rewards, new weights.

Everything is computed from the recipe but for three things, which are assumed and said to be: how
long responses are, how fast an engine writes, and what a link reaches of its rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from judge.errors import UsageError
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import TrainerConfig
from judge.train.plan.architecture import Architecture, architecture_of
from judge.train.plan.hardware import Gpu
from judge.train.plan.memory import COMMUNICATORS, CONTEXT, Memory, memory_of

GIB = 2**30


@dataclass(frozen=True)
class Engine:
    """What draws the responses, on one of its GPUs."""

    gpus: int
    """GPUs that draw."""
    copies: int
    """Copies of the policy on them."""
    weights: int
    """Bytes of a copy on one GPU; 0 where the trained weights draw."""
    room: int
    """Bytes on one GPU that are left for keys and values."""
    a_response: int
    """Bytes on one GPU of the keys and values of one response at ``max_length``."""
    total: int
    """Bytes on one GPU, libraries too, with as many responses at once as a rollout has or as there
    is room for."""

    @property
    def at_once(self) -> int:
        """Responses at ``max_length`` that all copies hold together."""
        return max(0, self.room) // self.a_response * self.copies


def memory_on(config: TrainerConfig, model: Architecture, gpu: Gpu, gpus: int) -> Memory:
    """Return the memory of each of ``gpus`` training GPUs, with what an online training adds."""
    found = memory_of(config, model, gpus)
    if not isinstance(config, RLOOConfig):
        return found
    return replace(
        found,
        reference=_reference(config, model, gpus),
        reward=0 if config.reward.url else scoring_bytes(config, reward_model(config, model), 1),
        engine=_engine_here(config, model, gpu, gpus),
    )


def _reference(config: RLOOConfig, model: Architecture, gpus: int) -> int:
    """Return bytes of the start beside the policy: none of an adapter's, which is switched off;
    else a second copy, divided as the first one is, and a layer of it that is gathered."""
    if config.lora is not None:
        return 0
    if config.deepspeed is None:
        return 4 * model.parameters()
    return 2 * model.parameters() // gpus + (2 * model.embedding if gpus > 1 else 0)


def _engine_here(config: RLOOConfig, model: Architecture, gpu: Gpu, gpus: int) -> int:
    """Return bytes that the rollout engine takes of a training GPU."""
    section = config.rollout
    if section.engine == "vllm":
        return 0 if section.is_server else int(section.memory_share * gpu.memory)
    return _gathered(config, model, gpus) + config.max_length * cache_bytes(model)


def _gathered(config: RLOOConfig, model: Architecture, gpus: int) -> int:
    """Return bytes of the whole policy where transformers draws: ZeRO-3's parts put together."""
    return 2 * model.parameters() if gpus > 1 and config.deepspeed is not None else 0


def engine_of(
    config: RLOOConfig, model: Architecture, gpu: Gpu, gpus: int, gpus_per_node: int, margin: float
) -> Engine:
    """Return what draws the responses on the GPUs of the recipe, ``gpus`` of which train."""
    section = config.rollout
    each = config.max_length * cache_bytes(model)
    if section.engine == "transformers":
        weights = _gathered(config, model, gpus)
        room = int(gpu.memory * (1 - margin)) - memory_on(config, model, gpu, gpus).resting
        return Engine(gpus, gpus, weights, room - weights, each, weights + each)
    server = section.is_server
    own = (config.hardware.rollout_gpus if config.hardware else None) or gpus_per_node
    count = own if server else gpus
    split = min(count, gpus_per_node) if server else section.tensor_parallel
    fixed = CONTEXT + (COMMUNICATORS if split > 1 else 0) if server else 0
    given = gpu.memory * (1 - margin) if server else section.memory_share * gpu.memory
    weights = 2 * model.parameters() // split
    room = int(given) - weights - fixed
    copies = max(1, count // split)
    a_response = each // split
    wanted = -(-config.rollout_size // copies) * a_response
    total = weights + fixed + (min(wanted, room) if server else room)
    return Engine(count, copies, weights, room, a_response, total)


def cache_bytes(model: Architecture) -> int:
    """Return the bytes of one token's keys and values in all layers, in bfloat16."""
    return model.layers * 2 * model.keys * 2


def reward_model(config: RLOOConfig, policy: Architecture) -> Architecture:
    """Return the sizes of the reward model; where nobody knows them here, the policy's.

    Of a server ``reward.model`` is only what it calls the model.
    """
    if config.reward.url and not Path(config.reward.model).is_dir():
        return policy
    try:
        return architecture_of(config.reward.model)
    except UsageError:
        return policy


def scoring_bytes(config: RLOOConfig, model: Architecture, gpus: int) -> int:
    """Return the bytes of a reward model on each of ``gpus`` GPUs: its part of the weights in
    bfloat16, and the widest layer of one conversation."""
    return 2 * model.parameters(1) // gpus + config.max_length * 3 * 2 * model.intermediate


def reward_node_bytes(config: RLOOConfig, model: Architecture, gpus: int) -> int:
    """Return the bytes on each of ``gpus`` GPUs of a reward server, libraries too."""
    return scoring_bytes(config, model, gpus) + CONTEXT + (COMMUNICATORS if gpus > 1 else 0)


def check_gpus(config: TrainerConfig, gpus: int) -> None:
    """Refuse a count of GPUs that the rollouts of a recipe cannot be shared by.

    Raises:
        UsageError: naming the counts that fit.
    """
    if not isinstance(config, RLOOConfig):
        return
    prompts, section = config.prompts_per_rollout, config.rollout
    if prompts % gpus:
        fits = [n for n in range(1, prompts + 1) if prompts % n == 0]
        raise UsageError(
            f"prompts_per_rollout {prompts} cannot be shared by {gpus} GPUs; fitting: "
            f"{', '.join(map(str, fits))}"
        )
    if section.engine == "vllm" and not section.is_server and gpus % section.tensor_parallel:
        raise UsageError(
            f"rollout.tensor_parallel {section.tensor_parallel} does not divide {gpus} GPUs"
        )


def problems_of(
    config: RLOOConfig, model: Architecture, gpu: Gpu, engine: Engine, margin: float
) -> list[str]:
    """Return what does not fit on other GPUs than the training's, or in the engine's share."""
    found = []
    usable = gpu.memory * (1 - margin)
    section, here = config.rollout, not config.rollout.is_server
    if engine.at_once < 1 and section.engine == "vllm":
        least = engine.weights + engine.a_response
        where = f"rollout.memory_share {section.memory_share:g}" if here else "the rollout GPUs"
        found.append(
            f"{where}: no room for a response beside {engine.weights / GIB:.1f} GiB of the policy;"
            f" needs {least / GIB:.1f} GiB a GPU of {gpu.memory_gib:.1f}"
        )
    if config.reward.url:
        gpus = reward_gpus(config)
        needed = reward_node_bytes(config, reward_model(config, model), gpus)
        if needed > usable:
            found.append(
                f"the reward model on {gpus} GPUs: {needed / GIB:.1f} GiB of {gpu.memory_gib:.1f}"
            )
    return found


def reward_gpus(config: RLOOConfig) -> int:
    """Return on how many GPUs the reward server runs: one where the recipe does not say."""
    return (config.hardware.reward_gpus if config.hardware else None) or 1

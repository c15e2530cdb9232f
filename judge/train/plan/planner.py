"""A recipe, GPUs and data to a plan: what it needs, whether it fits, how long, and what else would.

``plan(request)`` reads from top to bottom; nothing is measured, everything is computed.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from judge.errors import UsageError
from judge.train.align.config import DPOConfig, PolicySFTConfig
from judge.train.align.iterate_config import IterateConfig
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import JustifierConfig, RewardConfig, TrainerConfig, load_recipe
from judge.train.plan.alternatives import Alternative, alternatives
from judge.train.plan.architecture import Architecture, architecture_of
from judge.train.plan.batches import Batches, batches_of
from judge.train.plan.config import PlanRequest
from judge.train.plan.hardware import Gpu, find_gpu
from judge.train.plan.lengths import ExampleLengths, data_lengths, paper_lengths
from judge.train.plan.memory import Memory
from judge.train.plan.needs import outputs_of
from judge.train.plan.online import (
    Engine,
    check_gpus,
    engine_of,
    memory_on,
    problems_of,
    reward_gpus,
    reward_model,
    reward_node_bytes,
)
from judge.train.plan.rollouts import Rollouts, rollouts_of
from judge.train.plan.speed import Hours, Rate, checkpoint_bytes, hours_of, rate_of
from judge.train.plan.zero import Zero
from judge.train.recipe_files import read_recipe, recipes_for

MUCH_DISK = 5 * 10**12
"""Bytes of checkpoints that are worth a word."""


class PlanRow(BaseModel):
    """A line of the table over GPU counts."""

    gpus: int
    gib: float
    fits: bool
    hours: tuple[float, float]
    cost: tuple[float, float] | None


class Online(BaseModel):
    """What an online training needs beside its own GPUs, and how long its rollouts take."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine
    rollouts: Rollouts
    reward_model: Architecture
    reward_gpus: int
    """Of a reward server; 0 where each process has the reward model."""
    reward_bytes: int
    """On each of its GPUs, libraries too."""
    problems: list[str]
    """What does not fit beside the training GPUs."""


class Plan(BaseModel):
    """A computed plan; every figure of its text and its JSON."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    recipe: str
    config: TrainerConfig
    model: Architecture
    parameters: int
    gpu: Gpu
    gpus: int
    gpus_per_node: int
    margin: float
    price: float | None
    memory: Memory
    fits: bool
    online: Online | None
    host_bytes: int
    """Memory of each host for an off-loaded optimizer."""
    lengths: ExampleLengths
    batches: Batches
    accumulation: int
    rate: Rate
    hours: Hours
    cost: tuple[float, float] | None
    checkpoint_bytes: int
    checkpoints: int
    table: list[PlanRow]
    warnings: list[str]
    """What is wrong although it may fit."""
    instead: list[Alternative]
    """When it does not fit: what would."""


def plan(request: PlanRequest) -> Plan:
    """Return the plan for ``request``.

    Raises:
        UsageError: for an unknown recipe, key, GPU or model, data that is none or of another kind,
            or a GPU count that does not divide the batch or the nodes.
    """
    config = read_config(request)
    gpus, gpu = _hardware(request, config)
    check_gpus(config, gpus)
    model = architecture_of(config.model)
    lengths = data_lengths(config, Path(request.data)) if request.data else paper_lengths(config)
    batches = batches_of(config, lengths, gpus)
    memory = memory_on(config, model, gpu, gpus)
    fits_here = memory.total <= gpu.memory * (1 - request.margin)
    hours = hours_of(config, model, lengths, batches, gpu, gpus, request.gpus_per_node)
    online = _online(request, config, model, batches, gpu, gpus)
    if online is not None:
        hours = hours.with_rollouts(online.rollouts.hours)
    parameters = model.parameters(outputs_of(config))
    saved = checkpoint_bytes(config, model)
    made = batches.steps // config.save_steps
    zero = Zero.of(config, model)
    return Plan(
        recipe=request.recipe,
        config=config,
        model=model,
        parameters=parameters,
        gpu=gpu,
        gpus=gpus,
        gpus_per_node=request.gpus_per_node,
        margin=request.margin,
        price=request.price,
        memory=memory,
        fits=fits_here and not (online and online.problems),
        online=online,
        host_bytes=zero.host_bytes(parameters, max(1, gpus // request.gpus_per_node)),
        lengths=lengths,
        batches=batches,
        accumulation=config.accumulation(gpus),
        rate=rate_of(config),
        hours=hours,
        cost=_cost(request, gpus, hours),
        checkpoint_bytes=saved,
        checkpoints=min(made, config.save_total_limit or made),
        table=_table(request, config, model, lengths, gpu, gpus),
        warnings=_warnings(
            config, zero, hours, made if config.save_total_limit is None else 0, saved
        ),
        instead=[] if fits_here else alternatives(config, model, gpu, gpus, request.margin),
    )


def _online(
    request: PlanRequest,
    config: TrainerConfig,
    model: Architecture,
    batches: Batches,
    gpu: Gpu,
    gpus: int,
) -> Online | None:
    if not isinstance(config, RLOOConfig):
        return None
    engine = engine_of(config, model, gpu, gpus, request.gpus_per_node, request.margin)
    rewarding = reward_model(config, model)
    beside = reward_gpus(config) if config.reward.url else 0
    return Online(
        engine=engine,
        rollouts=rollouts_of(config, model, batches, engine, gpu, gpus, request),
        reward_model=rewarding,
        reward_gpus=beside,
        reward_bytes=reward_node_bytes(config, rewarding, beside) if beside else 0,
        problems=problems_of(config, model, gpu, engine, request.margin),
    )


def read_config(request: PlanRequest) -> TrainerConfig:
    """Return the recipe of ``request``: of which command, its fields say, or its opening.

    Raises:
        UsageError: for a recipe of none of them.
    """
    path, values = read_recipe(request.recipe)
    named = {*values, *(override.partition("=")[0] for override in request.overrides)}
    if named & {"architecture", "seeds"}:
        raise UsageError(
            f"{path}: plan takes recipes of `judge train justifier`, `judge train reward`, "
            "`judge align dpo`, `judge align sft` and `judge align rloo`"
        )
    kind: type[TrainerConfig] = JustifierConfig
    if "objective" in named:
        kind = RewardConfig
    elif "rounds" in named:
        kind = IterateConfig  # the DPO of a round
    elif named & (RLOOConfig.model_fields.keys() - DPOConfig.model_fields.keys()):
        kind = RLOOConfig
    elif named & {"beta", "loss"}:
        kind = DPOConfig
    elif "val_share" in named or path.stem in recipes_for("align sft"):
        kind = PolicySFTConfig
    return load_recipe(request.recipe, request.overrides, kind)


def _hardware(request: PlanRequest, config: TrainerConfig) -> tuple[int, Gpu]:
    own = config.hardware
    gpus = request.gpus or (own.gpus if own else None)
    name = request.gpu or (own.gpu if own else None)
    if gpus is None or name is None:
        raise UsageError(f"{request.recipe} does not name its hardware; give --gpus and --gpu")
    if gpus > request.gpus_per_node and gpus % request.gpus_per_node:
        raise UsageError(
            f"{gpus} GPUs do not make whole nodes of {request.gpus_per_node}; see --gpus-per-node"
        )
    if gpus > 1 and config.quantization is not None:
        raise UsageError("a recipe with quantization runs on one GPU; plan it with --gpus 1")
    return gpus, find_gpu(name)


def _warnings(config: TrainerConfig, zero: Zero, hours: Hours, kept: int, saved: int) -> list[str]:
    """Return what a person should know before renting these GPUs.

    Args:
        kept: checkpoints of ``saved`` bytes that a training leaves that keeps all of them.
    """
    found = []
    if zero.bf16_states and config.lora is None:
        lost = 512 * config.learning_rate
        found.append(
            "master weights in bfloat16 keep 8 bits: AdamW's step, about "
            f"{config.learning_rate:g}, is rounded away on every weight above {lost:.1g}; "
            "an optimizer on the host keeps float32 (parts/offload), a higher learning_rate moves "
            "more weights"
        )
    if hours.links > hours.compute[1]:
        found.append(
            "the links need longer than the products: a larger per_device_batch_size gathers the "
            "weights less often"
        )
    if isinstance(config, RLOOConfig) and kept * saved > MUCH_DISK:
        found.append(
            f"{kept} checkpoints of {saved / 1e9:,.0f} GB, optimizers too: save_total_limit=4 with "
            "keep_best=true keeps the newest and the one with the highest held-out reward"
        )
    return found


def _cost(request: PlanRequest, gpus: int, hours: Hours) -> tuple[float, float] | None:
    if request.price is None:
        return None
    return (hours.low * gpus * request.price, hours.high * gpus * request.price)


def _table(
    request: PlanRequest,
    config: TrainerConfig,
    model: Architecture,
    lengths: ExampleLengths,
    gpu: Gpu,
    asked: int,
) -> list[PlanRow]:
    """Return memory and hours for every count of GPUs that divides the batch."""
    rows = []
    for gpus in sorted({*request.counts, asked}):
        divides = config.global_batch_size % (config.per_device_batch_size * gpus) == 0
        whole = gpus <= request.gpus_per_node or gpus % request.gpus_per_node == 0
        if not (divides and whole) or (gpus > 1 and config.quantization is not None):
            continue
        try:
            check_gpus(config, gpus)
        except UsageError:
            continue
        needed = memory_on(config, model, gpu, gpus).total
        batches = batches_of(config, lengths, gpus)
        hours = hours_of(config, model, lengths, batches, gpu, gpus, request.gpus_per_node)
        if online := _online(request, config, model, batches, gpu, gpus):
            hours = hours.with_rollouts(online.rollouts.hours)
        rows.append(
            PlanRow(
                gpus=gpus,
                gib=needed / 2**30,
                fits=needed <= gpu.memory * (1 - request.margin),
                hours=(hours.low, hours.high),
                cost=_cost(request, gpus, hours),
            )
        )
    return rows

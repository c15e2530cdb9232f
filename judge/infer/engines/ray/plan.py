"""How many replicas of a model a Ray cluster has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from judge.config import BatchConfig
from judge.errors import UsageError


@dataclass(frozen=True)
class RayNode:
    """A machine of a cluster: what Ray says that it has."""

    gpus: int
    cpus: int


@dataclass(frozen=True)
class RayPlan:
    """What is started."""

    replicas: int
    gpus: int
    """GPUs of a replica, all of one node; 0 on a cluster without any, where it takes a core."""


def plan(config: BatchConfig, nodes: Sequence[RayNode]) -> RayPlan:
    """Return the replicas that were asked for, or as many as ``nodes`` have room for.

    Raises:
        UsageError: when there is less room.
    """
    size = (config.tensor_parallel_size or 1) * (config.pipeline_parallel_size or 1)
    gpus = [node.gpus for node in nodes]
    if not any(gpus):
        if size > 1:
            raise UsageError(f"a replica needs {size} GPUs, the Ray cluster has none")
        cores = sum(node.cpus for node in nodes)
        wanted = config.replicas or 1
        if wanted > cores:
            raise UsageError(f"{wanted} replicas without GPUs need {wanted} cores, Ray has {cores}")
        return RayPlan(wanted, 0)
    room = sum(count // size for count in gpus)
    there = f"the Ray cluster has {', '.join(map(str, gpus))} GPUs on its {len(gpus)} nodes"
    if not room:
        raise UsageError(
            f"a replica needs {size} GPUs of one node (tensor_parallel_size times"
            f" pipeline_parallel_size); {there}"
        )
    wanted = config.replicas or room
    if wanted > room:
        raise UsageError(
            f"{wanted} replicas of {size} GPUs were asked for; {there}, room for {room}"
        )
    return RayPlan(wanted, size)

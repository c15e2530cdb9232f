"""What a plan says of an online training: where responses come from, what a rollout takes."""

from __future__ import annotations

from typing import Any

from judge.train.align.rloo_config import RLOOConfig
from judge.train.plan.planner import Plan

GIB = 2**30


def beside(plan: Plan) -> str:
    """Return the part of a recipe's opening line for GPUs beside those that train; else nothing."""
    online = plan.online
    if online is None:
        return ""
    engine, served = online.engine, _is_server(plan)
    text = f" + {engine.gpus} for vLLM: {engine.total / GIB:.1f} GiB" if served else ""
    if online.reward_gpus:
        size = online.reward_bytes / GIB
        text += f" + {online.reward_gpus} for the reward model: {size:.1f} GiB"
    return text


def counts(plan: Plan) -> str:
    """Return the GPUs of a plan as a sum: those that train, draw and reward."""
    online = plan.online
    parts = [plan.gpus]
    if online is not None:
        parts += [online.engine.gpus] if _is_server(plan) else []
        parts += [online.reward_gpus] if online.reward_gpus else []
    return " + ".join(map(str, parts))


def lines(plan: Plan) -> list[str]:
    """Return what the plan of an online training says besides that of any other."""
    online, config = plan.online, plan.config
    if online is None or not isinstance(config, RLOOConfig):
        return []
    return ["", *_places(plan, config), "", *_rollout(plan, config)]


def as_json(plan: Plan) -> dict[str, Any] | None:
    """Return the same as JSON; None of another training."""
    online = plan.online
    if online is None:
        return None
    engine, took = online.engine, online.rollouts
    return {
        "engine": {
            "gpus": engine.gpus,
            "copies": engine.copies,
            "weights_gib": round(engine.weights / GIB, 3),
            "cache_gib": round(max(0, engine.room) / GIB, 3),
            "total_gib": round(engine.total / GIB, 3),
            "responses_at_once": engine.at_once,
        },
        "reward": {
            "parameters": online.reward_model.parameters(1),
            "gpus": online.reward_gpus,
            "gib": round(online.reward_bytes / GIB, 3),
        },
        "rollouts": took.count,
        "evaluations": took.evaluations,
        "responses": took.responses,
        "tokens": round(took.tokens),
        "tokens_a_second": round(took.rate),
        "weights_gb": round(took.sync_bytes / 1e9, 1),
        "seconds": {
            name: round(getattr(took, name), 1) for name in ("sync", "draw", "score", "log_probs")
        },
        "problems": online.problems,
    }


def _is_server(plan: Plan) -> bool:
    config = plan.config
    return isinstance(config, RLOOConfig) and config.rollout.is_server


def _places(plan: Plan, config: RLOOConfig) -> list[str]:
    """Return the GPUs that draw and reward, and what lies on them."""
    online = plan.online
    assert online is not None
    engine, section = online.engine, config.rollout
    room = f"room for {engine.at_once:,} responses of {config.max_length} tokens at once"
    if section.engine == "transformers":
        text = ["responses: by transformers with the trained weights; " + room]
    else:
        where = "a server" if section.mode == "server" else "the training GPUs, in turn with it"
        text = [
            f"responses: vLLM on {where}; {engine.copies} x the policy on {engine.gpus} GPUs,"
            f" {engine.weights / GIB:.1f} GiB of weights a GPU, {engine.total / GIB:.1f} in all;"
            f" {room}"
        ]
    size = online.reward_model.parameters(1) / 1e9
    rewarded = f"{config.reward.model} ({size:.2f} billion parameters)"
    if online.reward_gpus:
        text.append(
            f"rewards: {rewarded} on a server of {online.reward_gpus} GPUs,"
            f" {online.reward_bytes / GIB:.1f} GiB a GPU"
        )
    else:
        text.append(f"rewards: {rewarded} in each process")
    return text


def _rollout(plan: Plan, config: RLOOConfig) -> list[str]:
    """Return the seconds of a rollout by part."""
    assert plan.online is not None
    took = plan.online.rollouts
    parts = (
        (f"new weights, {took.sync_bytes / 1e9:,.1f} GB", took.sync),
        (f"responses, {took.rate:,.0f} tokens/s{' (assumed)' if took.assumed else ''}", took.draw),
        ("rewards", took.score),
        ("log-probabilities of policy and reference", took.log_probs),
    )
    named = [f"  {name:<50}{seconds:8.1f}" for name, seconds in parts]
    return [
        f"{took.count} rollouts of {config.prompts_per_rollout} prompts x {config.samples} samples,"
        f" {took.response:.0f} tokens a response; {took.evaluations} times {took.held_out} held-out"
        " prompts. Seconds of a rollout, updates apart",
        *named,
        f"  {'in all':<50}{took.seconds:8.1f}",
    ]

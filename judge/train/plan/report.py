"""A plan as text: the command line's, a recipe's opening lines, the table of the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from judge.train.plan import online_report
from judge.train.plan.needs import in_tiles
from judge.train.plan.planner import Plan

GIB = 2**30


def lines(plan: Plan) -> list[str]:
    """Return what ``judge train plan`` prints."""
    return [
        *_head(plan),
        "",
        *_memory(plan),
        "",
        *_time(plan),
        *online_report.lines(plan),
        "",
        *_table(plan),
        *_warnings(plan),
        *_verdict(plan),
    ]


def header(plan: Plan) -> str:
    """Return the figures with which a recipe opens: memory, steps and hours, in one line."""
    memory = f"{plan.memory.total / GIB:.1f} of {plan.gpu.memory_gib:.1f} GiB a GPU"
    host = f", {plan.host_bytes / GIB:,.0f} GiB a host" if plan.host_bytes else ""
    beside = online_report.beside(plan)
    rollouts = f" ({plan.online.rollouts.count} rollouts)" if plan.online else ""
    steps = f"{plan.batches.steps} steps{rollouts}, {_hours(plan)}"
    return f"{plan.gpus} x {plan.gpu.name}: {memory}{host}{beside}; {steps}"


def summary_row(plan: Plan) -> str:
    """Return a line of the documentation's table."""
    host = f"{plan.host_bytes / GIB:,.0f}" if plan.host_bytes else ""
    cells = [
        f"`{plan.recipe}`",
        f"{online_report.counts(plan)} x {plan.gpu.name}",
        f"{plan.memory.states / GIB:.1f}",
        f"{plan.memory.total / GIB:.1f} of {plan.gpu.memory_gib:.1f}",
        host,
        f"{plan.batches.steps}",
        _hours(plan),
        f"{plan.checkpoints} x {plan.checkpoint_bytes / 1e9:,.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


SUMMARY_HEAD = (
    "| recipe | made for | model states, GiB a GPU | all, GiB a GPU | host, GiB | steps | time "
    "| checkpoints, GB |\n|---|---|---|---|---|---|---|---|"
)


def _hours(plan: Plan) -> str:
    low, high = plan.hours.low, plan.hours.high
    if high < 1:
        return f"{60 * low:.0f} to {60 * high:.0f} minutes"
    return f"{low:.1f} to {high:.1f} hours"


def _head(plan: Plan) -> list[str]:
    config = plan.config
    how = "QLoRA" if config.quantization else "LoRA" if config.lora else "every weight"
    nodes = max(1, plan.gpus // plan.gpus_per_node)
    place = f"{nodes} node{'s' * (nodes > 1)}" if plan.gpus > 1 else "one GPU"
    return [
        f"{plan.recipe}: {plan.model.name}, {plan.parameters / 1e9:.2f} billion parameters, {how}",
        f"on {plan.gpus} x {plan.gpu.name} ({place}); a batch of {config.global_batch_size} = "
        f"{plan.gpus} GPUs x {config.per_device_batch_size} x {plan.accumulation} accumulated",
    ]


def _memory(plan: Plan) -> list[str]:
    memory = plan.memory
    loss = "tiles of the fused output layer" if in_tiles(plan.config) else "logits and loss"
    kept = "inputs of all layers" if plan.config.gradient_checkpointing else "activations"
    parts = [
        ("parameters", memory.parameters, ""),
        ("gradients", memory.gradients, ""),
        ("optimizer", memory.optimizer, ""),
        ("a whole layer and its gradient", memory.gathered, ""),
        (f"{kept}, {plan.config.max_length} tokens a sequence", memory.activations, ""),
        ("the layer being computed", memory.layer, "not at once with the next"),
        (loss, memory.loss, "not at once with the last"),
        ("buckets", memory.buffers, ""),
        ("CUDA, libraries", memory.context, "assumed"),
        ("the reference", memory.reference, ""),
        ("the reward model", memory.reward, ""),
        ("what draws responses", memory.engine, "while nothing is trained"),
    ]
    usable = plan.gpu.memory_gib * (1 - plan.margin)
    text = ["GiB a GPU at the longest batch"]
    text += [
        f"  {name:<46}{size / GIB:8.2f}{'  (' + note + ')' if note else ''}"
        for name, size, note in parts
        if size
    ]
    text.append(
        f"  {'in all':<46}{memory.total / GIB:8.2f}  of {plan.gpu.memory_gib:.1f}, "
        f"{usable:.1f} with {plan.margin:.0%} free"
    )
    if plan.host_bytes:
        text.append(f"  {'memory of each host':<46}{plan.host_bytes / GIB:8.0f}")
    return text


def _time(plan: Plan) -> list[str]:
    batches, hours, rate = plan.batches, plan.hours, plan.rate
    tokens = batches.tokens * batches.epochs
    text = [
        f"lengths: {plan.lengths.source}; mean {batches.mean_length:.0f}, longest "
        f"{batches.longest}, {plan.lengths.too_long} dropped as too long",
        f"{batches.examples:,} examples x {batches.epochs:g} epochs = {batches.steps} steps, "
        f"{tokens / 1e6:.1f} million tokens",
        f"padding {batches.padding:.1%}; a GPU waits {1 - batches.busy:.1%} of the time for the "
        f"longest micro-batch, of {batches.micro_batch_tokens:.0f} tokens on average",
        f"{_hours(plan)}: at {rate.high:.1%} to {rate.low:.1%} of {plan.gpu.tflops:.0f} TFLOP/s "
        f"({rate.source})",
        f"  products {hours.compute[0]:.1f} to {hours.compute[1]:.1f}, links {hours.links:.1f}"
        + (f", optimizer on the host {hours.host:.1f}" if hours.host else "")
        + (f", the reference {hours.reference:.1f}" if hours.reference else "")
        + (
            f", rollouts {hours.rollouts:.1f}, held-out prompts among them"
            if plan.online
            else f"; {hours.validation:.1f} of it for validation losses"
        )
        + "; no loading and no saving",
    ]
    if plan.cost is not None:
        text.append(
            f"cost {plan.cost[0]:,.0f} to {plan.cost[1]:,.0f}, at {plan.price:g} a GPU and hour"
        )
    text.append(
        f"checkpoints: {plan.checkpoints} of {plan.checkpoint_bytes / 1e9:,.1f} GB = "
        f"{plan.checkpoints * plan.checkpoint_bytes / 1e12:,.2f} TB of disk"
    )
    return text


def _table(plan: Plan) -> list[str]:
    cost = "        cost" if plan.cost is not None else ""
    text = [f"GPUs   GiB a GPU   fits   hours{cost}"]
    for row in plan.table:
        money = f"   {row.cost[0]:,.0f} to {row.cost[1]:,.0f}" if row.cost is not None else ""
        hours = f"{row.hours[0]:.1f} to {row.hours[1]:.1f}"
        text.append(
            f"{row.gpus:4d}   {row.gib:9.1f}   {'yes' if row.fits else 'no ':<4}   {hours}{money}"
        )
    return text


def _warnings(plan: Plan) -> Iterable[str]:
    for warning in plan.warnings:
        yield ""
        yield f"warning: {warning}"


def _verdict(plan: Plan) -> list[str]:
    needed, usable = plan.memory.total / GIB, plan.gpu.memory_gib * (1 - plan.margin)
    if plan.fits:
        return ["", f"fits: {needed:.1f} GiB of {plan.gpu.memory_gib:.1f}"]
    text = ["", f"does not fit: {needed:.1f} GiB of {plan.gpu.memory_gib:.1f}"]
    if plan.online and plan.online.problems:
        text = ["", *(f"does not fit: {problem}" for problem in plan.online.problems)]
        if needed <= usable:
            return text
        text.append(f"does not fit: {needed:.1f} GiB of {plan.gpu.memory_gib:.1f}")
    for other in plan.instead:
        add = f" (extends: [{plan.recipe}, {other.extends}])" if other.extends else ""
        text.append(f"  would: {other.what} on {other.gpus} x {other.gpu}, {other.gib} GiB{add}")
    if not plan.instead:
        text.append(
            "  none of the changes that plan knows; try a shorter max_length, or another model"
        )
    return text


def as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON: figures in GiB, hours and tokens; the recipe as it was resolved."""
    parts = {name: round(value / 2**30, 3) for name, value in vars(plan.memory).items()}
    batches = plan.batches
    return {
        "recipe": plan.recipe,
        "model": plan.model.name,
        "parameters": plan.parameters,
        "gpus": plan.gpus,
        "gpu": plan.gpu.name,
        "fits": plan.fits,
        "margin": plan.margin,
        "memory_gib": {
            **parts,
            "total": round(plan.memory.total / 2**30, 3),
            "of": plan.gpu.memory_gib,
            "host": round(plan.host_bytes / 2**30, 1),
        },
        "batch": {
            "global": plan.config.global_batch_size,
            "per_gpu": plan.config.per_device_batch_size,
            "accumulation": plan.accumulation,
        },
        "steps": batches.steps,
        "examples": batches.examples,
        "dropped_too_long": plan.lengths.too_long,
        "tokens": round(batches.tokens * batches.epochs),
        "padding": round(batches.padding, 4),
        "busy": round(batches.busy, 4),
        "lengths": {"source": plan.lengths.source, "mean": round(batches.mean_length, 1)}
        | {"longest": batches.longest},
        "hours": [round(plan.hours.low, 2), round(plan.hours.high, 2)],
        "hours_of": {
            "compute": [round(value, 2) for value in plan.hours.compute],
            "links": round(plan.hours.links, 2),
            "host": round(plan.hours.host, 2),
            "validation": round(plan.hours.validation, 2),
            "reference": round(plan.hours.reference, 2),
            "rollouts": round(plan.hours.rollouts, 2),
        },
        "rate": {"low": plan.rate.low, "high": plan.rate.high, "source": plan.rate.source},
        "cost": plan.cost,
        "checkpoints": {
            "kept": plan.checkpoints,
            "gigabytes_each": round(plan.checkpoint_bytes / 1e9, 1),
        },
        "online": online_report.as_json(plan),
        "warnings": plan.warnings,
        "table": [row.model_dump() for row in plan.table],
        "instead": [vars(other) for other in plan.instead],
        "config": plan.config.model_dump(mode="json"),
    }

"""From lengths to micro-batches: steps, padding, and GPUs that wait for the longest batch."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import JustifierConfig, TrainerConfig
from judge.train.plan.lengths import ExampleLengths

STRETCH = 50
"""Batches of like length are made within so many batches (``LengthGroupedTwins``)."""


@dataclass(frozen=True)
class Batches:
    """What one pass over the training examples looks like on some GPUs."""

    examples: int
    steps: int
    """Optimizer steps of the whole training."""
    epochs: float
    tokens: int
    """Tokens of the examples of a pass, without padding."""
    forwarded: int
    """Tokens that go through the model in a pass, padding included."""
    busy: float
    """Share of the time that a GPU does not wait for the longest micro-batch of its step."""
    micro_batch_tokens: float
    """Tokens of the longest micro-batch among the GPUs, on average over the micro-steps."""
    mean_length: float
    """Tokens of a sequence."""
    longest: int
    """Tokens of the longest sequence."""

    @property
    def padding(self) -> float:
        """Share of forwarded tokens that are padding."""
        return 1 - self.tokens / self.forwarded

    @property
    def micro_steps(self) -> float:
        """Micro-steps of the whole training on each GPU."""
        return self.forwarded / self.micro_batch_tokens if self.micro_batch_tokens else 0.0


def batches_of(config: TrainerConfig, lengths: ExampleLengths, gpus: int) -> Batches:
    """Return the micro-batches of a pass on ``gpus`` GPUs.

    Raises:
        UsageError: when the GPUs do not divide the batch.
    """
    config.accumulation(gpus)  # refuses GPUs that do not divide the batch
    totals = [sum(item) for item in lengths.train]
    size, packed = config.per_device_batch_size, packs(config)
    forwarded = longest_sum = micro_steps = 0
    busy_sum = 0.0
    order = _order(config, lengths, gpus)
    for start in range(0, len(order), size * gpus):
        sizes = []
        for first in range(start, min(start + size * gpus, len(order)), size):
            batch = order[first : first + size]
            if packed:
                sizes.append(sum(totals[i] for i in batch))
            else:
                items = [lengths.train[i] for i in batch]
                sizes.append(sum(map(len, items)) * max(map(max, items)))
        forwarded += sum(sizes)
        longest_sum += max(sizes)
        busy_sum += sum(sizes) / gpus
        micro_steps += 1
    sequences = [length for item in lengths.train for length in item]
    examples = len(lengths.train)
    a_pass = -(-examples // config.global_batch_size)
    steps = config.max_steps if config.max_steps > 0 else _steps(config, examples, a_pass)
    return Batches(
        examples=examples,
        steps=max(1, steps),
        epochs=config.epochs if config.max_steps <= 0 else steps / a_pass,
        tokens=sum(totals),
        forwarded=forwarded,
        busy=busy_sum / longest_sum,
        micro_batch_tokens=longest_sum / micro_steps,
        mean_length=sum(sequences) / len(sequences),
        longest=max(sequences),
    )


def _steps(config: TrainerConfig, examples: int, a_pass: int) -> int:
    if not isinstance(config, RLOOConfig):
        return round(a_pass * config.epochs)
    prompts = examples // config.samples
    return int(config.epochs * prompts) // config.prompts_per_rollout * config.updates


def packs(config: TrainerConfig) -> bool:
    """Say whether a micro-batch is one row without padding."""
    return config.packing is not False


def _order(config: TrainerConfig, lengths: ExampleLengths, gpus: int) -> list[int]:
    """Return the examples in an order like the training's, by the rule of its sampler."""
    draw = random.Random(config.seed)
    size = 2 if lengths.twins else 1
    starts = list(range(0, len(lengths.train), size))
    draw.shuffle(starts)
    if isinstance(config, JustifierConfig) and not config.group_by_length:
        return [i for start in starts for i in range(start, start + size)]
    if not packs(config):
        return _grouped(config, lengths, starts, gpus, draw)
    order = [i for start in starts for i in range(start, start + size)]
    return _balanced(config, lengths, order) if isinstance(config, JustifierConfig) else order


def _grouped(
    config: TrainerConfig,
    lengths: ExampleLengths,
    starts: list[int],
    gpus: int,
    draw: random.Random,
) -> list[int]:
    """Return batches of like length (``LengthGroupedTwins``)."""
    size = 2 if lengths.twins else 1
    batch = max(1, config.per_device_batch_size * gpus // size)
    order: list[int] = []
    for first in range(0, len(starts), batch * STRETCH):
        ranked = sorted(
            starts[first : first + batch * STRETCH], key=lambda i: -max(lengths.train[i])
        )
        whole = [ranked[i : i + batch] for i in range(0, len(ranked), batch)]
        rest = [whole.pop()] if len(whole[-1]) < batch else []
        draw.shuffle(whole)
        for group in whole + rest:
            order += [i for start in group for i in range(start, start + size)]
    return order


def _balanced(config: TrainerConfig, lengths: ExampleLengths, drawn: list[int]) -> list[int]:
    """Return rows of like numbers of tokens within each step (``BalancedSteps``)."""
    row = config.per_device_batch_size
    size = 2 if lengths.twins and row % 2 == 0 else 1
    order: list[int] = []
    for begin in range(0, len(drawn), config.global_batch_size):
        items = drawn[begin : begin + config.global_batch_size]
        groups = [items[i : i + size] for i in range(0, len(items), size)]
        groups.sort(key=lambda group: -sum(sum(lengths.train[i]) for i in group))
        full, rest = divmod(len(items), row)
        rows: list[list[int]] = [[] for _ in range(full + bool(rest))]
        open_rows = [(0, number) for number in range(len(rows))]
        for group in groups:  # the longest first, to the row of the fewest tokens
            tokens, number = heapq.heappop(open_rows)
            rows[number] += group
            if len(rows[number]) < (row if number < full else rest):
                tokens += sum(sum(lengths.train[i]) for i in group)
                heapq.heappush(open_rows, (tokens, number))
        order += [i for filled in rows for i in filled]
    return order

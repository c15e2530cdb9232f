"""The order of examples for packed batches: those of a step spread over rows of like length."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class BalancedSteps(Sampler[int]):
    """Yields item indices: groups (twins, or single items) shuffled; within each optimizer step the
    groups are dealt to its rows so that all rows hold like numbers of tokens.

    A packed row costs what its tokens cost, and every process waits for the slowest: so no row
    should be much longer than another. Which examples make a step does not depend on their lengths.
    Deterministic in ``seed`` and the epoch (:meth:`set_epoch`): a resumed run sees the same order.

    Args:
        lengths: tokens of every item.
        twins: whether items 2k and 2k+1 belong together; they share a row of an even size.
        row: items a row (``per_device_batch_size``).
        step: items an optimizer step over all processes (``global_batch_size``).
        seed: of the shuffle.
        balance: without it, the shuffled groups in their order.
    """

    def __init__(
        self, lengths: list[int], twins: bool, row: int, step: int, seed: int, balance: bool = True
    ) -> None:
        self.lengths = lengths
        self.group = 2 if twins else 1
        self.row = row
        self.step = step
        self.seed = seed
        self.balance = balance
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        starts = range(0, len(self.lengths), self.group)
        drawn = [starts[i] for i in torch.randperm(len(starts), generator=generator).tolist()]
        order = [start + i for start in drawn for i in range(self.group)]
        for begin in range(0, len(order), self.step):
            items = order[begin : begin + self.step]
            yield from self._rows(items) if self.balance else items

    def _rows(self, items: list[int]) -> Iterator[int]:
        """Yield the items of a step row by row; a short row comes last."""
        size = self.group if self.row % self.group == 0 else 1
        groups = [items[i : i + size] for i in range(0, len(items), size)]
        weight = {group[0]: sum(self.lengths[i] for i in group) for group in groups}
        whole = len(items) // self.row
        room = [self.row] * whole + [len(items) - whole * self.row]
        rows: list[list[int]] = [[] for _ in room]
        tokens = [0] * len(room)
        for group in sorted(groups, key=lambda g: -weight[g[0]]):  # the longest first
            open_rows = [r for r in range(len(room)) if room[r] >= len(group)]
            row = min(open_rows, key=lambda r: tokens[r])
            rows[row] += group
            room[row] -= len(group)
            tokens[row] += weight[group[0]]
        for full in rows:
            yield from full

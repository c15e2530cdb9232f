"""The order of examples: batches of like length, or packed rows of like numbers of tokens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class _Drawn(Sampler[int]):
    """Item indices in groups (twins, or single items) whose order is drawn anew each epoch.

    Deterministic in ``seed`` and the epoch (:meth:`set_epoch`): a resumed run sees the same order.
    """

    def __init__(self, lengths: list[int], twins: bool, seed: int) -> None:
        self.lengths = lengths
        self.group = 2 if twins else 1
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def _draw(self) -> tuple[list[int], torch.Generator]:
        """Return the first item of every group, shuffled, and the generator to draw on with."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        starts = range(0, len(self.lengths), self.group)
        order = torch.randperm(len(starts), generator=generator).tolist()
        return [starts[i] for i in order], generator


class LengthGroupedTwins(_Drawn):
    """Yields item indices: groups (twins, or single items) shuffled, then sorted by length within
    stretches of ``batch_size * 50`` items; the batches of a stretch come in random order.

    Args:
        lengths: tokens of every item.
        twins: whether items 2k and 2k+1 belong together; they share a batch of an even size.
        batch_size: items a batch, over all processes.
        seed: of the shuffles.
    """

    def __init__(self, lengths: list[int], twins: bool, batch_size: int, seed: int) -> None:
        super().__init__(lengths, twins, seed)
        self.size = max(1, batch_size // self.group)
        """Groups a batch."""

    def __iter__(self) -> Iterator[int]:
        order, generator = self._draw()
        for begin in range(0, len(order), self.size * 50):
            stretch = order[begin : begin + self.size * 50]
            ranked = sorted(stretch, key=lambda i: -self.lengths[i])
            batches = [ranked[i : i + self.size] for i in range(0, len(ranked), self.size)]
            # A short batch must stay the last one, or every batch after it would shift.
            whole = [b for b in batches if len(b) == self.size]
            rest = [b for b in batches if len(b) != self.size]
            mixed = [whole[i] for i in torch.randperm(len(whole), generator=generator).tolist()]
            for batch in mixed + rest:
                for start in batch:
                    yield from range(start, start + self.group)


class BalancedSteps(_Drawn):
    """Yields item indices: groups (twins, or single items) shuffled; within each optimizer step the
    groups are dealt to its rows so that all rows hold like numbers of tokens.

    A packed row costs what its tokens cost, and every process waits for the slowest: so no row
    should be much longer than another. Which examples make a step does not depend on their lengths.

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
        super().__init__(lengths, twins, seed)
        self.row = row
        self.step = step
        self.balance = balance

    def __iter__(self) -> Iterator[int]:
        drawn, _ = self._draw()
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

"""A compact set of pair ids: 8 bytes a slot instead of a Python string an id."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b

_SMALLEST = 1 << 12


class IdSet:
    """Pair ids as 64-bit hashes in an open-addressing table, 16 to 32 bytes an id.

    Two ids share a hash with probability n^2 / 2^65: 3e-8 for a million ids. The hash does not
    depend on the process, so a resumed run calls the same rows duplicates.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _SMALLEST))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, pair_id: str) -> bool:
        """Add ``pair_id``; return whether it is new."""
        before = self._used
        self.update([pair_id.encode("utf-8", "surrogatepass")])
        return self._used > before

    def update(self, pair_ids: Iterable[bytes]) -> None:
        """Add ids given as UTF-8."""
        values = array("Q")
        values.frombytes(b"".join([blake2b(i, digest_size=8).digest() for i in pair_ids]))
        table, used = self._table, self._used
        mask = len(table) - 1
        for value in values:
            value = value or 1  # 0 marks a free slot
            slot = value & mask
            while (there := table[slot]) and there != value:
                slot = (slot + 1) & mask
            if there:
                continue
            table[slot] = value
            used += 1
            if 2 * used > mask:
                table = _grown(table)
                mask = len(table) - 1
        self._table, self._used = table, used


def _grown(old: array[int]) -> array[int]:
    table = array("Q", bytes(16 * len(old)))
    mask = len(table) - 1
    for value in old:
        if value:
            slot = value & mask
            while table[slot]:
                slot = (slot + 1) & mask
            table[slot] = value
    return table

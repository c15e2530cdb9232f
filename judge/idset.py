"""A compact set of pair ids: 8 bytes a slot instead of a Python string an id."""

from __future__ import annotations

from array import array
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
        digest = blake2b(pair_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = int.from_bytes(digest, "little") or 1  # 0 marks a free slot
        slot = self._slot(value)
        if self._table[slot]:
            return False
        self._table[slot] = value
        self._used += 1
        if 2 * self._used > len(self._table):
            self._grow()
        return True

    def _slot(self, value: int) -> int:
        table, mask = self._table, len(self._table) - 1
        slot = value & mask
        while table[slot] and table[slot] != value:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old, self._table = self._table, array("Q", bytes(16 * len(self._table)))
        for value in old:
            if value:
                self._table[self._slot(value)] = value

"""Batches of a scorer: every row once, within the limits, twins side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from judge.infer.engines.transformers.decode import common_prefix
from judge.infer.scorers.batching import WASTE, batches

lengths = st.integers(0, 60)
pairs = st.lists(st.tuples(lengths, st.integers(1, 60), st.integers(1, 60)), max_size=30)


def rows_of(shapes: list[tuple[int, int, int]]) -> list[list[int]]:
    """Two rows for each (shared tokens, rest of the one, rest of the other)."""
    rows = []
    for number, (prefix, one, two) in enumerate(shapes):
        rows.append([number] * prefix + [1000] * one)
        rows.append([number] * prefix + [2000] * two)
    return rows


@given(pairs, st.sampled_from([1, 100, 400, 10_000]))
def test_every_row_goes_once_and_no_batch_is_too_large(
    shapes: list[tuple[int, int, int]], limit: int
) -> None:
    rows = rows_of(shapes)
    seen = []
    for indices, twins in batches(rows, limit):
        seen += indices
        if twins:
            assert all(b == a + 1 for a, b in zip(indices[::2], indices[1::2], strict=True))
            both = list(zip(indices[::2], indices[1::2], strict=True))
            shared = [common_prefix(rows[a], rows[b]) for a, b in both]
            assert min(shared) > 0
        else:
            both, shared = [(i, i) for i in indices], [0] * len(indices)
        rest = max(
            max(len(rows[a]), len(rows[b])) - s for (a, b), s in zip(both, shared, strict=True)
        )
        positions = len(both) * max(shared) + len(indices) * rest
        tokens = sum(len(rows[i]) for i in indices) - sum(shared)
        if len(both) > 1:
            assert positions <= limit and positions <= WASTE * tokens
    assert sorted(seen) == list(range(len(rows)))
    assert list(batches(rows, limit)) == list(batches(rows, limit))


def test_a_long_prompt_is_shared_and_a_short_one_is_not() -> None:
    assert list(batches(rows_of([(100, 10, 10)]), 10_000)) == [([0, 1], True)]
    assert list(batches(rows_of([(5, 100, 100)]), 10_000)) == [([0, 1], False)]

"""Pairs that people agree on: what a trained model is tested on."""

from __future__ import annotations

from dataclasses import dataclass

from judge.annotated import AnnotatedPair
from judge.errors import UsageError
from judge.judgment import Preference
from judge.pair import Pair
from judge.verdict import NEITHER_VALID


@dataclass(frozen=True)
class Labelled:
    """A pair, which response most annotators prefer, and where it comes from."""

    pair: Pair
    preferred: Preference
    source: str


def labelled(path: str, limit: int | None = None) -> list[Labelled]:
    """Return the pairs of a file of annotated pairs that most annotators agree on.

    The label is the sign that most annotations have; a pair without one, and one whose responses
    are the same text, is left out. With a limit the pairs are taken evenly over the file.

    Raises:
        UsageError: when the file cannot be read or has no such pair.
    """
    from judge.formats.annotated import read_annotated

    rows = (row for row in read_annotated(path) if isinstance(row, AnnotatedPair))
    pairs = [found for row in rows if (found := _labelled(row)) is not None]
    if not pairs:
        raise UsageError(f"{path}: no pair with a preference to test on")
    if limit is None or limit >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // limit] for i in range(limit)]


def _labelled(row: AnnotatedPair) -> Labelled | None:
    strengths = [a.strength for a in row.annotations if a.strength != NEITHER_VALID]
    sign = sum((strength > 0) - (strength < 0) for strength in strengths)
    if sign == 0 or row.pair.response_1 == row.pair.response_2:
        return None
    return Labelled(row.pair, "response_2" if sign > 0 else "response_1", row.source)

"""One kind of row for all checks: a pair with its annotations, or a response with its ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from judge.annotated import AnnotatedPair, RatedResponse, Split
from judge.consensus import consensus
from judge.pair import Annotation, Message


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """What the checks see of a row."""

    row_id: str
    split: Split
    prompt: tuple[Message, ...]
    responses: tuple[str, ...]
    """Two of a pair, one of a rated response."""
    annotations: tuple[Annotation, ...]
    label: float | None
    """Of a pair its overall strength; of a rated response its mean helpfulness."""
    columns: Mapping[str, str]

    @property
    def is_pair(self) -> bool:
        """Whether the row is a pair."""
        return len(self.responses) == 2

    @property
    def response_names(self) -> tuple[str, ...]:
        """Names of the responses in findings."""
        return ("response_1", "response_2") if self.is_pair else ("response",)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text of the row after its name in findings."""
        for message in self.prompt:
            yield "prompt", message.content
        yield from zip(self.response_names, self.responses, strict=True)
        for number, annotation in enumerate(self.annotations, 1):
            yield f"justification {number}", annotation.justification


def row_of(item: AnnotatedPair | RatedResponse) -> CheckedRow:
    """Return ``item`` as the checks see it."""
    if isinstance(item, RatedResponse):
        ratings = item.ratings.get("helpfulness")
        label = fmean(ratings) if ratings else None
        return CheckedRow(item.rating_id, item.split, item.prompt, (item.response,), (), label, {})
    strength = item.released_strength
    if strength is None:
        strength = consensus(item.annotations, keep_zeros=True).strength
    pair = item.pair
    responses = (pair.response_1, pair.response_2)
    return CheckedRow(
        pair.pair_id, item.split, pair.prompt, responses, item.annotations, strength, item.columns
    )

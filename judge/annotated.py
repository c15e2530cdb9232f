"""Rows of annotated data: a pair with what people said of it, a response with its ratings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from judge.pair import Annotation, Message, Pair, Text
from judge.verdict import flip_strength

Split = Literal["train", "val", "test"]
Attribute = Literal["helpfulness", "correctness", "coherence", "complexity", "verbosity"]
ATTRIBUTES: tuple[Attribute, ...] = (
    "helpfulness",
    "correctness",
    "coherence",
    "complexity",
    "verbosity",
)
"""HelpSteer2's five, each rated 0 to 4, in the order of its files."""
MAX_RATING = 4
UNNAMED = "unnamed"

ProblemReason = Literal[
    "bad_json",
    "bad_encoding",
    "unreadable",
    "line_too_long",
    "missing_field",
    "wrong_type",
    "bad_split",
    "bad_prompt",
    "empty_response",
    "duplicate_id",
    "no_annotations",
    "strength_off_scale",
    "no_ratings",
    "rating_off_scale",
    "unequal_lengths",
    "bad_label",
]


COSTS_A_PART = frozenset({"strength_off_scale", "rating_off_scale"})
"""Reasons that cost a part of a row, not the row."""


class Problem(BaseModel):
    """Something in a file that was not used, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    line: int
    """From 1; of a table, the row; 0 when the file as a whole could not be read."""
    reason: ProblemReason
    """Every reason costs the row, but ``strength_off_scale`` (costs one annotation),
    ``rating_off_scale`` (one attribute) and ``unreadable`` (all that follows in the file)."""
    detail: str


class AnnotatedPair(BaseModel):
    """A pair and what people said of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    pair: Pair
    annotations: tuple[Annotation, ...]
    """In file order, -100 included; justifications without HTML entities."""
    source: str = UNNAMED
    released_strength: int | None = None
    """The consensus that came with the file (``preference_strength``), where it has one."""
    released_similar: tuple[int, ...] | None = None
    """The strengths of the file's ``three_most_similar_preferences``, where it has them."""
    columns: dict[str, str] = Field(default_factory=dict)
    """What else says where the pair comes from: ``domain``, ``language``, ``subset`` ..."""

    def flipped(self) -> AnnotatedPair:
        """Return the row with its responses exchanged everywhere; twice is the identity."""
        strength, similar = self.released_strength, self.released_similar
        return self.model_copy(
            update={
                "pair": self.pair.flipped(),
                "annotations": tuple(a.flipped() for a in self.annotations),
                "released_strength": None if strength is None else flip_strength(strength),
                "released_similar": None if similar is None else tuple(map(flip_strength, similar)),
            }
        )


class RatedResponse(BaseModel):
    """A response and its ratings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    rating_id: Text
    prompt: tuple[Message, ...]
    response: Text
    ratings: dict[Attribute, tuple[Annotated[float, Field(ge=0, le=MAX_RATING)], ...]]
    """Every annotator's rating by attribute, or the one released mean. An attribute that was not
    rated is absent: it is masked in training, never 0."""
    source: str = UNNAMED

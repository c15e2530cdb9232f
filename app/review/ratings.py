"""Ratings of responses by HelpSteer2's five attributes: what a person gives, and what follows.

Sources: HelpSteer2 (Wang et al., 2024, arXiv 2406.08673), section 2 and appendix: the attributes,
0 to 4, three people a task and two more where the first three disagree; what trains is the mean of
the three that agree most (:func:`judge.data.ratings.rating_consensus`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.review.highlights import Highlight, Highlights, flipped
from app.review.project import MOST_ANNOTATIONS, Settings
from app.review.rules import FIRST
from app.review.written import Written
from judge.annotated import ATTRIBUTES, MAX_RATING, Attribute
from judge.consensus import MAX_SPREAD
from judge.data.ratings import RatingConsensus, rating_consensus
from judge.verdict import Order, flip_names

Side = Literal["response_1", "response_2"]
SIDES: tuple[Side, ...] = ("response_1", "response_2")
Value = Annotated[int, Field(ge=0, le=MAX_RATING)]
MEANINGS: dict[Attribute, str] = {
    "helpfulness": "How well the response serves what the prompt is after, all in all",
    "correctness": "Whether all that matters is there and nothing in it is wrong or made up",
    "coherence": "Whether it hangs together: clear, consistent, without contradictions",
    "complexity": "How much one must know to write it, from anyone to an expert",
    "verbosity": "How long and detailed it is for what was asked",
}
ANCHORS: dict[Attribute, tuple[str, str, str, str, str]] = {
    "helpfulness": (
        "of no use: misses what was asked",
        "hardly of use: catches little of what was asked",
        "partly of use: misses the overall aim in some way",
        "mostly of use: room for improvement is left",
        "of great use: wholly in the spirit of what was asked",
    ),
    "correctness": (
        "all wrong",
        "mostly wrong or incomplete, some of it right",
        "right and wrong mixed",
        "mostly right: small gaps or slips",
        "right and complete, nothing misleading or made up",
    ),
    "coherence": (
        "cannot be followed",
        "mostly hard to follow, with contradictions",
        "a little unclear, some of it does not fit",
        "mostly clear, small flaws of flow or style",
        "perfectly clear and consistent throughout",
    ),
    "complexity": (
        "basic: anyone who knows the language could write it",
        "simple: some schooling",
        "intermediate: some knowledge of the subject",
        "advanced: years in the subject",
        "expert: only a specialist could write it",
    ),
    "verbosity": (
        "succinct: nothing more than asked",
        "rather short",
        "of middling length",
        "rather long",
        "verbose: much more than asked",
    ),
}


class Rated(BaseModel):
    """One response's five ratings; none may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    helpfulness: Value
    correctness: Value
    coherence: Value
    complexity: Value
    verbosity: Value

    def value(self, attribute: Attribute) -> int:
        """Return the rating of an attribute."""
        return int(getattr(self, attribute))


class Ratings(BaseModel):
    """The ratings of a task's responses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    response_1: Rated
    response_2: Rated | None = None
    """None where the task has one response."""

    def of(self, side: Side) -> Rated | None:
        """Return those of one response."""
        return self.response_1 if side == "response_1" else self.response_2


class RatedChoice(BaseModel):
    """What a person decides in a project that rates: before the reveal, and again after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratings: Ratings
    justification: Written = ""
    """A remark, if there is one; may name @Response 1 and @Response 2."""
    highlights: Highlights = ()

    def flipped(self) -> Self:
        """Return it for the flipped pair; twice is the identity. One response has no other side."""
        one, two = self.ratings.response_1, self.ratings.response_2
        if two is None:
            return self
        return self.model_copy(
            update={
                "ratings": Ratings(response_1=two, response_2=one),
                "justification": flip_names(self.justification),
                "highlights": flipped(self.highlights),
            }
        )


class RatedAnnotation(BaseModel):
    """One person's finished ratings of one task, in the pair's own order."""

    model_config = ConfigDict(frozen=True)

    account_id: int
    name: str
    shown: Order
    blind: bool
    first: RatedChoice
    final: RatedChoice | None
    flagged: str | None
    chosen_at: datetime
    completed_at: datetime
    seconds: float

    def said(self, first: bool = False) -> RatedChoice:
        """Return what stands: said after the reveal where that was, else the first."""
        return self.first if first or self.final is None else self.final

    def highlights(self, which: Literal["final", "first"] = "final") -> tuple[Highlight, ...]:
        """Return the spans that are marked."""
        return self.said(which == "first").highlights


class RatedTask(BaseModel):
    """A task with everyone's ratings, without its texts."""

    model_config = ConfigDict(frozen=True)

    task_id: int
    pair_id: str
    source: str
    evaluation: bool
    evaluation_prompt: bool
    words: int
    wanted: int
    withdrawn: bool
    begun: bool
    judged: dict[str, dict[str, list[float]]]
    """The values of reward models by name and attribute."""
    annotations: tuple[RatedAnnotation, ...]

    @property
    def has_all(self) -> bool:
        """Whether all its ratings are there."""
        return len(self.annotations) >= self.wanted

    def values(self, side: Side, first: bool = False) -> dict[Attribute, tuple[int, ...]]:
        """Return everyone's ratings of a response by attribute, in the order of their making."""
        rated = [one.said(first).ratings.of(side) for one in self.annotations]
        return {
            attribute: tuple(each.value(attribute) for each in rated if each is not None)
            for attribute in ATTRIBUTES
        }

    def sides(self) -> Iterator[Side]:
        """Yield the responses that were rated."""
        for side in SIDES:
            if any(one.said().ratings.of(side) is not None for one in self.annotations):
                yield side

    def agreed(self, side: Side, first: bool = False) -> RatingConsensus:
        """Return the means that train: of the three that agree most, none where these still lie
        too far apart in helpfulness."""
        ratings: Mapping[Attribute, tuple[float, ...]] = {
            attribute: tuple(map(float, values))
            for attribute, values in self.values(side, first).items()
        }
        return rating_consensus(ratings, rounded=True)


def wanted_ratings(settings: Settings, said: Sequence[Ratings]) -> int:
    """Return how many ratings a task needs: two more where the first three lie more than 2 apart
    in the helpfulness of a response.

    Args:
        said: those that are there, in the order in which they were completed.
    """
    count = settings.annotations
    if len(said) >= FIRST <= count and any(_apart(said[:FIRST], side) for side in SIDES):
        count = min(count + settings.more_on_disagreement, MOST_ANNOTATIONS)
    return count


def _apart(said: Sequence[Ratings], side: Side) -> bool:
    helpful = [rated.helpfulness for one in said if (rated := one.of(side)) is not None]
    return bool(helpful) and max(helpful) - min(helpful) > MAX_SPREAD


def anchors_json() -> list[dict[str, Any]]:
    """Return the attributes with what their values mean, for the page."""
    return [
        {"name": name, "meaning": MEANINGS[name], "anchors": list(ANCHORS[name])}
        for name in ATTRIBUTES
    ]

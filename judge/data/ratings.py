"""A response's ratings to one number an attribute, and two rated responses to a pair.

Source: HelpSteer2, section 2, and the data set card of nvidia/HelpSteer2: "the mean of the three
annotators who agree with each other most"; a response gets more than three annotators where the
first ones differ by more than 2 *on helpfulness*. So agreement is measured on helpfulness, and the
same three people speak for all attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judge.annotated import ATTRIBUTES, Attribute, RatedResponse
from judge.consensus import MAX_SPREAD, SIMILAR, most_similar
from judge.data.split import prompt_key

RatingDrop = Literal["helpfulness_spread"]


class RatingConsensus(BaseModel):
    """One number an attribute, or the reason there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    means: dict[Attribute, float]
    """0 to 4, in the order of ATTRIBUTES; an attribute nobody rated is absent: it is masked."""
    dropped: RatingDrop | None = None
    """Set where ``means`` is empty: the annotators differ too much on helpfulness."""


def rating_consensus(
    ratings: Mapping[Attribute, tuple[float, ...]],
    *,
    similar: int | None = SIMILAR,
    max_spread: int | None = MAX_SPREAD,
    rounded: bool = False,
) -> RatingConsensus:
    """Return the mean of the three ratings that agree most, for every attribute that was rated.

    Helpfulness 0, 0, 0, 0, 4 gives 0, not 0.8; 1, 2, 4 is dropped. A released mean (one rating)
    stays as it is. The order of the annotators is irrelevant: of those whose helpfulness is the
    same, the ones nearest to everybody's mean in the other attributes count. An attribute whose
    list has another length than helpfulness's, or that was rated without it, is taken by its own
    most similar ratings: nobody knows whose they are.

    Args:
        similar: how many ratings count; None for all of them.
        max_spread: how far the counted helpfulness ratings may lie apart; None for any distance.
        rounded: round each mean to the nearest integer, as the released files do.
    """
    helpfulness = ratings.get("helpfulness", ())
    given = [ratings[attribute] for attribute in ATTRIBUTES if ratings.get(attribute)]
    aligned = [rated for rated in given if len(rated) == len(helpfulness)]
    people = nearest_first(list(zip(*aligned, strict=True)))
    chosen = [people[i] for i in most_similar([helpfulness[person] for person in people], similar)]
    values = [helpfulness[person] for person in chosen]
    if max_spread is not None and values and max(values) - min(values) > max_spread:
        return RatingConsensus(means={}, dropped="helpfulness_spread")
    means: dict[Attribute, float] = {}
    for attribute in ATTRIBUTES:
        rated = ratings.get(attribute, ())
        if not rated:
            continue
        same = len(rated) == len(helpfulness)
        counted = [rated[i] for i in (chosen if same else most_similar(rated, similar))]
        mean = sum(sorted(counted)) / len(counted)
        means[attribute] = float(round(mean)) if rounded else mean
    return RatingConsensus(means=means)


def nearest_first(people: Sequence[tuple[float, ...]]) -> list[int]:
    """Return the indices of the annotators, those nearest to the mean of all first."""
    means = [sum(sorted(column)) / len(people) for column in zip(*people, strict=True)]

    def distance(index: int) -> tuple[float, tuple[float, ...]]:
        own = people[index]
        return sum(abs(a - b) for a, b in zip(own, means, strict=True)), own

    return sorted(range(len(people)), key=distance)


def in_pairs(
    responses: Iterable[RatedResponse],
) -> Iterator[tuple[RatedResponse, RatedResponse | None]]:
    """Yield two consecutive responses to the same prompt together, and None with one left over.

    In HelpSteer2's rating files two consecutive rows share a prompt; where a file has more, the
    first two make a pair, then the next two. Both must be in the same split.
    """
    waiting: RatedResponse | None = None
    for response in responses:
        if waiting is None:
            waiting = response
        elif waiting.split == response.split and _same_prompt(waiting, response):
            yield waiting, response
            waiting = None
        else:
            yield waiting, None
            waiting = response
    if waiting is not None:
        yield waiting, None


def _same_prompt(one: RatedResponse, other: RatedResponse) -> bool:
    return one.prompt == other.prompt or prompt_key(one.prompt) == prompt_key(other.prompt)

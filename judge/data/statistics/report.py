"""What ``judge data stats`` finds, as types; their fields, in this order, are ``stats.json``'s.

Shares are 0 to 1. None stands where there is nothing to divide by, or a figure is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from judge.annotated import Attribute, Problem
from judge.consensus import DropReason
from judge.data.justification import Position
from judge.metrics.agreement import AgreementReport

Interval = tuple[float, float]
"""Both ends of a 95 % Wilson interval."""
PLACES = 6
"""Decimal places in ``stats.json``."""
Report = TypeVar("Report", bound=BaseModel)


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def rounded(report: Report) -> Report:
    """Return a report with every float in it at :data:`PLACES` places, and no negative zero."""
    return type(report).model_validate(_rounded(report.model_dump()))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, PLACES) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


class Counted(_Figures):
    """How many there are, and their share of those that could be."""

    count: int
    share: float | None


class StageCounts(_Figures):
    """Pairs and annotations at every stage, from the row read to the pair kept."""

    read: int
    annotations: int
    neither_valid: int
    """Annotations of -100."""
    few_annotations: int
    """Pairs with fewer than three useful annotations."""
    few_annotations_share: float | None
    dropped: dict[DropReason, int]
    with_consensus: int
    kept: int


class StagesReport(_Figures):
    """What each rule leaves, in all and of parts of the data."""

    all: StageCounts
    by_split: dict[str, StageCounts]
    by_source: dict[str, StageCounts]
    by_split_and_source: dict[str, dict[str, StageCounts]]


class Positions(_Figures):
    """Shares of the strengths that prefer each response."""

    response_1: float | None
    zero: float | None
    response_2: float | None


class SlightlyBetter(_Figures):
    """Shares of the strengths -1 and 1."""

    response_1: float | None
    response_2: float | None


class StrengthsReport(_Figures):
    """How strengths are distributed, and whether they lean to one position."""

    count: int
    mean: float | None
    sd: float | None
    shares: Positions
    slightly_better: SlightlyBetter
    response_2_of_decided: float | None
    """Share of Response 2 where one is preferred."""
    response_2_of_decided_interval: Interval | None
    """Without a lean to a position, 0.5 lies in it."""
    by_strength: dict[str, Counted]
    """``-3`` to ``3``."""


class RatingsDropped(_Figures):
    """Rated responses that the rules drop."""

    helpfulness_spread: int
    helpfulness_spread_share: float | None


class RatingsAgreement(_Figures):
    """Agreement on one attribute, before and after the rules."""

    collected: AgreementReport
    kept: AgreementReport


class RatingsReport(_Figures):
    """Rated responses, and how far people agree on them."""

    responses: int
    with_several_ratings: int
    not_whole_numbers: int
    """Means, which are no person's ratings: agreement has no meaning for them."""
    dropped: RatingsDropped
    agreement: dict[Attribute, RatingsAgreement]
    """Empty where no response has several ratings."""


class Correlation(_Figures):
    """Strength beside the difference in helpfulness."""

    pairs: int
    pearson_r: float | None


class HelpfulnessReport(_Figures):
    """Pairs by overall strength and by helpfulness of Response 2 minus Response 1."""

    with_consensus: Correlation
    kept: Correlation
    strengths: tuple[int, ...]
    """The rows of ``matrix``."""
    differences: tuple[int, ...]
    """Its columns. Rounded to whole numbers here, not for Pearson's R."""
    matrix: tuple[tuple[int, ...], ...]


class Sizes(_Figures):
    """Lengths: mean, standard deviation (of the whole population), and the most."""

    mean: float | None
    sd: float | None
    most: int


class StatementsReport(_Figures):
    """What statements say; shares are of the justifications that have one."""

    causes: dict[str, Counted]
    """By the words with which they give a reason; ``any`` of them last."""
    both_named: Counted
    better: dict[str, Counted]
    """``response_1`` and ``response_2``."""
    contradict_strength: Counted
    """Those that call the other response better than their number does."""


class KeywordsReport(_Figures):
    """Justifications by the attributes whose keywords they use."""

    justifications: int
    any: Counted
    attributes: dict[Attribute, Counted]
    words: dict[Attribute, dict[str, Counted]]
    """The commonest first; a word that was not met is left out."""


class JustificationsReport(_Figures):
    """What the justifications of one set look like."""

    count: int
    """Those that are not empty."""
    empty: int
    with_statement: int
    positions: dict[Position, Counted]
    """Where the statement stands."""
    sizes: dict[str, Sizes]
    words_histogram: dict[str, int]
    statements: StatementsReport
    keywords: KeywordsReport


class LongerPreferred(_Figures):
    """How often the longer response is preferred, of pairs whose lengths differ."""

    unequal: int
    longer_preferred: int
    share: float | None
    interval: Interval | None


class LengthsReport(_Figures):
    """Lengths of the preferred response and the other, over decided pairs that are kept."""

    preferred: Sizes
    other: Sizes
    equal: int
    unequal: int
    longer_preferred: int
    share: float | None
    interval: Interval | None
    by_ratio: dict[str, LongerPreferred]
    """By longer / shorter, from small differences to large ones."""


class PairsReport(_Figures):
    """Every statistic of the pairs, with the ratings beside them."""

    stages: StagesReport
    strengths: dict[str, StrengthsReport]
    """Of ``annotations``, of pairs ``with_consensus``, of pairs ``kept``."""
    agreement: dict[str, AgreementReport]
    """As ``collected``, ``with_consensus`` and ``kept``."""
    ratings: RatingsReport
    helpfulness: HelpfulnessReport
    justifications: dict[str, JustificationsReport]
    """Of ``useful`` annotations, of the ``all_set`` and the ``overall_set``."""
    justification_sets: dict[str, dict[str, int]]
    """Pairs of ``overall`` and justifications of ``all`` to train on: ``total`` and by split."""
    lengths: dict[str, LengthsReport]
    """In ``characters`` and in ``words``."""


class ProblemsReport(_Figures):
    """What could not be read."""

    total: int
    counts: dict[str, int]
    """By reason."""
    listed: tuple[Problem, ...]
    """The first of them."""


class InputReport(_Figures):
    """What was read."""

    name: str
    files: dict[str, str]
    """Local files and the SHA-256 of their bytes."""


class _Read(_Figures):
    options: Mapping[str, str | int | bool | None]
    input: InputReport
    problems: ProblemsReport


class StatsReport(PairsReport, _Read):
    """``stats.json``: what was read, by which rules, and every statistic of it."""

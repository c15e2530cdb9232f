"""Rows of the benchmarks: RewardBench 1 and 2, RM-Bench, JudgeBench, LLMBar.

Each has one :class:`Layout`, which says where a row has what. It reads a row as pairs, checked as
those of any format, and as ``judge bench`` needs it: as it stands (:meth:`Layout.written`).

Where a layout names the better response (``chosen``), it becomes ``response_1`` in every pair:
whoever shows such pairs to a model flips half of them, or shows both orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats import fields as checks
from judge.formats.responses import has_pair
from judge.formats.rows import Row, Unusable, better_of, labelled_pair, pair_of, whole_number

STYLES = ("concise", "detailed", "markdown")
"""RM-Bench's three styles, in the order of its lists."""


@dataclass(frozen=True)
class Written:
    """What a row of a benchmark says, as it stands in the file, whatever is wrong with its texts.

    Judging an empty response is a recorded failure, which a benchmark's rule counts.
    """

    prompt: str | list[Any]
    """A text or a list of messages."""
    chosen: tuple[str, ...]
    rejected: tuple[str, ...]
    rejected_first: bool | None = None
    """Whether the file shows the rejected response first; None where the layout has no order."""


@dataclass(frozen=True)
class Layout:
    """Where the rows of a benchmark have what they say."""

    prompt: str
    one: str = "chosen"
    two: str = "rejected"
    better: Callable[[Row], int | None] | None = None
    """Which of the two is better, 1 or 2, None without a label; of ``chosen`` and ``rejected``,
    which have no order, always the first."""
    lists: bool = False
    """Whether each field holds a list of responses."""
    responses: int | None = None
    """How many each list holds, where that is fixed."""

    def written(self, row: Row) -> Written:
        """Return what a row says.

        Raises:
            Unusable: when a field is missing or of another type, or the label none.
        """
        better = 1 if self.better is None else self.better(row)
        if better is None:
            raise Unusable("missing_field", "label is missing")
        value = row.required(self.prompt)
        if not isinstance(value, str | list):
            found = checks.kind(value)
            raise Unusable("wrong_type", f"{self.prompt} is {found}, expected text or messages")
        one, two = self._texts(row, self.one), self._texts(row, self.two)
        self._check_numbers(one, two)
        chosen, rejected = (one, two) if better == 1 else (two, one)
        return Written(value, chosen, rejected, None if self.better is None else better == 2)

    def pair(self, row: Row, **columns: str) -> AnnotatedPair:
        """Return the labelled pair of a row with two responses."""
        pair = pair_of(row, *row.two(self.prompt, self.one, self.two))
        return labelled_pair(row, pair, 1 if self.better is None else self.better(row), **columns)

    def crossed(self, row: Row, styles: Sequence[str] = ()) -> list[AnnotatedPair]:
        """Return the pairs of each chosen with each rejected response, the latter counting fastest.

        Args:
            styles: names of the places in the lists.
        """
        self._check_numbers(row.list_of(self.one), row.list_of(self.two))
        messages = row.prompt(self.prompt)
        chosen, rejected = (
            [checks.response(name, text) for text in row.list_of(name)]
            for name in (self.one, self.two)
        )
        if not chosen or not rejected:
            raise Unusable("missing_field", f"{self.one} or {self.two} is an empty list")
        pairs = []
        for (i, one), (j, two) in product(enumerate(chosen), enumerate(rejected)):
            named = {"chosen_style": styles[i], "rejected_style": styles[j]} if styles else {}
            pair = pair_of(row, messages, one, two, f"-{i}-{j}")
            pairs.append(labelled_pair(row, pair, 1, **named))
        return pairs

    def _check_numbers(self, one: Sequence[Any], two: Sequence[Any]) -> None:
        if self.responses is not None and {len(one), len(two)} != {self.responses}:
            raise Unusable(
                "wrong_type", f"{self.one} and {self.two} must hold {self.responses} responses each"
            )

    def _texts(self, row: Row, name: str) -> tuple[str, ...]:
        value = row.list_of(name) if self.lists else [row.required(name)]
        if self.lists and (not value or not all(isinstance(text, str) for text in value)):
            raise Unusable("wrong_type", f"{name} is not a list of texts")
        if not isinstance(value[0], str):
            raise Unusable("wrong_type", f"{name} is {checks.kind(value[0])}, expected text")
        return tuple(value)


def _judgebench_label(row: Row) -> int | None:
    return better_of(row, "label", {"A>B": 1, "B>A": 2})


def _llmbar_label(row: Row) -> int | None:
    value = row.fields.get("label")
    if value is None or value == "":
        return None
    label = whole_number(value)
    if label not in (1, 2):
        raise Unusable("bad_label", f"label is {checks.shown(value)}; expected 1 or 2")
    return label


REWARDBENCH = Layout("prompt")
REWARDBENCH2 = Layout("prompt", lists=True)
RM_BENCH = Layout("prompt", lists=True, responses=len(STYLES))
JUDGEBENCH = Layout("question", "response_A", "response_B", _judgebench_label)
LLMBAR = Layout("input", "output_1", "output_2", _llmbar_label)


def is_chosen_rejected(fields: Mapping[str, Any]) -> bool:
    """Return whether a row has a prompt with one response chosen and one rejected."""
    return has_pair(fields, "prompt", "chosen", "rejected") and not _lists(fields)


def is_rewardbench(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RewardBench's."""
    return is_chosen_rejected(fields) and {"prompt", "subset"} <= fields.keys()


def rewardbench(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a RewardBench row. Source: data set card of allenai/reward-bench."""
    return [REWARDBENCH.pair(row)]


def is_rewardbench2(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RewardBench 2's."""
    return _lists(fields) and "num_correct" in fields


def rewardbench2(row: Row) -> list[AnnotatedPair]:
    """Return every chosen response of a RewardBench 2 row against every rejected one.

    A row is correct where all its pairs are; the subset Ties is scored by more than pairs can say.
    Source: data set card of allenai/reward-bench-2.
    """
    return REWARDBENCH2.crossed(row)


def is_rm_bench(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RM-Bench's; its files of one domain do not name it."""
    if not _lists(fields):
        return False
    three = all(len(fields[name]) == len(STYLES) for name in ("chosen", "rejected"))
    return "domain" in fields or three


def rm_bench(row: Row) -> list[AnnotatedPair]:
    """Return the nine pairs of an RM-Bench row: three styles chosen, three rejected.

    Their ids end with both styles' indices (``<id>-0-2``: concise chosen, markdown rejected).
    Source: README of THU-KEG/RM-Bench.
    """
    return RM_BENCH.crossed(row, STYLES)


def is_judgebench(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are JudgeBench's."""
    return {JUDGEBENCH.prompt, JUDGEBENCH.one, JUDGEBENCH.two} <= fields.keys()


def judgebench(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a JudgeBench row. Source: README of ScalerLab/JudgeBench."""
    return [JUDGEBENCH.pair(row)]


def is_llmbar(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are LLMBar's."""
    return {LLMBAR.prompt, LLMBAR.one, LLMBAR.two} <= fields.keys()


def llmbar(row: Row) -> list[AnnotatedPair]:
    """Return the pair of an LLMBar row; its subset is the name of the file's folder.

    Source: princeton-nlp/LLMBar, Dataset/LLMBar.
    """
    return [LLMBAR.pair(row, **({"subset": row.subset} if row.subset else {}))]


def _lists(fields: Mapping[str, Any]) -> bool:
    """Return whether ``chosen`` and ``rejected`` are lists of texts, not of messages."""
    return all(
        isinstance(value := fields.get(name), list) and all(isinstance(v, str) for v in value)
        for name in ("chosen", "rejected")
    )

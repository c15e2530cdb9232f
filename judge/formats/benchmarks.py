"""Rows of the benchmarks: RewardBench 1 and 2, RM-Bench, JudgeBench, LLMBar.

Where a layout names the better response (``chosen``), it becomes ``response_1`` in every pair:
whoever shows such pairs to a model flips half of them, or shows both orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats import fields as checks
from judge.formats.responses import has_pair
from judge.formats.rows import Row, Unusable, better_of, labelled_pair, pair_of

STYLES = ("concise", "detailed", "markdown")
"""RM-Bench's three styles, in the order of its lists."""


def is_chosen_rejected(fields: Mapping[str, Any]) -> bool:
    """Return whether a row has a prompt with one response chosen and one rejected."""
    return has_pair(fields, "prompt", "chosen", "rejected") and not _lists(fields)


def is_rewardbench(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RewardBench's."""
    return is_chosen_rejected(fields) and {"prompt", "subset"} <= fields.keys()


def rewardbench(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a RewardBench row. Source: data set card of allenai/reward-bench."""
    pair = pair_of(row, *row.two("prompt", "chosen", "rejected"))
    return [labelled_pair(row, pair, 1)]


def is_rewardbench2(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RewardBench 2's."""
    return _lists(fields) and "num_correct" in fields


def rewardbench2(row: Row) -> list[AnnotatedPair]:
    """Return every chosen response of a RewardBench 2 row against every rejected one.

    A row is correct where all its pairs are; the subset Ties is scored by more than pairs can say.
    Source: data set card of allenai/reward-bench-2.
    """
    return _crossed(row)


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
    if any(len(row.list_of(name)) != len(STYLES) for name in ("chosen", "rejected")):
        raise Unusable("wrong_type", "chosen and rejected must hold three responses each")
    return _crossed(row, STYLES)


def is_judgebench(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are JudgeBench's."""
    return {"question", "response_A", "response_B"} <= fields.keys()


def judgebench(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a JudgeBench row. Source: README of ScalerLab/JudgeBench."""
    pair = pair_of(row, *row.two("question", "response_A", "response_B"))
    return [labelled_pair(row, pair, better_of(row, "label", {"A>B": 1, "B>A": 2}))]


def is_llmbar(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are LLMBar's."""
    return {"input", "output_1", "output_2"} <= fields.keys()


def llmbar(row: Row) -> list[AnnotatedPair]:
    """Return the pair of an LLMBar row; its subset is the name of the file's folder.

    Source: princeton-nlp/LLMBar, Dataset/LLMBar.
    """
    pair = pair_of(row, *row.two("input", "output_1", "output_2"))
    better = better_of(row, "label", {1: 1, 2: 2, "1": 1, "2": 2})
    return [labelled_pair(row, pair, better, **({"subset": row.subset} if row.subset else {}))]


def _lists(fields: Mapping[str, Any]) -> bool:
    """Return whether ``chosen`` and ``rejected`` are lists of texts, not of messages."""
    return all(
        isinstance(value := fields.get(name), list) and all(isinstance(v, str) for v in value)
        for name in ("chosen", "rejected")
    )


def _crossed(row: Row, styles: Sequence[str] = ()) -> list[AnnotatedPair]:
    """Return the pairs of each chosen with each rejected response, the latter counting fastest."""
    messages = row.prompt("prompt")
    chosen, rejected = (
        [checks.response(name, text) for text in row.list_of(name)]
        for name in ("chosen", "rejected")
    )
    if not chosen or not rejected:
        raise Unusable("missing_field", "chosen or rejected is an empty list")
    pairs = []
    for (i, one), (j, two) in product(enumerate(chosen), enumerate(rejected)):
        named = {"chosen_style": styles[i], "rejected_style": styles[j]} if styles else {}
        pair = pair_of(row, messages, one, two, f"-{i}-{j}")
        pairs.append(labelled_pair(row, pair, 1, **named))
    return pairs

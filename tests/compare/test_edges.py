"""Few pairs, one class, failures, missing values: no figure raises, none is NaN, each says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.accuracy import accuracies
from judge.compare.agreement import agreement
from judge.compare.calibration import calibrations
from judge.compare.columns import column
from judge.compare.disagreements import disagreements
from judge.compare.metadata import PairMetadata
from judge.compare.rewards import reward_distributions
from judge.compare.significance import paired_tests
from judge.compare.slices import slices
from tests.compare.made import ids, system

ANYTHING = [-1, 1, 0, "refused", None]
palettes = st.sampled_from(
    [ANYTHING, [-1, 1], [-1, 1, 0], [1], [0], ["refused"], [None], [1, None]]
)
sizes = st.sampled_from([0, 1, 2, 3, 9, 10, 11, 25])


def said(draw: Any, n: int) -> list[Any]:
    return draw(st.lists(st.sampled_from(draw(palettes)), min_size=n, max_size=n))


def numbers(draw: Any, answers: list[Any], values: Any) -> list[Any]:
    """A value for each answer, missing where there is none."""
    drawn = draw(st.lists(values, min_size=len(answers), max_size=len(answers)))
    return [v if isinstance(a, int) else None for a, v in zip(answers, drawn, strict=True)]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if "why_not" in value and "value" in value:
            assert (value["value"] is None) == (value["why_not"] is not None), value
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


@pytest.mark.filterwarnings("error")
@given(st.data())
def test_every_figure_has_a_value_or_a_reason(data: st.DataObject) -> None:
    draw = data.draw
    n = draw(sizes)
    judge, scorer, truth, length = (said(draw, n) for _ in range(4))
    shares = st.sampled_from([0.0, 0.2, 0.5, 0.6, 1.0, None])
    degrees = st.sampled_from([-3, -1, 0, 2, None])
    rewards = st.tuples(st.floats(-3, 3), st.floats(-3, 3))
    systems = [
        system(
            "judge",
            judge,
            probability=numbers(draw, judge, shares),
            strength=numbers(draw, judge, degrees),
        ),
        system("bt", scorer, kind="reward_model", rewards=numbers(draw, scorer, rewards)),
        system("length", length, kind="baseline"),
    ]
    people = system("people", truth, kind="people", strength=numbers(draw, truth, degrees))
    weight = st.lists(st.sampled_from([0.0, 1.0, 2.5, np.nan]), min_size=n, max_size=n)
    weights = draw(st.none() | weight.map(np.array))
    metadata = {
        i: PairMetadata({"topic": topic}, lengths=draw(st.none() | st.just((0, 7))), turns=1)
        for i in ids(n)
        if (topic := draw(st.sampled_from(["x", "y", "7", ""])))
    }
    columns, reference = [column(ids(n), s) for s in systems], column(ids(n), people)
    found = [
        *accuracies(columns, reference, weights, 0),
        *paired_tests(columns, reference, weights, 0),
        agreement([*columns, reference]),
        *slices(ids(n), metadata, columns, reference, ("topic", "nothing")),
        *calibrations(columns, reference, 0),
        *reward_distributions(columns, reference),
        *disagreements(ids(n), [*systems, people], 5).first,
    ]
    for part in found:
        written = part.model_dump(mode="json")
        json.dumps(written, allow_nan=False)
        assert list(leaves(written))

"""HelpSteer2's ratings: released means, every annotator's, and what is not rated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.reading import one_rated, problem, rated

MEANS = {
    "prompt": "A\n<extra_id_1>Assistant\nB\n<extra_id_1>User\nC",
    "response": "r",
    "helpfulness": 3,
    "correctness": 4.0,
    "coherence": "2",
    "complexity": None,
}
LISTS = {
    "prompt": "p",
    "response": "r",
    "helpfulness": [0, 0, 4],
    "correctness": "[1, 2, 3]",
    "coherence": None,
    "complexity": [4, 4, 4],
    "verbosity": [2, 2, 1],
}


def test_released_means(tmp_path: Path) -> None:
    row = one_rated(tmp_path, MEANS)
    assert [m.role for m in row.prompt] == ["user", "assistant", "user"]
    # Null and absent attributes are masked, not zero.
    assert row.ratings == {"helpfulness": (3.0,), "correctness": (4.0,), "coherence": (2.0,)}
    assert (row.split, len(row.rating_id)) == ("train", 16)
    assert one_rated(tmp_path, {**MEANS, "id": "x", "split": "validation"}).rating_id == "x"


def test_every_annotators_ratings(tmp_path: Path) -> None:
    assert one_rated(tmp_path, LISTS).ratings == {
        "helpfulness": (0.0, 0.0, 4.0),
        "correctness": (1.0, 2.0, 3.0),
        "complexity": (4.0, 4.0, 4.0),
        "verbosity": (2.0, 2.0, 1.0),
    }


def test_lists_of_unequal_length_cost_the_row(tmp_path: Path) -> None:
    found = rated(tmp_path, {**LISTS, "verbosity": [2, 2]}, {**LISTS, "response": "s"})
    reason, line, detail = problem(found[:1])
    assert (reason, line) == ("unequal_lengths", 1)
    assert "helpfulness 3" in detail and "verbosity 2" in detail
    assert found[1].response == "s"


@pytest.mark.parametrize("value", [5, -1, "many", True, float("inf"), [2, None, 1], [2, 5, 1]])
def test_a_rating_off_the_scale_costs_its_attribute(tmp_path: Path, value: Any) -> None:
    base = LISTS if isinstance(value, list) else MEANS
    lost, row = rated(tmp_path, {**base, "helpfulness": value})
    assert (lost.reason, lost.line) == ("rating_off_scale", 1)
    assert "helpfulness" not in row.ratings
    assert "correctness" in row.ratings


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**MEANS, "response": ""}, "empty_response"),
        ({**MEANS, "prompt": None}, "missing_field"),
        ({**MEANS, "split": "dev"}, "bad_split"),
        ({"prompt": "p", "response": "r", "helpfulness": None}, "no_ratings"),
        ({**LISTS, "helpfulness": 3}, "wrong_type"),
        ({**MEANS, "prompt": "a\n<extra_id_1>Assistant\nb"}, "bad_prompt"),
    ],
)
def test_a_bad_row_is_a_problem(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    assert problem(rated(tmp_path, row))[0] == reason


def test_a_row_twice(tmp_path: Path) -> None:
    assert problem(rated(tmp_path, MEANS, MEANS))[:2] == ("duplicate_id", 2)

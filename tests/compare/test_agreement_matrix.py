"""Agreement against scikit-learn and Krippendorff's own examples; slices by hand."""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from judge.compare.agreement import agreement
from judge.compare.metadata import PairMetadata
from judge.compare.slices import MOST_LEVELS, OTHER, Slice, slices
from tests.compare.made import Said, ids, made_column, people

NAN = float("nan")
KRIPPENDORFF = [
    [NAN, NAN, NAN, NAN, NAN, 3, 4, 1, 2, 1, 1, 3, 3, NAN, 3],
    [1, NAN, 2, 1, 3, 3, 4, 3, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
    [NAN, NAN, 2, 1, 3, 4, 4, NAN, 2, 1, 1, 3, 3, NAN, 4],
]
"""The reliability data of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability"."""

answers = st.lists(
    st.tuples(*[st.sampled_from([-1, 0, 1, "refused", None])] * 2), min_size=1, max_size=40
)


@given(answers)
def test_percent_and_kappa_are_scikit_learns(given_answers: list[Any]) -> None:
    one, two = (list(column) for column in zip(*given_answers, strict=True))
    (cell,) = agreement([made_column("1", one), made_column("2", two)]).cells
    both = [(a, b) for a, b in given_answers if isinstance(a, int) and isinstance(b, int)]
    assert cell.percent.n == cell.kappa.n == len(both) or cell.kappa.why_not is not None
    if not both:
        assert cell.percent.why_not == cell.kappa.why_not == "no pair that both answered"
        assert cell.alpha.why_not == "no pair with two answers"
        return
    first, second = zip(*both, strict=True)
    assert cell.percent.value == pytest.approx(np.mean(np.equal(first, second)), abs=1e-6)
    if len({*first, *second}) == 1:
        assert cell.kappa.why_not == "both give every pair the same answer"
        assert cell.alpha.why_not == "all answers are the same"
    else:
        assert cell.kappa.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-6)
        alpha = krippendorff.alpha(np.array([first, second]), level_of_measurement="nominal")
        assert cell.alpha.value == pytest.approx(alpha, abs=1e-6)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 2), min_size=2, max_size=40))
def test_kappa_of_strengths_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    one, two = (list(column) for column in zip(*pairs, strict=True))
    columns = [
        made_column(name, [int(np.sign(s)) for s in strengths], strength=strengths)
        for name, strengths in (("1", one), ("2", two))
    ]
    found = agreement(columns).cells[0].kappa_strengths
    if len({*one, *two}) == 1:
        assert found.why_not == "both give every pair the same answer"
    else:
        labels = list(range(-3, 4))
        theirs = cohen_kappa_score(one, two, labels=labels, weights="quadratic")
        assert found.value == pytest.approx(theirs, abs=1e-6)


def test_alpha_of_krippendorffs_example() -> None:
    """Two of his categories at a time are our two responses: 1 and 2 against 3 and 4."""
    said: list[list[Said]] = [
        [None if np.isnan(v) else (-1 if v < 3 else 1) for v in coder] for coder in KRIPPENDORFF
    ]
    columns = [made_column(str(i), coder) for i, coder in enumerate(said)]
    # Of the 26 pairable answers in 12 units 11 are low and 15 high, and only those of unit 8
    # differ: D_o = 2 / 26, D_e = 2 * 11 * 15 / (26 * 25).
    expected = 1 - (2 / 26) / (2 * 11 * 15 / (26 * 25))
    assert agreement(columns).alpha.value == pytest.approx(expected, abs=1e-6)
    assert agreement(columns).alpha.n == 12


def test_alpha_of_strengths_is_of_the_interval_level() -> None:
    """Krippendorff (2011): alpha of the interval level is 0.811 for this data."""
    columns = [
        made_column(
            str(i),
            [None if np.isnan(v) else 1 for v in coder],
            strength=[None if np.isnan(v) else v for v in coder],
        )
        for i, coder in enumerate(KRIPPENDORFF)
    ]
    assert agreement(columns).alpha_strengths.value == pytest.approx(0.811, abs=5e-4)


def test_the_baseline_takes_no_part_in_the_figure_for_all() -> None:
    one, two = made_column("1", [-1, 1, 1]), made_column("2", [-1, 1, -1])
    length = made_column("length", [1, -1, 1], kind="baseline")
    with_length = agreement([one, two, length])
    assert with_length.alpha == agreement([one, two]).alpha
    assert len(with_length.cells) == 3
    assert with_length.cells[1].kappa_strengths.why_not == "1 gives no strengths"
    assert agreement([one, length]).alpha.why_not == "fewer than two systems give any"


def test_a_single_system_and_a_single_pair() -> None:
    assert agreement([made_column("1", [-1])]).cells == []
    (cell,) = agreement([made_column("1", [-1]), made_column("2", [1])]).cells
    assert cell.percent.value == 0.0
    assert cell.kappa.value == 0.0


def sliced(
    labels: list[Said],
    judge: list[Said],
    metadata: list[PairMetadata | None],
    asked: tuple[str, ...] = (),
    **fields: Any,
) -> dict[str, Slice]:
    known = {i: f for i, f in zip(ids(len(metadata)), metadata, strict=True) if f is not None}
    columns = [made_column("judge", judge)]
    found = slices(ids(len(metadata)), known, columns, people(labels, **fields), asked)
    return {of.name: of for of in found}


def figures(of: Slice) -> dict[str, tuple[int, float | None]]:
    return {level.name: (level.labelled, level.accuracy["judge"].value) for level in of.levels}


def test_slices_by_hand() -> None:
    metadata = [
        PairMetadata({"source": "web", "topic": "x"}, lengths=(10, 11), turns=1),
        PairMetadata({"source": "web", "topic": "x"}, lengths=(10, 12), turns=1),
        PairMetadata({"source": "book"}, lengths=(30, 10), turns=3),
        PairMetadata({"source": "book"}, lengths=(10, 20), turns=3),
        None,
        PairMetadata({"source": "none"}, lengths=(1, 1), turns=2),
    ]
    found = sliced(
        [-1, 1, 1, -1, 1, 0],
        [-1, -1, 1, 0, "refused", 1],
        metadata,
        ("topic", "nothing"),
        strength=[-1, 3, 3, -1, 2, 0],
    )
    assert figures(found["strength"]) == {"1": (2, 0.75), "2": (1, 0.0), "3": (2, 0.5)}
    assert figures(found["length ratio"]) == {
        "up to 1.1": (1, 1.0), "1.1 to 1.25": (1, 0.0), "1.5 to 2": (1, 0.5), "over 2": (1, 1.0),
    }  # fmt: skip
    assert figures(found["turns"]) == {"1": (2, 0.5), "3": (2, 0.75)}
    assert figures(found["source"]) == {"book": (2, 0.75), "web": (2, 0.5)}
    assert found["source"].without == 1
    assert figures(found["topic"]) == {"x": (2, 0.5)} and found["topic"].without == 3
    assert found["nothing"].why_not == "no labelled pair has a nothing"
    assert "language" not in found, "nobody knows it, and nobody asked"


def test_a_level_that_a_system_was_not_asked_of() -> None:
    metadata = [PairMetadata({"source": name}) for name in ("a", "a", "b")]
    found = sliced([1, 1, 1], [1, None, None], metadata)["source"]
    assert figures(found) == {"a": (2, 1.0), "b": (1, None)}
    assert found.levels[1].accuracy["judge"].n == 0
    assert found.levels[1].accuracy["judge"].why_not


def test_a_column_of_many_words_keeps_the_most_common() -> None:
    words = [f"w{n:02}" for n in range(30) for _ in range(2 if n == 7 else 1)]
    n = len(words)
    found = sliced([1] * n, [1] * n, [PairMetadata({"topic": w}) for w in words], ("topic",))[
        "topic"
    ]
    names = [level.name for level in found.levels]
    assert len(names) == MOST_LEVELS and "w07" in names and names[-1] == OTHER
    assert sum(level.labelled for level in found.levels) == n


def test_a_column_of_many_numbers_is_cut_into_quarters() -> None:
    metadata: list[PairMetadata | None] = [PairMetadata({"size": str(n)}) for n in range(1, 101)]
    found = sliced([1] * 100, [1] * 100, metadata, ("size",))["size"]
    assert [level.labelled for level in found.levels] == [25] * 4
    assert found.levels[0].name == "1 to 25.75"


@given(st.lists(st.tuples(st.sampled_from([-1, 1, 0]), st.sampled_from("abc")), min_size=1))
def test_levels_divide_the_labelled_pairs(rows: list[tuple[int, str]]) -> None:
    labels: list[Said] = [label for label, _ in rows]
    metadata: list[PairMetadata | None] = [PairMetadata({"source": name}) for _, name in rows]
    found = sliced(labels, [1] * len(rows), metadata, ("source",))["source"]
    labelled = sum(label != 0 for label in labels)
    assert sum(level.labelled for level in found.levels) + found.without == labelled
    assert found.without == 0

"""Names that look the same are written so that what differs is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.lookalikes import looks, told_apart

ALIKE = [
    ("oak", "oak "),
    ("oak", " oak"),
    ("a b", "a  b"),
    ("a b", "a\u00a0b"),
    ("a b", "a\tb"),
    ("oak", "oak\u200b"),
    ("oak", "oa\u00adk"),
    ("\u00e9", "e\u0301"),
    ("oak", "\uff4fak"),
    ("oak", "o\u0430k"),
    ("Oak", "\u041eak"),
    ("", " "),
    ("oak ", "oak\u2423"),
    ("a\\u200b ", "a\u200b\\u200b"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_looks_the_same_is_written_differently(one: str, other: str) -> None:
    written = told_apart([one, other, "elm"])
    assert written["elm"] == "elm"
    assert written[one] != written[other]
    if looks(one) == looks(other):
        assert looks(written[one]) != looks(written[other]), "and is seen to be"


def test_names_that_differ_stay() -> None:
    names = ["oak", "elm", "\u00e9t\u00e9", "ete", "甲", "乙", "a b", "ab", "Oak", ""]
    assert told_apart(names) == {name: name for name in names}
    assert told_apart(["oak", "oak"]) == {"oak": "oak"}, "one name twice is one name"
    assert told_apart(["oak", "oak "]) == {"oak": "oak", "oak ": "oak␣"}
    assert len(set(told_apart(["oak", "oak ", "oak␣"]).values())) == 3


names = st.lists(
    st.text(
        st.sampled_from("ab \t\\u20b\u200b\u00a0\u00e9\u0301e\u2423") | st.characters(), max_size=5
    ),
    max_size=6,
)


@given(names)
def test_different_names_are_always_written_differently(given_names: list[str]) -> None:
    written = told_apart(given_names)
    assert set(written) == set(given_names)
    assert len(set(written.values())) == len(set(given_names))

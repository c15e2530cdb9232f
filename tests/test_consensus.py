"""The paper's consensus rule, by its own examples and by properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.consensus import consensus, majority, most_similar, round_mean
from judge.pair import Annotation
from judge.verdict import flip_strength

SCALE = st.sampled_from([-3, -2, -1, 1, 2, 3, -100])


def people(*strengths: int) -> list[Annotation]:
    return [Annotation(strength=strength) for strength in strengths]


@pytest.mark.parametrize(
    ("strengths", "strength", "dropped", "kept"),
    [
        ((-3, -1, 2, 3), None, "spread", (1, 2, 3)),  # PAPER.md: keeps -1, 2, 3, spread 4
        ((-1, -1, 1), None, "zero", (0, 1, 2)),  # PAPER.md: mean -1/3
        ((-100, 2, 2, 3), 2, None, (1, 2, 3)),  # mean 7/3
        ((-100, -100), None, "no_valid_annotation", ()),
        ((), None, "no_valid_annotation", ()),
        ((3,), 3, None, (0,)),
        ((1, 2), 2, None, (0, 1)),  # 1.5 -> 2
        ((2, 3), 2, None, (0, 1)),  # 2.5 -> 2: to the even neighbour
        ((-2, -3), -2, None, (0, 1)),
        ((2, -2), None, "spread", (0, 1)),
        ((2, 2, 2, -2, -2), 2, None, (0, 1, 2)),
        ((2, 2, -2, -2), None, "spread", (0, 1, 2, 3)),  # -2 -2 2 and -2 2 2: level, so both
        ((1, 1, -1, -1), None, "zero", (0, 1, 2, 3)),
        ((1, 1, 2, 2), 1, None, (0, 1, 2)),  # 1 1 2 is as close as 1 2 2, and nearer to 0
        ((2, 1, 2, 1), 1, None, (0, 1, 3)),
        ((1, 1, 2, 2, 3), 2, None, (0, 2, 3)),  # 1 2 2 is nearer to all five than 1 1 2
        ((1, 3, 2, 3), 3, None, (1, 2, 3)),  # 3 3 2 before 1 2 3
        ((3, -1, 1, 1), None, "zero", (1, 2, 3)),  # as close as 1 1 3, and nearer to 0
    ],
)
def test_the_rule(strengths, strength, dropped, kept):
    result = consensus(people(*strengths))
    assert (result.strength, result.dropped, result.kept) == (strength, dropped, kept)


def test_options():
    assert consensus(people(-1, -1, 1), keep_zeros=True).strength == 0
    assert consensus(people(-1, 3), max_spread=4).strength == 1
    assert consensus(people(1, 1, 3, 3), similar=4).strength == 2
    assert most_similar([0, 0, 0, 0, 4]) == (0, 1, 2)  # HelpSteer2: must give 0, not 0.8


def test_the_ablations_of_the_paper():
    pair = people(-3, -1, 2, 3, 3)
    assert consensus(pair).strength == 3
    assert consensus(pair, similar=None).dropped == "spread"
    everyone = consensus(pair, similar=None, max_spread=None)
    assert (everyone.strength, everyone.kept) == (1, (0, 1, 2, 3, 4))  # 4 / 5
    assert consensus(people(-3, -1, 2, 3), max_spread=None).strength == 1  # (-1 + 2 + 3) / 3


@given(st.lists(SCALE, max_size=6), st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_of_annotations_is_irrelevant(strengths, random, similar):
    shuffled = random.sample(strengths, len(strengths))
    for spread in (2, None):
        one = consensus(people(*strengths), similar=similar, max_spread=spread)
        other = consensus(people(*shuffled), similar=similar, max_spread=spread)
        assert (one.strength, one.dropped) == (other.strength, other.dropped)
        assert sorted(strengths[i] for i in one.kept) == sorted(shuffled[i] for i in other.kept)


@given(st.lists(SCALE, max_size=8), st.integers(1, 5), st.sampled_from([2, None]))
def test_flipped_annotations_give_the_flipped_consensus(strengths, similar, spread):
    given_order = consensus(people(*strengths), similar=similar, max_spread=spread)
    flipped_people = people(*map(flip_strength, strengths))
    flipped = consensus(flipped_people, similar=similar, max_spread=spread)
    assert (given_order.kept, given_order.dropped) == (flipped.kept, flipped.dropped)
    if given_order.strength is not None:
        assert flipped.strength == -given_order.strength


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=7), st.integers(1, 4))
def test_no_other_choice_is_closer(values, count):
    from itertools import combinations

    chosen = [values[i] for i in most_similar(values, count)]
    size = min(count, len(values))
    smallest = min(max(c) - min(c) for c in combinations(values, size))
    if len(chosen) == size:
        assert max(chosen) - min(chosen) == smallest
    else:  # two choices that mirror each other
        assert sorted(chosen) == sorted(-value for value in chosen)
        assert sorted(chosen)[size - 1] - min(chosen) == smallest


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3))
def test_three_integers_never_need_the_tie_rule(values):
    assert abs(round_mean(values) - sum(values) / 3) < 0.5


def test_majority_counts_votes_not_degrees():
    assert majority(people(-3, 1, 1)) == 1
    assert majority(people(-1, -1, 3)) == -1
    assert majority(people(-3, 1)) is None
    assert majority(people(-100, -1)) == -1
    assert majority(people(-100)) is None
    assert majority([]) is None

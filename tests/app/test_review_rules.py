"""The rules of reviewing, as pure functions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.review.content import content_of, words_of
from app.review.project import LEAST_ROLE, ROLES, Settings, changed_settings, may
from app.review.rules import (
    disagree,
    is_check_turn,
    is_right,
    is_too_fast,
    queue_position,
    shown_order,
    spread,
    wanted,
)
from app.review.statement import justification_of, lacks_reason
from app.review.task import OPTIONS, Choice, Draft, Final, as_shown, reveal_of, to_given
from judge.data.justification import split_justification
from judge.errors import UsageError
from judge.judgment import reconcile
from judge.pair import Message, Pair
from judge.verdict import ORDERS, flip_names
from tests import strategies as domain

options = st.sampled_from(OPTIONS)
choices = st.builds(Choice, strength=options, justification=domain.named)
finals = st.builds(
    Final,
    strength=options,
    explanation=st.sampled_from(["right", "partly_right", "wrong", None]),
    words=st.sampled_from(["judge", "edited"]),
    elaboration=domain.named,
)
drafts = st.builds(
    Draft,
    sequence=st.integers(0, 9),
    strength=st.none() | options,
    justification=domain.named,
    elaboration=domain.named,
)
SETTINGS = Settings(name="x")


@given(choices | finals | drafts, st.sampled_from(ORDERS))
def test_what_is_said_goes_to_the_pairs_own_order_and_back(
    said: Choice | Final | Draft, order: str
) -> None:
    assert said.flipped().flipped() == said
    assert to_given(to_given(said, order), order) == said  # type: ignore[type-var, arg-type]
    assert (to_given(said, "given") is said) is True  # type: ignore[type-var]


@given(domain.pairs, choices)
def test_choosing_the_same_text_gives_the_same_choice_on_either_side(
    pair: Pair, choice: Choice
) -> None:
    flipped = as_shown(pair, "flipped")
    assert (flipped.response_1, flipped.response_2) == (pair.response_2, pair.response_1)
    mirrored = choice.flipped()
    assert to_given(mirrored, "flipped") == to_given(choice, "given")


@given(domain.orders())
def test_a_reveal_in_the_other_order_is_the_flipped_one(orders: dict) -> None:  # type: ignore[type-arg]
    judgment = reconcile("p", orders).model_copy(update={"rewards": {"bt": [1.5, -2.0]}})
    given_, flipped = (reveal_of("m", judgment, order) for order in ORDERS)
    assert flipped.strength == -(given_.strength or 0)
    assert flipped.elaboration == flip_names(given_.elaboration)
    assert flipped.statement == flip_names(given_.statement)
    reward = flipped.rewards[0]
    assert (reward.response_1, reward.response_2) == (-2.0, 1.5)
    if given_.probability is not None:
        assert flipped.probability == pytest.approx(1 - given_.probability)


@pytest.mark.parametrize(
    ("annotations", "more", "strengths", "count"),
    [
        (3, 2, [], 3),
        (3, 2, [-3, 1], 3),
        (3, 2, [-1, 1, 1], 3),  # a spread of 2 is agreement
        (3, 2, [-2, 1, 1], 5),
        (3, 2, [-2, 1, 1, 1, 1], 5),
        (3, 2, [1, 1, 1, -3], 3),  # only the first three decide
        (3, 1, [-3, 1, 1], 4),
        (3, 0, [-3, 1, 1], 3),
        (4, 2, [-3, 1, 1], 5),  # never more than five
        (5, 2, [-3, 1, 1], 5),
        (3, 2, [-100, -100, -100], 3),
        (3, 2, [-100, 1, 1], 5),
        (1, 2, [-3], 1),
        (2, 2, [-3, 3, 3], 2),
    ],
)
def test_two_more_where_the_first_three_disagree(
    annotations: int, more: int, strengths: list[int], count: int
) -> None:
    settings = Settings(name="x", annotations=annotations, more_on_disagreement=more)
    assert wanted(settings, strengths) == count


@given(st.lists(options, max_size=7))
def test_wanted_is_between_the_setting_and_five_and_blind_to_sides(strengths: list[int]) -> None:
    flipped = [s if s == -100 else -s for s in strengths]
    assert 3 <= wanted(SETTINGS, strengths) <= 5
    assert wanted(SETTINGS, strengths) == wanted(SETTINGS, flipped)
    assert disagree(strengths) == disagree(flipped) == disagree(strengths[::-1])


@pytest.mark.parametrize(
    ("strengths", "apart"),
    [([], 0), ([2], 0), ([-100, -100], 0), ([-100, 2], None), ([-3, 3, 1], 6), ([1, 3], 2)],
)
def test_spread(strengths: list[int], apart: int | None) -> None:
    assert spread(strengths) == apart
    assert disagree(strengths) == (apart is None or apart > 2)


def test_sides_are_drawn_evenly_and_stay() -> None:
    drawn = [shown_order(7, person, task) for person in range(20) for task in range(200)]
    assert drawn == [shown_order(7, person, task) for person in range(20) for task in range(200)]
    assert 0.47 < drawn.count("flipped") / len(drawn) < 0.53  # 4 standard deviations
    by_person = [drawn[200 * p : 200 * (p + 1)].count("flipped") for p in range(20)]
    assert min(by_person) > 65 and max(by_person) < 135
    other_seed = [shown_order(8, person, task) for person in range(20) for task in range(200)]
    assert 1_700 < sum(a == b for a, b in zip(drawn, other_seed, strict=True)) < 2_300


def test_checks_come_now_and_then_and_not_in_step() -> None:
    settings = Settings(name="x", check_every=10)
    turns = [n for n in range(4_000) if is_check_turn(settings, 1, n)]
    assert 330 < len(turns) < 470
    gaps = {b - a for a, b in pairwise(turns)}
    assert len(gaps) > 10
    assert turns != [n for n in range(4_000) if is_check_turn(settings, 2, n)]
    assert not any(is_check_turn(SETTINGS, 1, n) for n in range(100))


@pytest.mark.parametrize(
    ("kind", "expected", "strength", "right"),
    [
        ("gold", 3, 1, True),
        ("gold", -1, -3, True),
        ("gold", -1, 1, False),
        ("gold", -100, -100, True),
        ("gold", -100, -1, False),
        ("gold", -1, -100, False),
        ("attention", 2, 2, True),
        ("attention", 2, 3, False),
    ],
)
def test_a_check_answered_right(kind: str, expected: int, strength: int, right: bool) -> None:
    assert is_right(kind, expected, strength) is right  # type: ignore[arg-type]


def test_too_fast_depends_on_the_texts() -> None:
    assert is_too_fast(SETTINGS, 2.9, 0) and not is_too_fast(SETTINGS, 3.1, 0)
    assert is_too_fast(SETTINGS, 12.9, 300) and not is_too_fast(SETTINGS, 13.1, 300)
    assert not is_too_fast(SETTINGS, 63.1, 10**6)


def test_orders_of_the_queue() -> None:
    given_ = Settings(name="x")
    assert [queue_position(given_, "p", n, None) for n in range(3)] == [0, 1, 2]
    informative = Settings(name="x", order="informative")
    places = [
        queue_position(informative, "p", n, place) for n, place in ((0, None), (1, 1), (2, 0))
    ]
    assert sorted(range(3), key=places.__getitem__) == [2, 1, 0]
    drawn = Settings(name="x", order="random", seed=3)
    places = [queue_position(drawn, f"p{n}", n, n) for n in range(50)]
    assert places == [queue_position(drawn, f"p{n}", 99 - n, None) for n in range(50)]
    assert places != sorted(places) and max(places) < 2**63


@given(options, st.sampled_from(["", "It is shorter.", "@Response 1 is better. Why not?"]))
def test_a_justification_always_says_what_was_chosen(strength: int, elaboration: str) -> None:
    """What annotators choose is the statement, whatever they wrote out."""
    text = justification_of(strength, elaboration)
    split = split_justification(text)
    if strength == -100:
        assert text == elaboration
    else:
        assert split.better == (1 if strength < 0 else 2)
        assert elaboration in text


def test_when_a_reason_is_missing() -> None:
    free = Settings(name="x", require_justification=False)
    assert lacks_reason(SETTINGS, 1, ["", " \n"]) and not lacks_reason(SETTINGS, 1, ["", "y"])
    assert not lacks_reason(SETTINGS, -100, [""]) and not lacks_reason(free, 1, [""])


@given(domain.pairs)
def test_content_is_the_same_in_both_orders_and_in_other_spelling(pair: Pair) -> None:
    assert content_of(pair) == content_of(pair.flipped())
    loud = pair.model_copy(update={"response_1": f"  {pair.response_1}\n"})
    assert content_of(loud) == content_of(pair)
    other = pair.model_copy(update={"response_1": pair.response_1 + "x"})
    assert content_of(other) != content_of(pair)
    assert words_of(pair) == words_of(pair.flipped())


def test_content_knows_letter_case_and_unicode_forms() -> None:
    def pair(text: str) -> Pair:
        prompt = (Message(role="user", content="Q"),)
        return Pair(pair_id="p", prompt=prompt, response_1=text, response_2="other")

    assert content_of(pair("Cafe\u0301 AU lait")) == content_of(pair("caf\u00e9  au\nlait"))


def test_roles() -> None:
    for action, least in LEAST_ROLE.items():
        allowed = [role for role in ROLES if may(role, action)]
        assert allowed == list(ROLES[ROLES.index(least) :])


def test_settings_are_changed_by_key_and_value() -> None:
    changed = changed_settings(SETTINGS, ["annotations=5", "blind=false", "name=a=b"])
    assert (changed.annotations, changed.blind, changed.name) == (5, False, "a=b")
    for bad in ("annotations=6", "annotations", "colour=red", "order=best", "seed=x"):
        with pytest.raises(UsageError, match=bad.partition("=")[0]):
            changed_settings(SETTINGS, [bad])

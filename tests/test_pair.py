"""Pairs, annotations and HelpSteer2's inline turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from judge.pair import Annotation, Message, Pair, parse_prompt
from judge.verdict import NEITHER_VALID, flip_names
from tests import strategies


def pair(**changes: object) -> Pair:
    values = {
        "pair_id": "p",
        "prompt": [Message(role="user", content="Why?")],
        "response_1": "one",
        "response_2": "two",
    }
    return Pair.model_validate({**values, **changes})


@given(strategies.pairs)
def test_flipping_a_pair_twice_is_the_identity(pair: Pair) -> None:
    flipped = pair.flipped()
    assert flipped.flipped() == pair
    assert (flipped.response_1, flipped.response_2) == (pair.response_2, pair.response_1)
    assert (flipped.pair_id, flipped.prompt) == (pair.pair_id, pair.prompt)


@given(strategies.annotations)
def test_flipping_an_annotation_twice_is_the_identity(annotation: Annotation) -> None:
    assert annotation.flipped().flipped() == annotation


def test_flipping_an_annotation_exchanges_sign_and_names() -> None:
    annotation = Annotation(strength=-2, justification="@Response 1 is better than @response 2.")
    assert annotation.flipped() == Annotation(
        strength=2, justification="@Response 2 is better than @response 1."
    )


def test_neither_valid_stays_when_flipped() -> None:
    assert Annotation(strength=NEITHER_VALID).flipped().strength == NEITHER_VALID


@pytest.mark.parametrize("strength", [0, 4, -4, 100, -99])
def test_a_strength_off_the_scale_is_refused(strength: int) -> None:
    with pytest.raises(ValidationError, match="not on the scale"):
        Annotation(strength=strength)


@pytest.mark.parametrize(
    ("text", "flipped"),
    [
        ("@Response 1 and @Response 2", "@Response 2 and @Response 1"),
        ("@Response 1/2", "@Response 2/2"),
        ("@response1", "@response2"),
        ("@ Response 2", "@ Response 1"),
        ("@Response 12, @Response 3", "@Response 12, @Response 3"),
        ("Response 1", "Response 1"),
        ("@Response 1's", "@Response 2's"),
        ("", ""),
    ],
)
def test_names_are_exchanged_wherever_they_stand(text: str, flipped: str) -> None:
    assert flip_names(text) == flipped
    assert flip_names(flipped) == text


@given(strategies.named)
def test_exchanging_names_twice_is_the_identity(text: str) -> None:
    assert flip_names(flip_names(text)) == text
    assert len(flip_names(text)) == len(text)


@pytest.mark.parametrize(
    "prompt",
    [[], [Message(role="user", content="Hi"), Message(role="assistant", content="Hello")]],
)
def test_a_prompt_ends_with_the_user(prompt: list[Message]) -> None:
    with pytest.raises(ValidationError, match="must be the user's"):
        pair(prompt=prompt)


def test_text_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="response_1"):
        pair(response_1="half of a surrogate \ud800")


def test_a_label_is_no_part_of_a_pair() -> None:
    with pytest.raises(ValidationError, match="preference_strength"):
        pair(preference_strength=2)


def test_inline_turns_become_messages() -> None:
    text = "Hi\n<extra_id_1>Assistant\nHello.\nYou?\n<extra_id_1>User\nFine"
    assert parse_prompt(text) == (
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello.\nYou?"),
        Message(role="user", content="Fine"),
    )


def test_a_text_that_opens_with_a_marker_has_no_empty_first_turn() -> None:
    assert parse_prompt("<extra_id_1>User\nHi") == (Message(role="user", content="Hi"),)


@given(st.lists(strategies.plain.filter(bool), min_size=1, max_size=5).filter(lambda t: len(t) % 2))
def test_turns_survive_the_inline_form(turns: list[str]) -> None:
    text, *rest = turns
    for index, turn in enumerate(rest):
        text += f"\n<extra_id_1>{'User' if index % 2 else 'Assistant'}\n{turn}"
    assert [message.content for message in parse_prompt(text)] == turns

"""JSON objects that name a field twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import strict_json as onekey


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": 1, "a": true}',
        '{"a": 1, "a": 1.0}',
        '{"a": [1], "b": 0, "a": [1, 2]}',
        '[{"x": {"a": null, "a": 0}}]',
        '{"a": 1, "\\u0061": 2}',
    ],
)
def test_two_values_of_one_field_are_none(text: str) -> None:
    with pytest.raises(onekey.Ambiguous, match=r'the field "a" is given twice, with two values'):
        onekey.loads(text)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"a": 1}, {"a": 2}]', '{"a": {"a": 1}}'])
def test_what_is_said_twice_alike_is_said_once(text: str) -> None:
    assert onekey.loads(text) == json.loads(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_the_rest_is_json(value: object) -> None:
    assert onekey.loads(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", '{"a" 1}'])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        onekey.loads(text)

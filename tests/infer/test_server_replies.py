"""Replies of any shape: read, or broken in one line; nothing else is raised, nothing guessed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.infer.engines.server.http_faults import Broken, Declined, Fault, fault_of
from judge.infer.engines.server.replies import (
    choices_of,
    completions_of,
    log_probs_of,
    message_of_chat,
    models_of,
    prompt_tokens_of,
)

Reader = Callable[[dict[str, Any]], Any]
READERS: dict[str, Reader] = {
    "models": models_of,
    "choices": partial(choices_of, count=2),
    "completions": partial(completions_of, count=2),
    "chat": message_of_chat,
    "log-probabilities": partial(log_probs_of, count=2, wanted=[5]),
    "usage": prompt_tokens_of,
}
CHOICE = {
    "index": 0,
    "text": "Good.",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Good."}]},
    "finish_reason": "stop",
    "token_ids": [1, 2],
    "logprobs": {"top_logprobs": [{"token_id:5": -0.5, "token_id:10": -3}]},
}
GOOD: dict[str, Any] = {
    "data": [{"id": "a", "max_model_len": 9}, {"id": "b"}],
    "choices": [CHOICE, {**CHOICE, "index": 1}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "text", "type", "content", "id", "x"]), inner)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a reply."""
    here = [path] if path else []
    if not isinstance(value, dict | list):
        return here
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return here + [place for key, part in inner for place in places(part, (*path, key))]


@given(st.sampled_from(places(GOOD)), VALUES, st.sampled_from(sorted(READERS)))
def test_any_value_in_any_place_is_read_or_broken(
    place: tuple[Any, ...], value: Any, name: str
) -> None:
    reply = copy.deepcopy(GOOD)
    if name == "chat" and place[:2] != ("choices", 1):
        del reply["choices"][1:]
    *way, last = place
    at: Any = reply
    for key in way:
        at = at[key]
    at[last] = value
    try:
        READERS[name](reply)
    except Fault as fault:
        assert isinstance(fault, Broken | Declined) and "\n" not in fault.what


@given(st.dictionaries(st.sampled_from(["data", "choices", "usage", "error"]), VALUES))
def test_any_reply_is_read_or_broken(reply: dict[str, Any]) -> None:
    for read in READERS.values():
        try:
            read(reply)
        except Fault as fault:
            assert isinstance(fault, Broken | Declined)


@given(VALUES | st.dictionaries(st.sampled_from(["error", "message", "code"]), VALUES))
def test_any_error_is_one(value: Any) -> None:
    try:
        said = orjson.dumps(value)
    except TypeError:
        return
    for status in (204, 302, 400, 429, 500):
        fault = fault_of(status, {"retry-after": str(value)}, said, "none")
        assert str(status) in fault.what and (fault.retry_after or 0) >= 0


@pytest.mark.parametrize(
    "name", [n for n in READERS if n not in ("usage", "chat")]
)  # a chat has one choice
def test_a_good_reply_is_read(name: str) -> None:
    assert READERS[name](GOOD)


TWICE = {"top_logprobs": [{"token_id:5": -1, "token_id:05": -2}]}
AMBIGUOUS: dict[str, tuple[str, dict[str, Any]]] = {
    "two choices for one prompt": ("chat", GOOD),
    "an index twice": ("completions", {"choices": [CHOICE, CHOICE]}),
    "no index": ("completions", {"choices": [{**CHOICE, "index": None}] * 2}),
    "true for 1": ("completions", {"choices": [CHOICE, {**CHOICE, "index": True}]}),
    "an error beside choices": ("completions", {**GOOD, "error": {"message": "overloaded"}}),
    "a model twice": ("models", {"data": [{"id": "a"}, {"id": "a", "max_model_len": 9}]}),
    "a token in two writings": (
        "log-probabilities",
        {"choices": [{**CHOICE, "index": i, "logprobs": TWICE} for i in range(2)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_says_two_things_says_nothing(name: str) -> None:
    reader, reply = AMBIGUOUS[name]
    with pytest.raises(Broken):
        READERS[reader](reply)


def test_a_model_that_a_balancer_lists_twice_is_one() -> None:
    card = {"id": "a", "max_model_len": 9}
    assert (
        models_of({"data": [{**card, "created": 1}, {**card, "created": 2}]})["a"]["created"] == 1
    )

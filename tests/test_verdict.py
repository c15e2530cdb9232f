"""The statement grammar: rendered, constrained and parsed by one module that agrees with itself."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.verdict import (
    JUSTIFY_REGEX,
    STATEMENT_REGEX,
    STRENGTHS,
    Distribution,
    Verdict,
    flip_names,
    parse_completion,
    parse_statement,
    render_statement,
    sigmoid,
)
from tests import strategies

STATEMENTS = [render_statement(strength) for strength in STRENGTHS]

near_statements = st.one_of(
    st.sampled_from(STATEMENTS),
    st.sampled_from(STATEMENTS).flatmap(lambda s: st.integers(0, len(s)).map(lambda n: s[:n])),
    st.sampled_from(["\n", " ", "@", "@Response ", "@Response 1 is ", "\t", "\x1c", "\u2028"]),
    strategies.plain,
)
texts = st.lists(near_statements, max_size=6).map("".join)


def test_the_six_statements() -> None:
    assert STATEMENTS == [
        "@Response 1 is much better than @Response 2.",
        "@Response 1 is better than @Response 2.",
        "@Response 1 is slightly better than @Response 2.",
        "@Response 2 is slightly better than @Response 1.",
        "@Response 2 is better than @Response 1.",
        "@Response 2 is much better than @Response 1.",
    ]


@pytest.mark.parametrize("strength", [0, -100, 4, -4])
def test_other_numbers_have_no_statement(strength: int) -> None:
    with pytest.raises(ValueError, match="no statement"):
        render_statement(strength)


@given(strategies.strengths)
def test_a_statement_parses_to_its_strength_and_flips_with_it(strength: int) -> None:
    statement = render_statement(strength)
    assert parse_statement(statement) == strength
    assert re.fullmatch(STATEMENT_REGEX, statement)
    assert flip_names(statement) == render_statement(-strength)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@Response 1 is better than @Response 1.",
        "@Response 3 is better than @Response 1.",
        "@Response 1 is better than @Response 2",
        "@response 1 is better than @response 2.",
        "Response 1 is better than Response 2.",
        "@Response 1 is worse than @Response 2.",
        "@Response 1 is not better than @Response 2.",
        "@Response 1 is  better than @Response 2.",
        "@Response 1 is slightly better than @Response 2. Indeed.",
        "Overall, @Response 1 is better than @Response 2.",
        "@Response 1 is better than @Response 2.\n@Response 2 is better than @Response 1.",
        "**@Response 1 is better than @Response 2.**",
        "@Response \u0661 is better than @Response 2.",
    ],
)
def test_other_wording_is_no_statement(text: str) -> None:
    assert parse_statement(text) is None


@given(texts)
def test_only_a_statement_parses(text: str) -> None:
    found = parse_statement(text)
    assert (found is not None) == bool(re.fullmatch(STATEMENT_REGEX, text.strip()))
    assert found is None or render_statement(found) == text.strip()


@given(texts, strategies.strengths)
def test_a_completion_parses_to_what_it_was_made_of(elaboration: str, strength: int) -> None:
    assert parse_completion(f"{elaboration}\n{render_statement(strength)}") == (
        strength,
        elaboration.strip(),
    )


@given(texts)
def test_what_the_constraint_allows_can_be_parsed(text: str) -> None:
    if re.fullmatch(JUSTIFY_REGEX, text):
        parsed = parse_completion(text)
        assert parsed is not None
        assert parsed[1]


@given(texts, strategies.strengths)
def test_what_can_be_parsed_with_a_text_before_it_is_allowed(text: str, strength: int) -> None:
    completion = f"{text}\n{render_statement(strength)}"
    opens_freely = re.match(r"[^@\s]", text) is not None
    if opens_freely:
        assert re.fullmatch(JUSTIFY_REGEX, completion)


@given(st.sampled_from(STATEMENTS), texts, strategies.strengths)
def test_a_completion_that_opens_with_a_statement_is_never_allowed(
    opening: str, text: str, strength: int
) -> None:
    assert not re.fullmatch(JUSTIFY_REGEX, opening)
    assert not re.fullmatch(JUSTIFY_REGEX, f"{opening}{text}\n{render_statement(strength)}")


@pytest.mark.parametrize(
    "elaboration",
    ["@Response 1 gives an example.", "@Response 2's list is right.", "Both agree.", "@Both", "7"],
)
def test_an_elaboration_may_open_with_a_name(elaboration: str) -> None:
    assert re.fullmatch(JUSTIFY_REGEX, f"{elaboration}\n{STATEMENTS[0]}")


@pytest.mark.parametrize("elaboration", ["", " ", "\n", "\n\n", " Text"])
def test_an_elaboration_is_text_from_its_first_character(elaboration: str) -> None:
    assert not re.fullmatch(JUSTIFY_REGEX, f"{elaboration}\n{STATEMENTS[0]}")


def test_a_statement_quoted_in_the_elaboration_never_counts() -> None:
    text = f"It says: {STATEMENTS[5]}\n{STATEMENTS[5]}\nThat is wrong.\n{STATEMENTS[1]}\n"
    assert parse_completion(text) == (
        -2,
        f"It says: {STATEMENTS[5]}\n{STATEMENTS[5]}\nThat is wrong.",
    )
    assert parse_completion(f"{STATEMENTS[5]} It is.") is None
    assert parse_completion(f"It is. {STATEMENTS[5]}") is None
    assert parse_completion(STATEMENTS[5]) == (3, "")


@pytest.fixture(scope="module")
def compiled(mini_tokenizer: Any) -> Any:
    """The constraint compiled over the mini judge's vocabulary."""
    from outlines_core import Index, Vocabulary

    backend, eos = mini_tokenizer.backend_tokenizer, mini_tokenizer.eos_token_id
    tokens: dict[str, list[int]] = {}
    for token in range(backend.get_vocab_size()):
        text = backend.decode([token], skip_special_tokens=True)
        if text and "\ufffd" not in text:
            tokens.setdefault(text, []).append(token)
    return Index(JUSTIFY_REGEX, Vocabulary(eos, tokens))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (f"Right.\n{STATEMENTS[0]}", True),
        (f"@Response 1 is right.\n{STATEMENTS[4]}", True),
        (STATEMENTS[0], False),
        (f"{STATEMENTS[0]}\n{STATEMENTS[0]}", False),
        (f"Right. {STATEMENTS[0]}", False),
        ("Right.", False),
    ],
)
def test_the_constraint_compiles_and_means_the_same_over_tokens(
    compiled: Any, mini_tokenizer: Any, text: str, allowed: bool
) -> None:
    from outlines_core import Guide

    assert bool(re.fullmatch(JUSTIFY_REGEX, text)) == allowed
    guide = Guide(compiled)
    ids = mini_tokenizer(text, add_special_tokens=False)["input_ids"]
    accepted = guide.accepts_tokens(ids)
    if accepted:
        for token in ids:
            guide.advance(token)
        # Free text may go on for ever; it is finished only where the end may follow.
        accepted = mini_tokenizer.eos_token_id in guide.get_tokens()
    assert accepted == allowed


def test_probabilities_by_hand() -> None:
    quarters = [0.1, 0.2, 0.3, 0.05, 0.15, 0.2]
    distribution = Distribution.model_validate({"log_probs": [math.log(p) for p in quarters]})
    assert distribution.probability == pytest.approx(0.6)
    assert distribution.log_odds == pytest.approx(math.log(0.6 / 0.4))
    assert distribution.strength == -1
    assert distribution.flipped().strength == 1
    assert distribution.flipped().probability == pytest.approx(0.4)


def test_the_likelier_response_comes_before_the_likeliest_statement() -> None:
    # "Response 2 is better" is the likeliest statement, Response 1 the likelier response.
    shares = [0.2, 0.2, 0.2, 0.0001, 0.3998, 0.0001]
    distribution = Distribution.model_validate({"log_probs": [math.log(p) for p in shares]})
    assert distribution.strength == -1


@given(strategies.distributions)
def test_flipping_a_distribution(distribution: Distribution) -> None:
    flipped = distribution.flipped()
    assert flipped.flipped() == distribution
    assert flipped.log_odds == -distribution.log_odds
    assert flipped.probability == pytest.approx(1 - distribution.probability)
    assert distribution.log_odds == 0 or flipped.strength == -distribution.strength


@given(strategies.verdicts())
def test_flipping_a_verdict_twice_is_the_identity(verdict: Verdict) -> None:
    flipped = verdict.flipped()
    assert flipped.flipped() == verdict
    assert flipped.statement == render_statement(flipped.strength)
    assert flipped.strength == -verdict.strength


@pytest.mark.parametrize(
    ("log_odds", "probability"),
    [(0, 0.5), (math.inf, 1), (-math.inf, 0), (1e4, 1), (-1e4, 0), (math.log(3), 0.75)],
)
def test_sigmoid(log_odds: float, probability: float) -> None:
    assert sigmoid(log_odds) == pytest.approx(probability)

"""Examples of a pair: styles, sets, flipped copies."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.annotated import AnnotatedPair
from judge.consensus import consensus
from judge.data.justification import split_justification
from judge.data.sets import Example, Style, examples_of
from judge.pair import Annotation, Message, Pair
from judge.verdict import STRENGTHS, parse_completion

STYLES: tuple[Style, ...] = ("elaboration_first", "statement_first", "statement_only", "label_only")
PAIR = Pair(
    pair_id="p", prompt=(Message(role="user", content="Q"),), response_1="one", response_2="two"
)


def build(
    *people, keep_zeros=False, justifications="overall", styles=STYLES, flipped=False, seed=1
):
    annotations = tuple(Annotation(strength=s, justification=j) for s, j in people)
    row = AnnotatedPair(split="train", pair=PAIR, annotations=annotations, source="s")
    return examples_of(
        row,
        consensus(annotations, keep_zeros=keep_zeros),
        [split_justification(a.justification) for a in annotations],
        justifications=justifications,
        styles=styles,
        flipped=flipped,
        seed=seed,
    )


def test_completions_of_every_style():
    reason = "@Response 2 is better than @Response 1. @Response 1 is rude."
    examples, missing = build((3, reason))
    statement = "@Response 2 is much better than @Response 1."  # of the number, not of the words
    assert [e.completion for e in examples] == [
        f"@Response 1 is rude.\n{statement}",
        f"{statement}\n@Response 1 is rude.",
        statement,
        "2",
    ]
    assert not missing
    assert parse_completion(examples[0].completion) == (3, "@Response 1 is rude.")


def test_flipped_copies_follow():
    examples, _ = build((-1, "@Response 1 is better. @Response 2 lies."), flipped=True)
    assert [e.order for e in examples] == ["given", "flipped"] * 4
    copy = examples[1]
    assert copy.completion == "@Response 1 lies.\n@Response 2 is slightly better than @Response 1."
    assert (copy.pair.response_1, copy.pair.response_2, copy.strength) == ("two", "one", 1)
    assert examples[7].completion == "2"


def test_overall_draws_among_those_who_gave_the_overall_strength():
    people = [(1, f"@Response 2 is better. Reason {n}.") for n in "ab"]
    people += [(2, "@Response 2 is better. Not this."), (1, "No statement.")]
    seen = {
        example.elaboration
        for seed in range(30)
        for example in build(*people, styles=["elaboration_first"], seed=seed)[0]
    }
    assert seen == {"Reason a.", "Reason b."}
    assert build(*people, seed=5) == build(*people, seed=5)


def test_all_uses_the_three_most_similar_with_their_own_strength():
    people = [(s, f"@Response 2 is better. Reason {n}.") for n, s in enumerate([-3, 1, 2, 1])]
    examples, _ = build(*people, justifications="all", styles=["elaboration_first", "label_only"])
    assert [(e.strength, e.elaboration) for e in examples] == [
        (1, "Reason 1."),
        (2, "Reason 2."),
        (1, "Reason 3."),
        (1, ""),
    ]


def test_all_can_use_an_undecided_pair():
    people = [(s, "@Response 1 is better. It is so.") for s in (-1, -1, 1)]
    examples, missing = build(
        *people, justifications="all", keep_zeros=True, styles=["elaboration_first", "label_only"]
    )
    assert [e.strength for e in examples] == [-1, -1, 1]
    assert missing == Counter({("label_only", "undecided"): 1})


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([(1, "@Response 2 is better. So."), (3, "")], "no_annotator_at_overall"),
        ([(1, "It is so.")], "no_statement"),
        ([(1, "@Response 2 is better.")], "no_elaboration"),
        ([(1, "@Response 2 is better. The first one lies.")], "names_by_place"),
    ],
)
def test_a_style_without_example_says_why(people, reason):
    examples, missing = build(*people, styles=["elaboration_first", "statement_only"], flipped=True)
    assert [e.style for e in examples] == ["statement_only"] * 2
    assert missing == Counter({("elaboration_first", reason): 1})


def test_names_by_place_only_matter_to_flipped_copies():
    examples, missing = build((1, "@Response 2 is better. The first one lies."))
    assert len(examples) == 4
    assert not missing


@given(
    st.sampled_from(STYLES),
    st.sampled_from(STRENGTHS),
    st.one_of(st.text(), st.sampled_from(["@Response 1 lies", "@response 2, @ Response 1"])),
    st.text(),
)
def test_flipping_twice_is_the_identity(style, strength, elaboration, response):
    pair = PAIR.model_copy(update={"response_1": response})
    example = Example(pair=pair, style=style, strength=strength, elaboration=elaboration)
    assert example.flipped().flipped() == example
    assert example.flipped().completion != example.completion

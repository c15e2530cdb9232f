"""Strengths, stages, justifications, keywords, lengths and the joint distribution, by hand."""

import time
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from scipy.stats import pearsonr

from judge.annotated import ATTRIBUTES, RatedResponse
from judge.data.split import prompt_key
from judge.data.statistics.helpfulness import Joint, RatingIndex
from judge.data.statistics.justifications import Justifications, measure
from judge.data.statistics.keywords import WORDS, keywords
from judge.data.statistics.lengths import ResponseLengths
from judge.data.statistics.numbers import Moments, interval
from judge.data.statistics.ratings import RatingCounts
from judge.data.statistics.report import rounded
from judge.data.statistics.stages import OTHER, SOURCES, Stages
from judge.data.statistics.strengths import Strengths
from judge.pair import Message, Pair
from judge.verdict import STRENGTHS, flip_names, render_statement
from tests.strategies import named

ASK = (Message(role="user", content="Why?"),)


def pair(response_1="one", response_2="two", prompt=ASK):
    return Pair(pair_id="p", prompt=prompt, response_1=response_1, response_2=response_2)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_moments_are_those_of_the_library(values):
    moments = Moments()
    for value in values:
        moments.add(value)
    found = moments.report().model_dump()
    assert found["mean"] == pytest.approx(fmean(values))
    assert found["sd"] == pytest.approx(pstdev(values), abs=1e-6)
    assert found["most"] == max(values)


def test_wilsons_interval_of_the_textbook():
    """Newcombe 1998: 81 of 263 gives 0.2553 to 0.3662."""
    assert interval(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert interval(0, 0) is None
    assert interval(0, 20)[0] == 0


def test_rounding_reaches_everything_and_leaves_no_negative_zero():
    class Found(BaseModel):
        a: tuple[float, tuple[float]] = (-1e-9, (1 / 3,))
        b: float | None = None
        c: int = 2

    assert str(rounded(Found())) == "a=(0.0, (0.333333,)) b=None c=2"


def test_strengths_by_hand():
    strengths = Strengths()
    for value in (-3, -1, 0, 1, 1):
        strengths.add(value)
    found = strengths.report().model_dump()
    assert found["count"] == 5
    assert found["mean"] == pytest.approx(-0.4)
    assert found["sd"] == pytest.approx(np.std([-3, -1, 0, 1, 1]))
    assert found["shares"] == {"response_1": 0.4, "zero": 0.2, "response_2": 0.4}
    assert found["slightly_better"] == {"response_1": 0.2, "response_2": 0.4}
    assert found["response_2_of_decided"] == 0.5
    assert found["by_strength"]["1"] == {"count": 2, "share": 0.4}
    assert Strengths().report().model_dump()["mean"] is None


def test_stages_add_up_and_sources_stay_few():
    stages = Stages()
    stages.add("train", "a", 3, 2, None)
    stages.add("train", "a", 3, 3, "spread")
    stages.add("val", "b", 1, 0, "no_valid_annotation")
    stages.add("val", "b", 3, 3, "zero")
    found = stages.report().model_dump()
    assert found["all"] == {
        "read": 4,
        "annotations": 10,
        "neither_valid": 2,
        "few_annotations": 2,
        "few_annotations_share": 0.5,
        "dropped": {"no_valid_annotation": 1, "spread": 1, "zero": 1},
        "with_consensus": 2,
        "kept": 1,
    }
    assert found["by_split"]["train"]["kept"] == found["by_source"]["a"]["kept"] == 1
    assert found["by_split_and_source"]["val"]["b"]["dropped"]["zero"] == 1
    for number in range(2 * SOURCES):
        stages.add("train", f"source {number}", 1, 1, None)
    sources = stages.report().model_dump()["by_source"]
    assert len(sources) == SOURCES + 1
    assert sources[OTHER]["read"] == SOURCES + 2


REASON = "@Response 1 is better than @Response 2 because it is accurate, accurate and concise."


def test_a_justification_is_measured_by_hand():
    found = measure(f"Overall, {REASON} It helps.")
    assert found is not None
    assert (found.position, found.better, found.both_named) == ("first", 1, True)
    assert found.causes == {"because"}
    assert found.keywords == {"accurate", "concise"}
    assert found.sizes == {
        "sentences": 2,
        "characters": len(f"Overall, {REASON} It helps."),
        "words": 17,
        "statement_words": 14,
        "elaboration_words": 2,
    }
    assert measure(" \n") is None


@pytest.mark.parametrize(
    ("statement", "causes"),
    [
        ("@Response 1 is better due to its tone", {"due to"}),
        ("@Response 1 is better owing to its tone", {"owing to"}),
        ("@Response 1 is better since it is short", {"since"}),
        ("@Response 1 is better as it is short", {"as it, they, this"}),
        ("@Response 1 is better, as good as it gets", {"as it, they, this"}),
        ("@Response 1 is better BECAUSE of it, thanks to care", {"because", "thanks to"}),
        ("@Response 1 is better as well", set()),
    ],
)
def test_words_of_cause(statement, causes):
    found = measure(statement)
    assert found is not None and found.causes == causes


def test_what_is_counted_of_justifications():
    counted = Justifications()
    texts = {
        REASON: -2,  # agrees, both named
        "@Response 2 is better.": -1,  # contradicts, one named
        "It is short.": 3,  # no statement
        "": 1,  # empty
    }
    for text, strength in texts.items():
        counted.add(measure(text), strength)
    found = counted.report().model_dump()
    assert (found["count"], found["empty"], found["with_statement"]) == (3, 1, 2)
    assert found["positions"]["none"] == {"count": 1, "share": pytest.approx(1 / 3)}
    statements = found["statements"]
    assert statements["both_named"]["share"] == 0.5
    assert statements["contradict_strength"] == {"count": 1, "share": 0.5}
    assert statements["better"]["response_1"]["count"] == 1
    assert statements["better"]["response_2"]["count"] == 1
    assert statements["causes"]["because"]["share"] == statements["causes"]["any"]["share"] == 0.5
    assert sum(found["words_histogram"].values()) == 3
    assert found["keywords"]["justifications"] == 3


@given(named)
def test_names_are_those_that_flipping_exchanges(text):
    """Both named: exactly where replacing either name by the other changes the statement."""
    found = measure(f"{render_statement(2)[:-1]} because {text}")
    flipped = measure(flip_names(f"{render_statement(2)[:-1]} because {text}"))
    assert found is not None and flipped is not None
    assert (found.better, flipped.better) == (2, 1)
    assert found.both_named and flipped.both_named
    assert found.sizes == flipped.sizes
    assert (found.position, found.causes, found.keywords) == (
        flipped.position,
        flipped.causes,
        flipped.keywords,
    )


def test_keywords_are_lower_cased_cleaned_and_counted_once():
    assert keywords("ACCURATE! accurate; (accurate) in-accurate") == {"accurate", "inaccurate"}
    assert keywords("well-structured, clear_er") == {"clearer"}
    assert keywords("correctnessless incorrect") == {"incorrect"}
    assert keywords("") == frozenset()


def test_word_lists_are_clean():
    words = [word for of in WORDS.values() for word in of]
    assert set(WORDS) == set(ATTRIBUTES)
    assert len(words) == len(set(words))
    assert all(keywords(word) == {word} for word in words)


def test_lengths_by_hand():
    lengths = ResponseLengths()
    lengths.add(pair("aaaa", "bb"), -1)  # longer preferred, 2 times as long
    lengths.add(pair("aaaa", "bb bb bb"), -1)  # shorter preferred, by words 3 times
    lengths.add(pair("aa", "bb"), 3)  # equal
    lengths.add(pair("aa", "bbbbbbbb"), 0)  # no preferred response
    characters = lengths.report()["characters"].model_dump()
    assert characters["preferred"]["mean"] == pytest.approx(10 / 3)
    assert characters["other"]["mean"] == pytest.approx(12 / 3)
    assert (characters["equal"], characters["unequal"], characters["share"]) == (1, 2, 0.5)
    assert characters["by_ratio"]["1.5 to 2"]["unequal"] == 2
    words = lengths.report()["words"].model_dump()
    assert (words["equal"], words["unequal"], words["longer_preferred"]) == (2, 1, 0)
    assert words["by_ratio"]["over 2"]["share"] == 0
    assert words["by_ratio"]["up to 1.1"]["share"] is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0, *STRENGTHS]), st.integers(-12, 12)), min_size=2, max_size=40
    )
)
def test_pearsons_r_is_scipys(rows):
    joint = Joint()
    for strength, thirds in rows:
        joint.add(strength, thirds / 3, kept=strength != 0)
    found = joint.report().model_dump()["with_consensus"]["pearson_r"]
    strengths, differences = zip(*((s, t / 3) for s, t in rows), strict=True)
    if len(set(strengths)) > 1 and len(set(differences)) > 1:
        assert found == pytest.approx(pearsonr(strengths, differences).statistic, abs=1e-9)
    else:
        assert found is None


def test_the_joint_distribution_has_strengths_as_rows():
    joint = Joint()
    joint.add(-3, -4, kept=True)
    joint.add(0, 1.4, kept=False)
    found = joint.report().model_dump()
    assert found["matrix"][0][0] == 1
    assert found["matrix"][3][5] == 1
    assert (found["with_consensus"]["pairs"], found["kept"]["pairs"]) == (2, 1)


def test_ratings_are_found_by_prompt_and_response():
    index = RatingIndex()
    key = prompt_key(ASK)
    for response, helpfulness in (("one", 4), ("two", 1), ("two", 2)):
        index.add(key, response, helpfulness)
    assert index.find(key, "one") is None  # not closed yet
    index.close()
    assert len(index) == 2
    assert index.find(key, " one\n") == 4
    assert index.find(key, "two") == 1.5
    assert index.find(key, "three") is None
    assert index.find(prompt_key((Message(role="user", content="Who?"),)), "one") is None


def rated(response, **ratings):
    return RatedResponse(
        split="train", rating_id=response, prompt=ASK, response=response, ratings=ratings
    )


def test_ratings_by_the_rules_of_helpsteer2():
    ratings = RatingCounts(3, 2)
    ratings.add(rated("one", helpfulness=(0, 0, 0, 0, 4), correctness=(1, 1, 1, 1, 3)))
    ratings.add(rated("two", helpfulness=(1, 2, 4), correctness=(1, 1, 1)))  # dropped
    ratings.add(rated("three", helpfulness=(3,)))  # a released mean
    ratings.add(rated("four", verbosity=(2, 2.5)))  # no people's ratings
    ratings.close()
    found = ratings.report().model_dump()
    assert found["responses"] == 4
    assert found["with_several_ratings"] == 3
    assert found["not_whole_numbers"] == 1
    assert found["dropped"]["helpfulness_spread"] == 1
    assert found["agreement"]["helpfulness"]["collected"]["items"] == 2
    kept = found["agreement"]["helpfulness"]["kept"]
    assert (kept["items"], kept["annotations"], kept["kappa"]) == (1, 3, None)
    # The same three people speak for correctness: the one who said 3 is not among them.
    assert found["agreement"]["correctness"]["kept"]["matrix"][1][1] == 6
    assert ratings.difference(pair("one", "three")) == 3
    assert ratings.difference(pair("three", "one")) == -3
    assert ratings.difference(pair("one", "two")) is None


def test_a_released_rating_goes_before_ours():
    ratings = RatingCounts(3, 2)
    ratings.add(rated("one", helpfulness=(2, 2, 2)))
    ratings.add(rated("one", helpfulness=(4,)))
    ratings.add(rated("two", helpfulness=(1, 1, 1)))
    ratings.close()
    assert ratings.difference(pair("one", "two")) == -3


@pytest.mark.parametrize("unit", ["a", " ", "\x00", "@Response 1 ", "because ", "<b>", "accurate_"])
def test_a_hostile_megabyte_takes_linear_time(unit):
    start = time.process_time()
    for text in (unit * (1_000_000 // len(unit)), REASON + unit * (1_000_000 // len(unit))):
        counted = Justifications()
        counted.add(measure(text), 1)
        counted.report()
    assert time.process_time() - start < 30  # a second; what is not linear takes hours

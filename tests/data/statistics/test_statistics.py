"""Laws of all statistics: flipped data flips them, the order of annotations changes nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.annotated import AnnotatedPair, RatedResponse
from judge.data.statistics.pairs import Statistics
from judge.data.statistics.ratings import RatingCounts
from judge.data.statistics.report import PairsReport, rounded
from judge.pair import Message, Pair
from tests.strategies import annotations, named

ASK = (Message(role="user", content="Why?"),)
RESPONSES = ("one", "two words", "three whole words", "four")

# Six annotations can hold two choices that mirror each other; no order tells them apart.
rows = st.builds(
    AnnotatedPair,
    split=st.sampled_from(["train", "val"]),
    pair=st.builds(
        Pair,
        pair_id=st.just("p"),
        prompt=st.just(ASK),
        response_1=st.sampled_from(RESPONSES) | named,
        response_2=st.sampled_from(RESPONSES) | named,
    ),
    annotations=st.lists(annotations, max_size=5).map(tuple),
    source=st.sampled_from(["here", "there"]),
)
sets = st.lists(rows, max_size=8)


def report(rows, **rules):
    ratings = RatingCounts(3, 2)
    for helpfulness, response in enumerate(RESPONSES):
        ratings.add(
            RatedResponse(
                split="train",
                rating_id=response,
                prompt=ASK,
                response=response,
                ratings={"helpfulness": (helpfulness,)},
            )
        )
    ratings.close()
    statistics = Statistics(ratings, **rules)
    for row in rows:
        statistics.add(row)
    return statistics.report().model_dump()


def written(report):
    return rounded(PairsReport.model_validate(report))


def swapped(by_position):
    return {
        "response_1": by_position["response_2"],
        "response_2": by_position["response_1"],
        **({"zero": by_position["zero"]} if "zero" in by_position else {}),
    }


def mirrored(matrix):
    return [row[::-1] for row in matrix[::-1]]


def flipped(report):
    """The report that flipped data must have."""
    found = {**report}
    found["strengths"] = {name: flipped_strengths(of) for name, of in report["strengths"].items()}
    found["agreement"] = {
        name: {**of, "matrix": mirrored(of["matrix"])} for name, of in report["agreement"].items()
    }
    found["helpfulness"] = {
        **report["helpfulness"],
        "matrix": mirrored(report["helpfulness"]["matrix"]),
    }
    found["justifications"] = {
        name: {
            **of,
            "statements": {**of["statements"], "better": swapped(of["statements"]["better"])},
        }
        for name, of in report["justifications"].items()
    }
    return found


def flipped_statements(of):
    return {**of, "better": swapped(of["better"])}


def flipped_strengths(of):
    share, ends = of["response_2_of_decided"], of["response_2_of_decided_interval"]
    return {
        **of,
        "mean": None if of["mean"] is None else -of["mean"],
        "shares": swapped(of["shares"]),
        "slightly_better": swapped(of["slightly_better"]),
        "response_2_of_decided": None if share is None else 1 - share,
        "response_2_of_decided_interval": None if ends is None else [1 - ends[1], 1 - ends[0]],
        "by_strength": {f"{-int(key)}": value for key, value in of["by_strength"].items()},
    }


@given(sets)
def test_flipped_data_flips_every_statistic(rows):
    found = report([row.flipped() for row in rows])
    assert written(found) == written(flipped(report(rows)))


@given(sets, st.integers(0, 100))
def test_no_order_matters(rows, seed):
    drawn = random.Random(seed)
    shuffled = [
        row.model_copy(
            update={"annotations": tuple(drawn.sample(row.annotations, len(row.annotations)))}
        )
        for row in rows
    ]
    drawn.shuffle(shuffled)
    assert report(shuffled) == report(rows)


@given(sets)
def test_the_parts_agree_with_each_other(rows):
    found = report(rows)
    stages = found["stages"]["all"]
    useful = stages["annotations"] - stages["neither_valid"]
    assert stages["read"] == len(rows)
    assert found["strengths"]["annotations"]["count"] == useful
    assert found["strengths"]["with_consensus"]["count"] == stages["with_consensus"]
    assert found["strengths"]["kept"]["count"] == stages["kept"]
    assert stages["kept"] == stages["with_consensus"] - stages["dropped"]["zero"]
    sets = found["justifications"]
    assert sets["useful"]["count"] + sets["useful"]["empty"] == useful
    assert sets["all_set"]["with_statement"] == found["justification_sets"]["all"]["total"]
    assert found["justification_sets"]["overall"]["total"] <= stages["kept"]


def row(*strengths, texts=()):
    texts = texts or ("",) * len(strengths)
    return AnnotatedPair(
        split="train",
        pair=Pair(pair_id="p", prompt=ASK, response_1="one", response_2="four"),
        annotations=[
            {"strength": s, "justification": text} for s, text in zip(strengths, texts, strict=True)
        ],
    )


def test_the_papers_examples():
    found = report([row(-3, -1, 2, 3), row(-1, -1, 1), row(-100, 2, 2, 3)])
    stages = found["stages"]["all"]
    assert stages["dropped"] == {"no_valid_annotation": 0, "spread": 1, "zero": 1}
    assert (stages["neither_valid"], stages["kept"]) == (1, 1)
    assert found["strengths"]["with_consensus"]["mean"] == 1
    assert found["strengths"]["kept"]["mean"] == 2
    assert found["agreement"]["collected"]["items"] == 3
    assert found["agreement"]["with_consensus"]["annotations"] == 6
    assert found["agreement"]["kept"]["annotations"] == 3
    # Response 2, "four", has helpfulness 3, and "one" 0.
    assert found["helpfulness"]["kept"]["pairs"] == 1
    assert found["helpfulness"]["matrix"][5][7] == 1


@pytest.mark.parametrize(
    ("rules", "dropped", "kept"),
    [
        ({}, {"no_valid_annotation": 0, "spread": 1, "zero": 1}, 0),
        ({"keep_zeros": True}, {"no_valid_annotation": 0, "spread": 1, "zero": 0}, 1),
        ({"max_spread": None}, {"no_valid_annotation": 0, "spread": 0, "zero": 1}, 1),
        ({"similar": None}, {"no_valid_annotation": 0, "spread": 1, "zero": 1}, 0),
        ({"similar": 2}, {"no_valid_annotation": 0, "spread": 0, "zero": 0}, 2),
    ],
)
def test_rules_are_options(rules, dropped, kept):
    found = report([row(-3, -1, 2, 3), row(-1, -1, 1)], **rules)
    assert found["stages"]["all"]["dropped"] == dropped
    assert found["stages"]["all"]["kept"] == kept


def test_sets_hold_what_prepare_would_draw_from():
    states = "@Response 2 is better."
    found = report(
        [
            # Overall 2: one of two at 2 has a statement; the All set has three candidates.
            row(2, 2, 3, 3, -3, texts=(states, "Nice.", states, states, states)),
            # Overall 0: in the All set only.
            row(1, 1, -1, texts=(states, "", "@Response 1 is better.")),
            # Nobody gave the overall 1.
            row(2, 1, -1, texts=("Nice.", "Nice.", "Nice.")),
        ]
    )
    assert found["justification_sets"]["all"] == {"total": 4, "train": 4}
    assert found["justification_sets"]["overall"] == {"total": 1, "train": 1}

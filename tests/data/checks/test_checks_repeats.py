"""Rows and prompts that repeat each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.annotated import RatedResponse
from judge.data.checks.corpus import Corpus
from judge.data.checks.findings import Finding
from judge.data.checks.grams import words
from judge.data.checks.near import Banding, clusters, jaccard, shingles
from judge.data.checks.repeats import repeat_findings
from judge.data.checks.rows import CheckedRow, row_of
from judge.pair import parse_prompt
from tests.data.checks.material import FIRST, PROMPT, SECOND, row

OTHER = "Which of these two sentences about the sea near Iceland should a pupil learn by heart?"
FIRST_BETTER = ((-2, "@Response 1 is better than @Response 2."),)
SECOND_BETTER = ((2, "@Response 2 is better than @Response 1."),)


def repeats(*rows: CheckedRow, near: float = 0.8) -> dict[str, Finding]:
    corpus = Corpus(near > 0)
    for item in rows:
        corpus.add(item)
    found = list(repeat_findings(corpus, rows, near))
    assert len({f.check for f in found}) == len(found)
    return {f.check: f for f in found}


def test_rows_that_have_nothing_in_common() -> None:
    assert repeats(row("a"), row("b", prompt=OTHER)) == {}


def test_the_same_row_twice_but_for_case_of_the_prompt_and_white_space() -> None:
    spaced = FIRST.replace(" ", "\n ", 1)
    found = repeats(row("b"), row("a", prompt=PROMPT.upper(), responses=(spaced, SECOND)))
    assert found.keys() == {"duplicate_row"}
    assert found["duplicate_row"].ids == ("a", "b")
    assert found["duplicate_row"].detail == "2 times"
    assert found["duplicate_row"].excerpt == PROMPT.upper()


@pytest.mark.parametrize(
    ("responses", "said", "check"),
    [
        ((FIRST, SECOND), SECOND_BETTER, "contradicting_duplicate"),
        ((SECOND, FIRST), FIRST_BETTER, "contradicting_duplicate"),
        ((SECOND, FIRST), SECOND_BETTER, "duplicate_row"),
        ((SECOND, FIRST), ((-100, ""),), "duplicate_row"),
    ],
)
def test_labels_contradict_each_other_in_either_order(
    responses: tuple[str, str], said: tuple[tuple[int, str], ...], check: str
) -> None:
    found = repeats(row("a", said=FIRST_BETTER), row("b", responses=responses, said=said))
    assert found.keys() == {check}
    assert ("1 in flipped order" in found[check].detail) == (responses[0] == SECOND)


def test_ratings_of_one_response() -> None:
    def rated(name: str, helpfulness: float) -> CheckedRow:
        prompt = parse_prompt(PROMPT)
        ratings = {"helpfulness": (helpfulness,)}
        item = {"split": "train", "rating_id": name, "prompt": prompt, "response": FIRST}
        return row_of(RatedResponse.model_validate(item | {"ratings": ratings}))

    assert repeats(rated("a", 1), rated("b", 3)).keys() == {"duplicate_row"}
    assert repeats(rated("a", 1), rated("b", 3.5)).keys() == {"contradicting_duplicate"}
    assert repeats(rated("a", 1), row("b")) == {}, "a pair and a rating are no repeat"


def test_one_prompt_in_several_pairs_and_splits() -> None:
    rows = [row("a"), row("b", responses=(FIRST, OTHER)), row("c", split="val")]
    found = repeats(*rows)
    assert found.keys() == {"same_prompt", "prompt_in_two_splits", "duplicate_row"}
    assert found["same_prompt"].ids == ("a", "b")
    assert found["prompt_in_two_splits"].ids == ("a", "b", "c")
    assert found["prompt_in_two_splits"].detail == "train 2, val 1"


LONG = " ".join(f"word{i}" for i in range(100))


def test_nearly_the_same() -> None:
    near = LONG.replace("word50", "else")
    first, second = f"{LONG} one", f"{LONG[::-1]} two"
    mine = row("a", prompt=LONG, responses=(first, second))
    theirs = row("b", prompt=near, responses=(second + " more", first), said=SECOND_BETTER)
    found = repeats(mine, theirs)
    assert found.keys() == {"near_prompt", "near_row"}
    # 98 runs of three words on each side, three of them with the other word.
    assert found["near_prompt"].detail == f"2 prompts, similarity {95 / 101:.2f}, train 2"
    assert found["near_row"].ids == ("a", "b")
    assert repeats(mine, theirs, near=0.95) == {}
    assert repeats(mine, theirs, near=0) == {}
    val = row("c", prompt=near, responses=(FIRST, SECOND), split="val")
    assert repeats(mine, val).keys() == {"near_prompt_in_two_splits"}


def test_near_rows_need_both_responses_and_the_prompt() -> None:
    mine = row("a", prompt=PROMPT, responses=(LONG, SECOND))
    assert "near_row" not in repeats(mine, row("b", responses=(LONG, FIRST)))
    assert "near_row" not in repeats(mine, row("b", prompt=OTHER, responses=(LONG + " x", SECOND)))
    assert "near_row" in repeats(mine, row("b", responses=(SECOND, LONG + " x")))


def test_short_texts_are_never_near() -> None:
    assert repeats(row("a", prompt="Is 7 + 8 = 15?"), row("b", prompt="Is 7 + 8 = 16?")) == {}


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.8, 1))
def test_what_is_near_is_a_candidate(seed: int, share: float) -> None:
    """At 0.8 one pair in 440 is missed; a hundred sets of one draw are not missed together."""
    draw = np.random.default_rng(seed)
    base = draw.integers(0, 2**63, 200).astype(np.uint64)
    bands = Banding()
    bands.add(0, np.unique(base))
    keep = round(200 * 2 * share / (1 + share))
    for number in range(1, 30):
        other = np.r_[base[:keep], draw.integers(0, 2**63, 200 - keep).astype(np.uint64)]
        bands.add(number, np.unique(other))
    met = {b if a == 0 else a for a, b in bands.candidates() if 0 in (a, b)}
    assert len(met) >= 3, "in a crowded band the first four meet the others"
    assert jaccard(np.unique(base), np.unique(other)) == pytest.approx(share, abs=0.01)


def test_recall_at_the_threshold() -> None:
    """400 pairs of sets at a similarity of 0.8: about one is missed, never ten."""
    draw = np.random.default_rng(5)
    bands = Banding()
    for number in range(400):
        base = draw.integers(0, 2**63, 180).astype(np.uint64)
        bands.add(2 * number, base)
        bands.add(2 * number + 1, np.r_[base[:160], draw.integers(0, 2**63, 20).astype(np.uint64)])
    met = {a // 2 for a, b in bands.candidates() if a // 2 == b // 2}
    assert len(met) > 390
    assert sum(a // 2 != b // 2 for a, b in bands.candidates()) < 5


def test_groups_are_what_similarities_connect() -> None:
    values = {(1, 2): 0.9, (2, 3): 0.85, (1, 3): 0.1, (4, 5): 0.2}
    found = clusters(list(values), lambda a, b: values[a, b], 0.8)
    assert found == [([1, 2, 3], 0.85)]


def test_shingles_are_runs_of_three_words() -> None:
    assert len(shingles(words("a b c d a b c"))) == 4
    assert len(shingles(words("a b"))) == 1 and len(shingles([])) == 0
    assert jaccard(shingles(words("A, b? c!")), shingles(words("a b c"))) == 1


def test_a_crowded_band_is_linear() -> None:
    bands = Banding()
    values = shingles(words(LONG))
    for number in range(2000):
        bands.add(number, values)
    assert len(list(bands.candidates())) < 4 * 2000


def test_labels_of_identical_responses_do_not_contradict() -> None:
    same = (FIRST, FIRST)
    rows = [
        row("a", responses=same, said=FIRST_BETTER),
        row("b", responses=same, said=SECOND_BETTER),
    ]
    assert repeats(*rows).keys() == {"duplicate_row"}

"""The queue of disagreements: who is in it, in which order, and with which texts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.comparison import compare, write
from judge.compare.config import CompareConfig
from judge.compare.disagreements import BARE, causes_of, disagreements, divergence
from judge.compare.systems import Decision, System
from judge.formats.pairs import read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.pair import Pair
from tests.compare.made import judged, judged_beside, labelled_rows, scored, system
from tests.scripted import judgments, row, write_rows


def said(probability: float) -> Decision:
    return Decision("response_1" if probability > 0.5 else "response_2", probability=probability)


def entropy(p: float) -> float:
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def test_the_score_by_hand() -> None:
    """Two certain camps: 1 bit. 0.9 against 0.3: the mean 0.6 is less sure than both."""
    assert divergence([said(1.0), said(0.0)]) == (1.0, 1.0)
    expected = entropy(0.6) - (entropy(0.9) + entropy(0.3)) / 2
    assert divergence([said(0.9), said(0.3)]) == pytest.approx((expected, entropy(0.6)))


def test_whoever_has_no_probability_is_three_quarters_sure() -> None:
    bare = [Decision("response_1"), Decision("response_2"), Decision(None)]
    assert divergence(bare) == divergence([said(BARE), said(1 - BARE), Decision(None)])
    assert divergence(bare[2:]) == (0.0, 1.0)


def test_a_judge_of_two_orders_has_half_a_vote_in_each() -> None:
    torn = Decision("response_1", probability=0.6, order_probabilities=(0.9, 0.2), consistent=False)
    one = divergence([torn])[0]
    assert one == pytest.approx(entropy(0.55) - (entropy(0.9) + entropy(0.2)) / 2)
    both = divergence([torn, said(0.55)])[0]
    mixed = entropy(0.55) - (entropy(0.9) / 4 + entropy(0.2) / 4 + entropy(0.55) / 2)
    assert both == pytest.approx(mixed)


def test_orders_without_probabilities_vote_by_what_they_chose() -> None:
    """The response shown first in both orders: Response 1, then Response 2."""
    first = Decision(None, first_slot=(True, True), consistent=False)
    assert divergence([first]) == divergence([said(BARE), said(1 - BARE)])
    same = Decision("response_1", first_slot=(True, False), consistent=True)
    assert divergence([same])[0] == 0.0


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(probabilities)
def test_the_score_is_between_nothing_and_one_bit_whatever_the_order(ps: list[float]) -> None:
    score, uncertainty = divergence([said(p) for p in ps])
    assert 0 <= score <= uncertainty + 1e-12 <= 1 + 2e-12
    assert divergence([said(p) for p in reversed(ps)])[0] == pytest.approx(score, abs=1e-12)
    assert divergence([said(1 - p) for p in ps])[0] == pytest.approx(score, abs=1e-9)
    assert divergence([said(ps[0])] * 3)[0] == pytest.approx(0, abs=1e-12)


def test_causes() -> None:
    judge, scorer = System("judge", "judge"), System("bt", "reward_model")
    people = System("people", "people")
    one, two, tie = Decision("response_1"), Decision("response_2"), Decision(None)
    torn = Decision("response_1", consistent=False)
    assert causes_of([]) == causes_of([(judge, one)]) == []
    assert causes_of([(judge, one), (scorer, one), (people, one)]) == []
    assert causes_of([(judge, torn)]) == ["order_flip"]
    assert causes_of([(judge, one), (scorer, two)]) == ["models"]
    assert causes_of([(judge, one), (scorer, tie)]) == ["models"]
    assert causes_of([(judge, one), (people, two)]) == ["people"]
    assert causes_of([(people, one), (people, two)]) == ["people"]
    assert causes_of([(judge, torn), (scorer, two), (people, one)]) == [
        "order_flip", "models", "people",
    ]  # fmt: skip


def test_the_queue() -> None:
    p = [0.99, 0.9, 0.6, 0.9, 0.9, None]
    judge = system("judge", [-1, -1, -1, -1, -1, "refused"], probability=p)
    q = [0.01, 0.4, 0.4, 0.8, None, 0.1]
    scorer = system("bt", [1, 1, 1, -1, None, 1], kind="reward_model", probability=q)
    found = disagreements([f"p{i}" for i in range(6)], [judge, scorer], 2)
    assert [d.pair_id for d in found.first] == ["p0", "p1"]
    assert [d.rank for d in found.first] == [1, 2]
    assert found.first[0].score > found.first[1].score > 0
    assert found.first[0].why == "Response 1: judge; Response 2: bt"
    assert found.counts == {"all": 3, "order_flip": 0, "models": 3, "people": 0}
    nothing = disagreements(["p2"], [judge, scorer], 0)
    assert nothing.first == [] and nothing.counts["all"] == 1


def test_equal_scores_stand_in_the_order_of_their_ids() -> None:
    judge, scorer = system("judge", [-1] * 3), system("bt", [1] * 3)
    found = disagreements(["p2", "p0", "p1"], [judge, scorer], 9).first
    assert [d.pair_id for d in found] == ["p0", "p1", "p2"]


def queue(folder: Path, **fields: Any) -> list[dict[str, Any]]:
    found = compare(CompareConfig(**fields))
    write(found, folder)
    lines = (folder / "disagreements.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_file_holds_texts_choices_and_elaborations(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", labelled_rows(12))
    run = judged_beside(input, tmp_path / "run", mode="justify")
    lines = queue(tmp_path / "out", runs=(str(run),), queue=5)
    assert len(lines) == 5 and [line["rank"] for line in lines] == [1, 2, 3, 4, 5]
    of_judge = {j["pair_id"]: j for j in judgments(run)}
    rows = {r["pair_id"]: r for r in labelled_rows(12)}
    for line in lines:
        pair_id = line["pair_id"]
        assert line["response_1"] == rows[pair_id]["response_1"]
        assert line["prompt"] == [{"role": "user", "content": rows[pair_id]["prompt"]}]
        choices = {c["system"]: c for c in line["choices"]}
        assert set(choices) == {"mini", "bt", "reg", "people"}
        assert choices["mini"]["elaboration"] == of_judge[pair_id]["elaboration"]
        assert choices["people"]["preference"] == rows[pair_id]["label"]


def test_the_file_is_an_input_of_judge_batch(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", labelled_rows(12))
    run = judged_beside(input, tmp_path / "run")
    lines = queue(tmp_path / "out", runs=(str(run),))
    read = read_pairs(open_source(str(tmp_path / "out" / "disagreements.jsonl")).records(), IdSet())
    pairs = [pair for _, pair in read]
    assert [p.pair_id for p in pairs if isinstance(p, Pair)] == [line["pair_id"] for line in lines]


def test_texts_of_a_run_whose_pairs_stand_the_other_way_round(tmp_path: Path) -> None:
    rows = labelled_rows(8)
    turned = [
        {**r, "pair_id": f"t{n}", "response_1": r["response_2"], "response_2": r["response_1"]}
        for n, r in enumerate(rows)
    ]
    one = judged(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "one", mode="justify")
    two = judged(write_rows(tmp_path / "turned.jsonl", turned), tmp_path / "two", mode="justify")
    lines = queue(tmp_path / "out", runs=(str(one), str(two)), labels=())
    assert lines
    for line in lines:
        own, other = (c for c in line["choices"] if c["kind"] == "judge")
        assert own["elaboration"] == other["elaboration"], "the same judge, the same names"
        assert own["preference"] == other["preference"]


def test_without_the_input_the_queue_has_no_texts(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(12)])
    one, two = judged(input, tmp_path / "one"), scored(input, tmp_path / "two")
    input.unlink()
    lines = queue(tmp_path / "out", runs=(str(one), str(two)))
    assert lines and all("prompt" not in line for line in lines)

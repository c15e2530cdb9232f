"""Run folders as systems: what is read, and whose failure a failure is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.systems import Decision, System, read_run
from judge.errors import UsageError
from tests.compare.made import judged, judged_beside, scored
from tests.scripted import judgments, row, write_rows

ROWS = [
    row(1),
    row(2, prompt="REFUSE"),
    row(3, response_1="TIE", response_2="TIE too"),
    row(4, response_1="NAN"),
    row(5, response_2="  "),
    row(5),
    b"{no json",
    row(6),
]
"""Row 2 fails for the judge; 4 for reward models; 5 is no pair, nor is what repeats its id."""


@pytest.fixture
def input(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.jsonl", ROWS)


def by_name(folder: Path) -> dict[str, System]:
    return {system.name: system for system in read_run(folder)}


def test_a_judge_and_the_reward_models_beside_it(input: Path, tmp_path: Path) -> None:
    folder = judged_beside(input, tmp_path / "run")
    systems = by_name(folder)
    assert {name: s.kind for name, s in systems.items()} == {
        "mini": "judge", "bt": "reward_model", "reg": "reward_model",
    }  # fmt: skip
    for line in judgments(folder):
        judge = systems["mini"].decisions[line["pair_id"]]
        assert judge.preference == line["preference"]
        assert (judge.strength, judge.probability) == (line["strength"], line["probability"])
        assert judge.consistent == line["consistent"]
        orders = line["orders"]
        assert judge.first_slot == (
            orders["given"]["strength"] < 0,
            orders["flipped"]["strength"] < 0,
        )
        given, flipped = judge.order_probabilities
        assert (given > 0.5) == judge.first_slot[0]
        assert (flipped < 0.5) == judge.first_slot[1]
        if line["pair_id"] in ("p1", "p6"):
            rewards = systems["bt"].decisions[line["pair_id"]]
            assert rewards.rewards == tuple(line["rewards"]["bt"])
            assert rewards.preference == line["scorers"]["bt"]["preference"]
            assert systems["reg"].decisions[line["pair_id"]].probability is None


def test_whose_failure_a_failure_is(input: Path, tmp_path: Path) -> None:
    systems = by_name(judged_beside(input, tmp_path / "run"))
    assert systems["mini"].failures == {"empty_response": 1, "refused": 1}
    assert systems["bt"].failures == {"empty_response": 1, "engine_error": 1}
    assert "p2" not in systems["bt"].decisions, "the judge failed: nobody asked the reward model"
    assert systems["bt"].unasked == 1 and systems["mini"].unasked == 0
    assert systems["bt"].decisions["p3"] == Decision(None, probability=0.5, rewards=(0.25, 0.25))
    for system in systems.values():
        assert system.stray_failures == {"bad_json": 1, "duplicate_id": 1}
        assert system.decisions["p5"].failure == "empty_response"


def test_a_reward_model_alone(input: Path, tmp_path: Path) -> None:
    (system,) = read_run(scored(input, tmp_path / "run"))
    assert (system.name, system.kind) == ("bt", "reward_model")
    assert system.failures == {"empty_response": 1, "engine_error": 1}
    assert "p2" in system.decisions and system.unasked == 0


def test_a_reward_model_that_failed_on_every_row(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(1, response_1="NAN", response_2="x")])
    (system,) = read_run(scored(input, tmp_path / "run"))
    assert (system.name, system.kind) == ("bt", "reward_model")
    assert system.failures == {"engine_error": 1}


def test_one_order(input: Path, tmp_path: Path) -> None:
    (judge,) = read_run(judged(input, tmp_path / "run", orders="given"))
    assert judge.decisions["p1"].consistent is None
    assert (
        len(judge.decisions["p1"].first_slot) == len(judge.decisions["p1"].order_probabilities) == 1
    )


def test_what_a_pair_cost(input: Path, tmp_path: Path) -> None:
    folder = judged_beside(input, tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    systems = by_name(folder)
    cost = systems["mini"].cost
    assert cost.prompt_tokens == summary["prompt_tokens"] / summary["judged"]
    assert cost.completion_tokens == 10, "five an order"
    assert cost.seconds == 1 / summary["session"]["pairs_per_second"]
    assert cost.beside == ("bt", "reg")
    assert systems["bt"].cost.seconds is None and systems["bt"].cost.prompt_tokens > 0
    (folder / "summary.json").unlink()
    assert by_name(folder)["mini"].cost.prompt_tokens is None


flags = st.booleans()
shares = st.floats(0, 1).map(lambda p: round(p, 6))
decisions = st.builds(
    Decision,
    preference=st.sampled_from(["response_1", "response_2", None]),
    strength=st.none() | st.integers(-3, 3).map(float),
    probability=st.none() | shares,
    first_slot=st.lists(flags, max_size=2).map(tuple),
    order_probabilities=st.lists(shares, max_size=2).map(tuple),
    consistent=st.none() | flags,
    rewards=st.none() | st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)


@given(decisions)
def test_flipping_twice_is_the_identity(decision: Decision) -> None:
    again = decision.flipped().flipped()
    assert again.preference == decision.preference and again.strength == decision.strength
    assert (again.first_slot, again.rewards) == (decision.first_slot, decision.rewards)
    assert again.order_probabilities == pytest.approx(decision.order_probabilities)
    assert again.probability == pytest.approx(decision.probability)


def test_the_run_of_flipped_pairs_is_the_flipped_system(input: Path, tmp_path: Path) -> None:
    turned = [
        {**r, "response_1": r["response_2"], "response_2": r["response_1"]}
        for r in ROWS
        if isinstance(r, dict)
    ]
    other = write_rows(tmp_path / "turned.jsonl", turned)
    one, two = (by_name(judged_beside(where, tmp_path / where.stem)) for where in (input, other))
    for name in ("mini", "bt", "reg"):
        for pair_id in ("p1", "p2", "p3", "p6"):
            if pair_id in one[name].decisions:
                flipped = one[name].decisions[pair_id].flipped()
                there = two[name].decisions[pair_id]
                assert there.preference == flipped.preference
                assert there.order_probabilities == pytest.approx(flipped.order_probabilities)
                assert there.first_slot == flipped.first_slot
                assert there.rewards == flipped.rewards


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, "is not a run folder: it has no config.json"),
        ("config.json", "{}", "config.json is damaged"),
        ("judgments.jsonl", None, "cannot read"),
        ("judgments.jsonl", '{"pair_id": 1}\n', "line 1 of"),
        ("failures.jsonl", "nonsense\n", "line 1 of"),
        ("failures.jsonl", "{}\n", "line 1 of"),
    ],
)
def test_a_damaged_folder_is_named(
    input: Path, tmp_path: Path, file: str, text: str | None, message: str
) -> None:
    folder = judged(input, tmp_path / "run")
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_run(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_run(tmp_path / "none")

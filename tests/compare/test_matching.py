"""Which pair is which: by id, by content, turned round; and what does not match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.config import CompareConfig
from judge.compare.gather import gather
from judge.compare.matching import Matched, Part, RunMatch, longer, match, name_apart
from judge.compare.metadata import PairMetadata, language_of, metadata_of
from judge.compare.systems import Decision, System
from judge.pair import Message, Pair
from tests.compare.made import judged, scored, system
from tests.scripted import row, write_rows


def pair(number: int, flipped: bool = False) -> Pair:
    made = Pair(
        pair_id="-",
        prompt=(Message(role="user", content=f"Question {number}?"),),
        response_1=f"First {number}",
        response_2=f"The second {number}",
    )
    return made.flipped() if flipped else made


def part(name: str, pairs: dict[str, Pair | None], adds_pairs: bool = True) -> Part:
    """A part whose system prefers Response 1 everywhere; pairs of None are without their texts."""
    decisions = {pair_id: Decision("response_1", strength=-2.0) for pair_id in pairs}
    metadata = {i: metadata_of(p, {"from": name}) for i, p in pairs.items() if p is not None}
    kind: Any = "judge" if adds_pairs else "people"
    return Part(name, (System(name, kind, decisions),), metadata, adds_pairs)


def second(*parts: Part) -> tuple[Matched, RunMatch, dict[str, Decision]]:
    found = match(parts)
    return found, found.matches[-1], found.systems[-1].decisions


def test_the_same_ids() -> None:
    found, there, decisions = second(
        part("a", {"x": pair(1), "y": pair(2)}), part("b", {"y": pair(2), "z": pair(3)})
    )
    assert found.ids == ["x", "y", "z"]
    assert (there.pairs, there.matched, there.only_here, there.only_before) == (2, 1, 1, 1)
    assert (there.only_here_ids, there.only_before_ids) == (["z"], ["x"])
    assert there.unchecked == there.by_content == there.other_content == 0
    assert list(decisions) == ["y", "z"]
    assert found.metadata["y"].columns["from"] == "a", "what came first stays"


def test_other_ids_of_the_same_texts() -> None:
    """``judge batch`` calls a row without an id ``row-1``, ``judge data`` by its content."""
    found, there, decisions = second(
        part("a", {"row-1": pair(1), "row-2": pair(2)}),
        part("b", {"6f1a": pair(2), "77aa": pair(1)}, adds_pairs=False),
    )
    assert (there.matched, there.by_content, there.only_before) == (2, 2, 0)
    assert set(decisions) == {"row-1", "row-2"}
    assert found.systems[-1].own_ids == {"row-1": "77aa", "row-2": "6f1a"}


def test_responses_that_were_exchanged() -> None:
    found, there, decisions = second(
        part("a", {"x": pair(1), "y": pair(2)}),
        part("b", {"x": pair(1, flipped=True), "other": pair(2, flipped=True)}),
    )
    assert (there.matched, there.exchanged, there.by_content) == (2, 2, 1)
    assert decisions == dict.fromkeys(("x", "y"), Decision("response_2", strength=2.0))
    assert found.systems[-1].exchanged == {"x", "y"}
    assert found.metadata["y"].lengths == (len("First 2"), len("The second 2"))


def test_another_pair_under_the_same_id() -> None:
    found, there, decisions = second(
        part("a", {"row-1": pair(1), "row-2": pair(2)}),
        part("b", {"row-1": pair(2), "row-2": pair(3)}),
    )
    assert (there.matched, there.by_content, there.other_content) == (1, 1, 1)
    new = found.ids[2]
    assert found.ids[:2] == ["row-1", "row-2"] and new.startswith("row-2 [")
    assert set(decisions) == {"row-2", new}
    assert found.systems[-1].own_ids == {"row-2": "row-1", new: "row-2"}


def test_ids_alone_where_texts_are_not_there() -> None:
    _, there, decisions = second(
        part("a", {"x": pair(1), "y": pair(2)}), part("b", {"x": None, "z": None})
    )
    assert (there.matched, there.unchecked, there.only_here) == (1, 1, 1)
    assert set(decisions) == {"x", "z"}


def test_labels_of_pairs_that_nobody_judged_are_not_compared() -> None:
    found, there, decisions = second(
        part("a", {"x": pair(1)}), part("people", {"x": pair(1), "y": pair(2)}, adds_pairs=False)
    )
    assert found.ids == ["x"] and set(decisions) == {"x"} and set(found.metadata) == {"x"}
    assert (there.labels, there.only_here) == (True, 1)


def test_a_pair_that_stands_twice_keeps_its_own_label() -> None:
    """Another row of the same texts comes first in the labels: the row of the same id counts."""
    twice = part("people", {"copy": pair(1), "x": pair(1)}, adds_pairs=False)
    twice.systems[0].decisions["copy"] = Decision("response_2")
    _, there, decisions = second(part("a", {"x": pair(1)}), twice)
    assert decisions["x"].preference == "response_1"
    assert (there.matched, there.repeated) == (1, 1)


def test_nothing_in_common() -> None:
    found, there, _ = second(part("a", {"x": pair(1)}), part("b", {"y": pair(2)}))
    assert found.ids == ["x", "y"] and there.matched == 0


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_whatever_the_order_and_the_position_the_decisions_find_their_pairs(
    order: list[int], turned: list[bool]
) -> None:
    first = part("a", {f"x{n}": pair(n) for n in range(6)})
    other = part("b", {f"y{n}": pair(n, turned[n]) for n in order})
    for n in range(6):
        other.systems[0].decisions[f"y{n}"] = Decision(
            "response_1", probability=(n + 1) / 10, strength=-1.0
        )
    _, there, decisions = second(first, other)
    assert there.matched == 6 and there.exchanged == sum(turned)
    for n in range(6):
        p = (n + 1) / 10
        assert decisions[f"x{n}"].probability == pytest.approx(1 - p if turned[n] else p)


def test_systems_of_the_same_name() -> None:
    systems = [System(name, "judge") for name in ("mini", "mini", "bt", "mini")]
    name_apart(zip(("a", "b", "a", "b"), systems, strict=True))
    assert [s.name for s in systems] == ["a:mini", "b:mini 1", "bt", "b:mini 2"]


def test_the_longer_response() -> None:
    metadata = {
        "a": PairMetadata({}, lengths=(3, 5)),
        "b": PairMetadata({}, lengths=(5, 3)),
        "c": PairMetadata({}, lengths=(4, 4)),
        "d": PairMetadata({}),
    }
    said = {i: d.preference for i, d in longer(metadata).decisions.items()}
    assert said == {"a": "response_2", "b": "response_1", "c": None}


def test_flipping_facts_twice_is_the_identity() -> None:
    metadata = metadata_of(pair(1), {})
    assert metadata.flipped() == metadata_of(pair(1, flipped=True), {})
    assert metadata.flipped().flipped() == metadata


def test_the_language_of_a_pair() -> None:
    german = Pair(
        pair_id="g",
        prompt=(Message(role="user", content="Warum ist der Himmel eigentlich blau?"),),
        response_1="Das liegt an der Streuung des Sonnenlichts in der Luft.",
        response_2="Weil die Atmosphäre kurzwelliges Licht stärker streut als langwelliges.",
    )
    assert language_of(german) == language_of(german.flipped()) == "de"
    english = {"response_1": "It scatters the light of the sun.", "response_2": "Nobody knows."}
    assert language_of(pair(1).model_copy(update=english)) == "en"
    assert language_of(pair(1)) == "unsure", "too short to tell"


def config(*runs: Path, **fields: Any) -> CompareConfig:
    return CompareConfig(runs=tuple(map(str, runs)), **fields)


def test_runs_whose_input_is_gone_or_changed(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(3)])
    one, two = judged(input, tmp_path / "one"), scored(input, tmp_path / "two")
    write_rows(input, [row(n, response_1="new") for n in range(3)])
    there = gather(config(one, two))
    assert [m.matched for m in there.matched.matches] == [0, 3]
    assert there.matched.matches[1].unchecked == 3
    assert any("is not the input that was judged" in note for note in there.notes)
    input.unlink()
    assert not gather(config(one)).baseline.decisions


def test_row_numbers_that_cannot_be_checked_are_doubted(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row(n).items() if k != "pair_id"} for n in range(3)]
    input = write_rows(tmp_path / "in.jsonl", rows)
    runs = judged(input, tmp_path / "one"), scored(input, tmp_path / "two")
    assert not any("row numbers" in note for note in gather(config(*runs)).notes)
    input.unlink()
    assert any(
        "two: pairs are matched by their row numbers" in n for n in gather(config(*runs)).notes
    )


def test_an_input_that_moved_is_known_by_its_hash(tmp_path: Path) -> None:
    """One run still finds it: what it holds goes for the other, too."""
    input = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(3)])
    one, two = judged(input, tmp_path / "one"), scored(input, tmp_path / "two")
    file = two / "config.json"
    asked = json.loads(file.read_text())
    asked["config"]["input"] = "moved.jsonl"
    file.write_text(json.dumps(asked))
    there = gather(config(one, two))
    assert there.matched.matches[1].unchecked == 0
    assert not any("two" in note for note in there.notes)


def test_the_name_of_a_run(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", [row(1)])
    one = judged(input, tmp_path / "one")
    there = gather(CompareConfig(runs=(f"ours={one}",)))
    assert [s.name for s in there.matched.systems] == ["ours"]
    assert there.matched.matches[0].name == "ours"


def test_made_systems_are_by_pair() -> None:
    assert list(system("a", [1, None, 0]).decisions) == ["p0", "p2"]

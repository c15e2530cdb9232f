"""Which side of the split a prompt is on."""

from __future__ import annotations

from judge.data.split import assign_sides
from judge.pair import parse_prompt


def sides(prompts: list[str], share: float) -> list[str]:
    rows = [("train", parse_prompt(prompt)) for prompt in prompts]
    return [side for side, dropped in assign_sides(rows, share) if dropped is None]  # type: ignore[arg-type]


def test_one_prompt_of_a_few_is_validation() -> None:
    found = sides(["a", "b", "b", "c"], 1e-9)
    assert found.count("val") in (1, 2) and "train" in found
    assert found[1] == found[2], "a prompt is on one side"


def test_none_is_asked_for_or_none_can_be_spared() -> None:
    assert sides(["a", "b", "c"], 0.0) == ["train"] * 3
    assert sides(["a", "a"], 1e-9) == ["train"] * 2

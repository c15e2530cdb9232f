"""The n-gram rule: which prompts share seven words with a benchmark's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.data.checks.contamination import BenchmarkPrompts, contamination_findings
from judge.data.checks.grams import gram_hashes, words
from judge.pair import Message, parse_prompt
from tests.data.checks.material import row

COUNTING = "one two three four five six seven eight"


def benchmark(*prompts: str, size: int = 7) -> BenchmarkPrompts:
    rows = [(f"b{number}", parse_prompt(prompt)) for number, prompt in enumerate(prompts)]
    return BenchmarkPrompts("bench.jsonl", rows, size)


def shared(prompt: str, *prompts: str, size: int = 7) -> list[str]:
    overlap = benchmark(*prompts, size=size).overlap(parse_prompt(prompt))
    return overlap.shared if overlap else []


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("Say: One two three, FOUR five six (seven)!", ["one two three four five six seven"]),
        ("zero " + COUNTING + " nine", [COUNTING]),
        ("one two three four five six 7 eight", []),
        ("seven six five four three two one", []),
        ("one two three four five six", []),
    ],
)
def test_seven_words_in_a_row(prompt: str, found: list[str]) -> None:
    assert shared(prompt, COUNTING) == found


def test_short_prompts_are_compared_whole() -> None:
    assert shared("Hi there!", "hi  THERE") == ["hi there"]
    assert shared("Hi there, you", "hi there") == []
    assert shared("Tell me: hi there, what a wonderful day today", "hi there") == []
    assert shared("?!", "...") == []


def test_messages_are_apart_and_the_systems_is_left_out() -> None:
    both = "one two three four\n<extra_id_1>Assistant\nfive six seven eight\n<extra_id_1>User\n"
    assert shared(both + "go on, count up to ten for me please", COUNTING) == []
    assert shared(
        "Go on.\n<extra_id_1>Assistant\n" + COUNTING + "\n<extra_id_1>User\nNo.", COUNTING
    )
    prompt = (Message(role="system", content=COUNTING), Message(role="user", content="Go on."))
    assert benchmark(COUNTING).overlap(prompt) is None


def test_shares_and_rows() -> None:
    bench = benchmark(COUNTING, COUNTING, "zero " + COUNTING, "something else that has seven words")
    (finding,) = contamination_findings(row(prompt=COUNTING.rsplit(" ", 1)[0]), [bench])
    assert finding.check == "contamination"
    assert finding.more["benchmark_rows"] == [["b0", 0.5], ["b1", 0.5], ["b2", 0.3333]]
    assert finding.more["shared"] == ["one two three four five six seven"]
    assert finding.detail == "3 rows of bench.jsonl, 50 % of the closest prompt"
    assert bench.found == {"b0", "b1", "b2"}


def test_what_only_shares_the_template_is_a_note() -> None:
    animals = ["cat", "dog", "hen", "cow", "pig", "fox", "owl", "bee", "ant", "rat", "bat", "elk"]
    question = "The {} sat on a chair. What happened in the end as a result of this?"
    bench = benchmark(*(question.format(animal) for animal in animals))
    other, same = row(prompt=question.format("yak")), row(prompt=question.format("owl"))
    assert [f.check for f in contamination_findings(other, [bench])] == ["shared_template"]
    assert bench.found == set()
    assert [f.check for f in contamination_findings(same, [bench])] == ["contamination"]
    few = benchmark(*(question.format(animal) for animal in animals[:3]))
    assert [f.check for f in contamination_findings(other, [few])] == ["contamination"]


def naive(prompt: str, other: str, size: int) -> bool:
    """The rule as it is said, slowly."""
    mine, others = words(prompt), words(other)
    if len(mine) < size or len(others) < size:
        return bool(mine) and len(mine) < size and mine == others
    runs = {tuple(others[i : i + size]) for i in range(len(others) - size + 1)}
    return any(tuple(mine[i : i + size]) in runs for i in range(len(mine) - size + 1))


texts = st.lists(st.sampled_from(["a", "B", "c,"]), max_size=9).map(" ".join)


@given(texts, st.lists(texts, max_size=4), st.integers(1, 5))
def test_the_index_says_what_the_rule_says(prompt: str, others: list[str], size: int) -> None:
    overlap = benchmark(*others, size=size).overlap(parse_prompt(prompt))
    expected = {f"b{i}" for i, other in enumerate(others) if naive(prompt, other, size)}
    assert (set(overlap.shares) if overlap else set()) == expected


def test_equal_hashes_of_other_words_are_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash of three bits: candidates everywhere, the words decide."""
    from judge.data.checks import contamination

    def few(tokens: tuple[str, ...], size: int, salt: int) -> object:
        return gram_hashes(tokens, size, 0) % (1 << (3 + salt))

    monkeypatch.setattr(contamination, "gram_hashes", few)
    bench = benchmark(COUNTING, "nine ten eleven twelve thirteen fourteen fifteen")
    assert bench.overlap(parse_prompt("red green blue black white grey pink brown")) is None
    overlap = bench.overlap(parse_prompt(COUNTING))
    assert overlap is not None and overlap.shares == {"b0": 1.0}

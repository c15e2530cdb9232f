"""Where statements part, and which of those places one request can read."""

from __future__ import annotations

from typing import Any

from judge.infer.engines.statement_reader import Chain, StatementReading
from judge.prompt import PromptBuilder, load_template


def test_forks_on_one_path_are_one_chain(mini_tokenizer: Any) -> None:
    reading = StatementReading(
        PromptBuilder(mini_tokenizer, load_template("pairwise_justifier.v1"))
    )
    side, first, second = (fork.path for fork in reading.forks)
    assert first[: len(side)] == side == second[: len(side)]
    assert reading.chains() == [
        Chain(side, first[len(side) :], ((0, 0), (1, len(first) - len(side)))),
        Chain(second, (), ((2, 0),)),
    ]


def test_a_label_is_one_chain_without_a_path(mini_tokenizer: Any) -> None:
    builder = PromptBuilder(mini_tokenizer, load_template("pairwise_justifier.v1"))
    assert StatementReading(builder, "label").chains() == [Chain((), (), ((0, 0),))]


def test_a_path_with_a_token_twice_is_not_forced() -> None:
    """Letters as tokens: ``1 is `` holds the blank twice."""

    class Letters:
        def encode(self, texts: Any) -> list[list[int]]:
            return [[ord(c) for c in text] for text in texts]

    reading = StatementReading(Letters())
    chains = reading.chains()
    assert sorted(i for chain in chains for i, _ in chain.forks) == list(range(len(reading.forks)))
    for chain in chains:
        assert len(set(chain.forced)) == len(chain.forced)
        for place, after in chain.forks:
            assert (*chain.path, *chain.forced[:after]) == reading.forks[place].path

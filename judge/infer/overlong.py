"""Pairs that are too long by far, told by their beginnings: a text is not turned into millions of
tokens to learn that it has more than thousands."""

from __future__ import annotations

from collections.abc import Sequence

from judge.pair import Pair

CHARACTERS_A_TOKEN = 16
"""A text with more characters than this for each token that there is room for is looked at first by
its beginning. Few texts have tokens this long; they are read in full."""
SLACK = 64
"""Tokens that cutting texts may add: a word cut in two at the end of each."""


def beginnings(texts: Sequence[str], tokens: int) -> list[str] | None:
    """Return the beginnings of texts, None of those that are short enough to be read.

    Args:
        tokens: how many there is room for.
    """
    room = CHARACTERS_A_TOKEN * tokens
    if sum(map(len, texts)) <= room:
        return None
    cut: list[str] = []
    for text in texts:
        cut.append(text[: max(room, 0)])
        room -= len(text)
    return cut


def beginning(pair: Pair, tokens: int) -> Pair | None:
    """Return a pair of the beginnings of its texts, None for one that is short enough to be read.

    Args:
        tokens: how many there is room for.
    """
    texts = [*(message.content for message in pair.prompt), pair.response_1, pair.response_2]
    cut = beginnings(texts, tokens)
    if cut is None:
        return None
    *contents, one, two = cut
    prompt = tuple(
        message.model_copy(update={"content": content})
        for message, content in zip(pair.prompt, contents, strict=True)
    )
    return pair.model_copy(update={"prompt": prompt, "response_1": one, "response_2": two})

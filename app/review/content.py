"""What makes two pairs the same to a reader, as hashes: the guard against evaluation leaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from hashlib import sha256

from judge.pair import Message, Pair


def content_of(pair: Pair) -> str:
    """Return the hash of a pair's texts: the same for the flipped pair, and for texts that differ
    only in white space, letter case or Unicode form."""
    responses = sorted((_plain(pair.response_1), _plain(pair.response_2)))
    return _hash([prompt_of(pair.prompt), *responses])


def prompt_of(prompt: Iterable[Message]) -> str:
    """Return the hash of a prompt alone; as :func:`content_of`."""
    return _hash([f"{message.role}\0{_plain(message.content)}" for message in prompt])


def words_of(pair: Pair) -> int:
    """Return how many words a reader of the pair has before them."""
    texts = [message.content for message in pair.prompt]
    return sum(len(text.split()) for text in (*texts, pair.response_1, pair.response_2))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _hash(parts: list[str]) -> str:
    return sha256("\0\0".join(parts).encode()).hexdigest()[:32]

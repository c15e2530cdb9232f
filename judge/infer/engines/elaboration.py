"""Where an elaboration ends: in the text of a completion, and in its tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from judge.verdict import JUSTIFY_REGEX

_JUSTIFIED = re.compile(JUSTIFY_REGEX)


def elaboration_of(completion: str) -> str | None:
    """Return the text before the statement that ends ``completion``, its newline included.

    None where no statement ends it, or nothing stands before.
    """
    text = completion.rstrip()
    return text[: text.rindex("\n") + 1] if _JUSTIFIED.fullmatch(text) else None


def tokens_of(
    text: str, tokens: Sequence[int], decode: Callable[[Sequence[int]], str]
) -> int | None:
    """Return how many of the first ``tokens`` make ``text``, with which what they write begins.

    None where a token reaches over its end: it holds both the newline and what follows.
    """
    for size in range(len(tokens), -1, -1):
        written = decode(tokens[:size])
        if written == text:
            return size
        if len(written) < len(text):
            break
    return None

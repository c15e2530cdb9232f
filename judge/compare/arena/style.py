"""The style of an answer, and how two answers differ in it: length, headers, lists, bold.

Arena-Hard's style control (lmarena/arena-hard-auto, ``utils/add_markdown_info.py`` and
``show_result.py``): Markdown is counted outside blocks of code; the difference of lengths is taken
of their sum, that of what is counted of the sum of both densities and 1.

Its lengths are tokens of one tokenizer, which answers in its layout say; otherwise they are
characters, since each model's own tokens cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from judge.compare.arena.contestants import Answered
from judge.compare.columns import Floats

FEATURES = ("length", "headers", "lists", "bold")
_CODE = re.compile(r"```[^`]*```")
_COUNTED = (
    (re.compile(r"^#{1,6}\s", re.M),),
    (re.compile(r"^\s*\d+\.\s", re.M), re.compile(r"^\s*[-*+]\s", re.M)),
    (re.compile(r"\*\*[^*\n]+\*\*"), re.compile(r"__[^_\n]+__")),
)


def counts(text: str) -> tuple[int, int, int]:
    """Return the headers, items of lists and bold texts of an answer."""
    outside = _CODE.sub("", text)
    headers, lists, bold = (
        sum(len(pattern.findall(outside)) for pattern in patterns) for patterns in _COUNTED
    )
    return headers, lists, bold


def differences(pairs: Sequence[tuple[Answered, Answered]], tokens: bool) -> Floats:
    """Return how the first answer of each pair differs from the second, of shape (n, 4).

    Args:
        tokens: lengths are the files' tokens, else characters.
    """
    rows = [[(_length(a, tokens), *counts(a.text)) for a in pair] for pair in pairs]
    table = np.array(rows, dtype=float).reshape(-1, 2, len(FEATURES))
    one, two = table[:, 0], table[:, 1]
    found = np.zeros((len(table), len(FEATURES)))
    found[:, 0] = (one[:, 0] - two[:, 0]) / np.maximum(one[:, 0] + two[:, 0], 1)
    density = [side[:, 1:] / np.maximum(side[:, :1], 1) for side in (one, two)]
    found[:, 1:] = (density[0] - density[1]) / (density[0] + density[1] + 1)
    return found


def say_tokens(answers: Sequence[Answered]) -> bool:
    """Return whether all answers say tokens, of one tokenizer."""
    return bool(answers) and all(a.shared_tokens and a.tokens for a in answers)


def _length(answer: Answered, tokens: bool) -> int:
    return answer.tokens or 0 if tokens else len(answer.text)

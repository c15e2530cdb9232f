"""SteerLM: the attributes that a response is to have, said to the model that writes it.

They are one line, ``helpfulness:4,correctness:4,coherence:4,complexity:2,verbosity:1``, with which
the assistant's turn opens: given to the model, not learnt and not part of the response. Any chat
template has such a turn, nothing comes between the line and the response, and no text of a prompt
can stand there. The same line in a prompt's text is written otherwise, in training and afterwards,
so that the true one has tokens that nothing else has.

Source: SteerLM (arXiv 2310.05344) and NeMo-Aligner, which has it on a label line of its own there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from judge.annotated import ATTRIBUTES, MAX_RATING
from judge.pair import Message

_IMITATED = re.compile(rf"\b({'|'.join(ATTRIBUTES)})(\s*):(?=\s*\d)", re.IGNORECASE)
EXAMPLE = "helpfulness=4,verbosity=1"


class SteeredResponse(Message):
    """A response with the line that its turn opens with."""

    line: str


def attribute_line(values: Mapping[str, int]) -> str:
    """Return the line of attributes (0 to 4), in HelpSteer2's order, its line end included."""
    return ",".join(f"{name}:{values[name]}" for name in ATTRIBUTES if name in values) + "\n"


def opening_of(response: Message) -> str:
    """Return what the turn of a response opens with; nothing of one that is not steered."""
    return response.line if isinstance(response, SteeredResponse) else ""


def without_lines(prompt: Sequence[Message]) -> tuple[Message, ...]:
    """Return a prompt in whose texts no attribute stands as in a line: ``helpfulness 4``."""
    return tuple(
        message.model_copy(update={"content": _IMITATED.sub(r"\1\2 ", message.content)})
        for message in prompt
    )


def as_value(rating: float) -> int:
    """Return a mean rating, or a model's prediction, as a whole one: halves upwards, 0 to 4."""
    return min(MAX_RATING, max(0, math.floor(rating + 0.5)))


def read_attributes(text: str) -> dict[str, int]:
    """Return the attributes of an option, as ``helpfulness=4,verbosity=1``.

    Raises:
        ValueError: in one line, for an unknown one, one twice, or a value that is not 0 to 4.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"expected NAME=VALUE, as {EXAMPLE}; found {part.strip()!r}")
        if name not in ATTRIBUTES:
            raise ValueError(f"{name!r} is none of {', '.join(ATTRIBUTES)}")
        if name in found:
            raise ValueError(f"{name} is there twice")
        if value not in {str(rating) for rating in range(MAX_RATING + 1)}:
            raise ValueError(f"{name} is {value!r}, expected 0 to {MAX_RATING}, whole")
        found[name] = int(value)
    return found

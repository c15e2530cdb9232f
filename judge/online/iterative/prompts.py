"""The prompts of a round: read from a prepared folder, written as `judge respond` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from judge.errors import UsageError
from judge.pair import Message
from judge.runs.jsonlines import encode_line
from judge.runs.whole import write_whole
from judge.train.align.prompts import read_prompts


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for an answer."""

    id: str
    messages: tuple[Message, ...]


def prompts_in(path: Path, limit: int | None = None) -> list[Prompt]:
    """Return the prompts of a file of ``judge data prepare --kind prompts``, in its order.

    Args:
        limit: only the first so many.

    Raises:
        UsageError: for a file that cannot be read or holds none, or naming the line that is none.
    """
    prompts = [Prompt(name, messages) for name, messages in islice(read_prompts(path), limit)]
    if not prompts:
        raise UsageError(f"{path}: no prompt")
    return prompts


def of_round(prompts: Sequence[Prompt], round: int, count: int | None) -> list[Prompt]:
    """Return the prompts of a round, from 1: the next ``count``, or all.

    After the last prompt the first one follows; none is twice in a round.
    """
    if count is None or count >= len(prompts):
        return list(prompts)
    start = (round - 1) * count
    return [prompts[(start + place) % len(prompts)] for place in range(count)]


def write_prompts(path: Path, prompts: Sequence[Prompt]) -> None:
    """Write prompts in one step, a line each.

    Raises:
        UsageError: when the disk refuses.
    """
    rows = (
        {"id": one.id, "messages": [message.model_dump() for message in one.messages]}
        for one in prompts
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, b"".join(map(encode_line, rows)))

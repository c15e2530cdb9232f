"""The files of an online alignment (``judge align rloo``): what its trainer writes, its page reads.

Beside those of every training (``steps.jsonl``, ``manifest.json``) lie, lines in order of steps:

rollouts.jsonl   a line a rollout (:class:`RolloutFigures`)
responses.jsonl  a line a response, the samples of a prompt after one another (:class:`Drawn`)
held_out.jsonl   a line a held-out prompt and evaluation (:class:`HeldOut`)
timing.jsonl     a line a rollout (:class:`Timing`): the only figures that depend on a clock

A figure that there is none of is null, never NaN; a torn last line is left out.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from judge.pair import Message
from judge.runs.jsonlines import append_synced, encode_line, read_rows
from judge.runs.whole import refused_in_one_line

ROLLOUTS, TIMING = "rollouts.jsonl", "timing.jsonl"
DRAWN, HELD_OUT = "responses.jsonl", "held_out.jsonl"
N_GRAM = 4


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_finite)]
"""A figure, or None where there is none; NaN and infinities become None."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    """Optimizer steps that were taken before; 0: the start."""


class RolloutFigures(_Line):
    """A rollout in numbers: what the policy wrote, and what it got for it."""

    prompts: int
    responses: int
    reward: Figure = None
    """Mean over the scored responses, before the cost of the divergence and of length."""
    reward_sd: Figure = None
    kl: Figure = None
    """Mean divergence from the reference, as ``kl`` of the recipe counts it."""
    kl_mean_absolute: Figure = None
    """Mean over responses of the mean over tokens of |log pi - log ref|."""
    kl_sum: Figure = None
    """Mean over responses of log pi(y) - log ref(y)."""
    entropy: Figure = None
    """Mean negative log-probability of the drawn tokens, in nats a token."""
    tokens: Figure = None
    """Mean of a response."""
    characters: Figure = None
    truncated: Figure = None
    """Share of responses that were cut at the most tokens, 0 to 1."""
    repetition: Figure = None
    """Mean of :func:`repetition` over the responses."""
    unscored: int = 0
    """Responses without a reward."""
    left_out: dict[str, int] = {}
    """Responses that are in no gradient, by reason."""
    equal_groups: Figure = None
    """Share of the prompts whose responses all had the same reward: nothing is learnt of them."""


class Drawn(_Line):
    """A response that was trained on, or why it was not."""

    prompt_id: str
    sample: int
    """From 0; which of the responses to the same prompt."""
    response: str
    tokens: int
    truncated: bool
    reward: Figure = None
    kl: Figure = None
    advantage: Figure = None
    left_out: str | None = None
    """Why it is in no gradient; None where it is."""


class HeldOut(_Line):
    """The answer to a held-out prompt at one evaluation, by the same draw at each."""

    prompt_id: str
    prompt: tuple[Message, ...] | None = Field(default=None, exclude_if=lambda prompt: not prompt)
    """What was asked; written at the first evaluation alone."""
    response: str
    tokens: int
    truncated: bool
    reward: Figure = None
    attributes: dict[str, float] = {}
    """Of a reward model with several outputs, each one's value."""
    kl: Figure = None
    repetition: Figure = None


class Timing(_Line):
    """Seconds of a rollout and of the updates that follow it."""

    rollout: Figure = None
    """Drawing the responses, with handing over the weights."""
    reward: Figure = None
    log_probs: Figure = None
    """Log-probabilities under policy and reference."""
    update: Figure = None
    """All optimizer steps on the rollout."""


Line = TypeVar("Line", bound=_Line)
_KINDS: dict[type[_Line], str] = {
    RolloutFigures: ROLLOUTS,
    Drawn: DRAWN,
    HeldOut: HELD_OUT,
    Timing: TIMING,
}


def append_lines(folder: Path, lines: Sequence[_Line]) -> None:
    """Append lines of one kind to its file, and wait until they are on the disk.

    Raises:
        UsageError: when the disk refuses.
    """
    if lines:
        path = folder / _KINDS[type(lines[0])]
        with refused_in_one_line(path):
            append_synced(
                path, b"".join(encode_line(line.model_dump(mode="json")) for line in lines)
            )


def read_lines(kind: type[Line], folder: Path) -> Iterator[Line]:
    """Yield the lines of a kind, as they stand; nothing where there is no file.

    Raises:
        UsageError: when a line before the last is damaged.
    """
    path = folder / _KINDS[kind]
    return read_rows(path, kind.model_validate) if path.is_file() else iter(())


def cut_back(folder: Path, step: int) -> None:
    """Cut the files back to what a run that goes on after ``step`` optimizer steps will not write.

    Kept are rollouts drawn before ``step``, their responses and times, and evaluations up to
    ``step`` itself, which come before its checkpoint.

    Raises:
        UsageError: when the disk refuses.
    """
    for kind, name in _KINDS.items():
        path = folder / name
        if path.is_file():
            with refused_in_one_line(path):
                _cut(path, step + 1 if kind is HeldOut else step)


def _cut(path: Path, step: int) -> None:
    """Cut a file before its first line that is torn or of ``step`` or later."""
    end = 0
    with open(path, "r+b") as file:
        for line in file:
            if _step_of(line) >= step:
                break
            end += len(line)
        file.truncate(end)
        os.fsync(file.fileno())


def _step_of(line: bytes) -> float:
    """Return the step of a line; of a torn one a later step than any."""
    try:
        found: int = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
    return found if line.endswith(b"\n") else math.inf


def repetition(text: str, n: int = N_GRAM) -> float:
    """Return the share of a text's n-grams of words that were there before, 0 to 1.

    A text of fewer than ``n`` words has none: 0.
    """
    words = text.split()
    grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return 1 - len(grams) / grams.total() if grams else 0.0


def is_online(folder: Path) -> bool:
    """Return whether a training's folder is that of an online alignment."""
    return (folder / ROLLOUTS).is_file()

"""The run folder of answers: a line a prompt and sample in ``responses.jsonl``, and its summary.

config.json      as of every run (:mod:`judge.runs.folder`)
responses.jsonl  one line a prompt and sample, in input order (:class:`Responses`)
failures.jsonl   one line a prompt and sample without an answer (:class:`NoResponse`)
summary.json     counts, lengths and timings (:class:`ResponseSummary`)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from judge.errors import FailureReason
from judge.pair import Message
from judge.runs.jsonlines import read_rows
from judge.runs.layout import FAILURES, RESPONSES, Layout, leading_id
from judge.runs.summary import read_summary_as

Finish = Literal["stop", "length"]
"""How an answer ended: by itself, or cut where its tokens ran out."""
_BEGINNING = b'{"id": "'
_OPTIONAL = ("category", "reference")
"""Fields of a line that stand in it only where its row gave them."""


class Responses(BaseModel):
    """What one model answered to one prompt, turn by turn; a line of ``responses.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """The row's own, else ``row-<line>``."""
    sample: int
    """From 0; which of several answers to the same prompt."""
    prompt: tuple[Message, ...]
    """The conversation without these answers: they answer its last user's messages, in order."""
    responses: tuple[str, ...]
    """One a turn, without any thinking."""
    model: str
    """As whoever ran it called it."""
    finish: tuple[Finish, ...]
    tokens: tuple[int | None, ...]
    """That the model wrote, thinking included; None where a server does not say."""
    length: tuple[int, ...]
    """Characters of each response."""
    category: str | None = None
    reference: tuple[str, ...] | None = None
    thinking: tuple[str | None, ...] = ()
    """What a reasoning model wrote before each response; empty where it did not think."""
    neutralised: int = 0
    """Chat markers in the prompt's text that were broken up for a server."""

    @property
    def key(self) -> str:
        return key_of(self.id, self.sample)

    def to_json(self) -> dict[str, Any]:
        """Return the object of this line; what the row did not give is not in it."""
        row = self.model_dump(mode="json")
        given = {name: row.pop(name) for name in _OPTIONAL}
        thinking, neutralised = row.pop("thinking"), row.pop("neutralised")
        return {
            **row,
            **{name: value for name, value in given.items() if value is not None},
            **({"thinking": thinking} if any(thinking) else {}),
            **({"neutralised": neutralised} if neutralised else {}),
        }


class NoResponse(BaseModel):
    """A prompt and sample without an answer, and why; a line of ``failures.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    """Line (row for CSV, JSON and Parquet) of the input, from 1."""
    id: str | None
    sample: int
    reason: FailureReason
    detail: str
    """One line: what was found and what was expected."""
    turn: int | None = None
    """Which turn has no answer, from 1; None where the row failed before any."""

    @property
    def key(self) -> str | None:
        return None if self.id is None else key_of(self.id, self.sample)

    def to_json(self) -> dict[str, Any]:
        """Return the object of this line."""
        return self.model_dump()


class ResponseSession(BaseModel):
    """What the last process did on a run folder: the only numbers that depend on a clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """Prompts and samples that it added."""
    resumed_after: int
    load_seconds: float
    """Until the model stood ready."""
    seconds: float
    """From then to the last row."""
    tokens_per_second: float | None
    """Written in this session, without the loading; None when nothing was written."""
    engine: dict[str, int]
    """The engine's counts: tokens of prompts and completions, forwarded, padding."""


class ResponseSummary(BaseModel):
    """A run folder of answers in numbers; None where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete: bool
    """Whether every row of the input, or as many as ``limit`` allows, is in the folder."""
    rows: int
    """Prompts times samples."""
    answered: int
    failed: int
    failures: dict[str, int]
    """Failed rows by reason."""
    turns: int
    """Answers of all turns."""
    finish: dict[str, int]
    """Answers by how they ended; ``length`` are cut ones."""
    cut: float | None
    """Share of the answers that are cut, 0 to 1."""
    mean_length: float | None
    """Mean characters of an answer."""
    mean_tokens: float | None
    """Mean tokens that were written for an answer, where they are known."""
    lengths: dict[str, float] = Field(default={}, exclude_if=lambda lengths: not lengths)
    """Mean characters by category, where rows have one."""
    thought: int = 0
    """Answers that thinking came before."""
    neutralised: int = 0
    """Chat markers in prompts that were broken up for a server."""
    adapted: list[str] = Field(default=[], exclude_if=lambda lines: not lines)
    """What was left out of the requests to a server, or cut, because it refuses it."""
    session: ResponseSession | None = None


def key_of(id: str, sample: int) -> str:
    """Return what tells a prompt's sample from every other in a run."""
    return f"{id}#{sample}"


def place_of(line: int, sample: int, samples: int) -> int:
    """Return the number that stands for a sample of an input's line: ascending, each one once."""
    return line * samples + sample


def layout(samples: int) -> Layout:
    """Return the layout of a run with so many samples a prompt."""
    return Layout(RESPONSES, _response_key, partial(_failure_key, samples))


def read_responses(folder: Path) -> Iterator[Responses]:
    """Yield the lines of a run folder in input order; a torn last line is left out.

    Raises:
        UsageError: when the folder has none or a line is damaged.
    """
    return read_rows(folder / RESPONSES, Responses.model_validate)


def read_no_responses(folder: Path) -> Iterator[NoResponse]:
    """Yield the failures of a run folder in input order; as :func:`read_responses`."""
    return read_rows(folder / FAILURES, NoResponse.model_validate)


def read_response_summary(folder: Path) -> ResponseSummary:
    """Return the summary of a run folder of answers.

    Raises:
        UsageError: when there is none, or it is of another version or kind.
    """
    return read_summary_as(ResponseSummary, folder)


def _response_key(line: bytes) -> tuple[int, bytes | None]:
    found = leading_id(line, _BEGINNING)
    at = line.index(b'", "sample": ') + len(b'", "sample": ')
    return 0, found + b"#" + line[at : line.index(b",", at)]


def _failure_key(samples: int, line: bytes) -> tuple[int, bytes | None]:
    row = NoResponse.model_validate_json(line)
    key = row.key
    place = place_of(row.line, row.sample, samples)
    return place, None if key is None else key.encode("utf-8", "surrogatepass")

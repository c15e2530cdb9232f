"""What ``summary.json`` of a run folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judge.errors import UsageError
from judge.hostile import Flag
from judge.metrics.label_agreement import LabelAgreement
from judge.runs.folder import SUMMARY

S = TypeVar("S", bound=BaseModel)


class Session(BaseModel):
    """What the last process did on a run folder: the only numbers that depend on a clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """Rows this session added; the folder's own count is :attr:`Summary.rows`."""
    resumed_after: int
    """Rows that earlier sessions had finished."""
    load_seconds: float
    """Until the model stood ready."""
    seconds: float
    """From then to the last row."""
    pairs_per_second: float | None
    """Judged pairs of this session a second, without the loading; None when there were none."""
    engine: dict[str, int]
    """The engine's counts: tokens of prompts and completions, forwarded, padding."""
    scorers: dict[str, dict[str, int]] = {}
    """Each scorer's counts."""


class ScorerSummary(BaseModel):
    """What one scorer said of the judged pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scored: int
    failed: int
    """Judged pairs that this scorer gave no rewards."""
    failures: dict[str, int]
    """The same by reason."""
    wins: dict[str, int]
    """Scored pairs by the preference their rewards imply; ``none`` are exact ties."""
    win_shares: dict[str, float | None]
    compared: int
    """Pairs for which both the judge and this scorer prefer a response."""
    agreement: float | None
    """Share of those for which they prefer the same one."""
    mean_margin: float | None
    """Mean of |P(response_1 better) - P(response_2 better)|; None without probabilities."""
    mean_difference: float | None
    """Mean of |reward_1 - reward_2|."""


class Flagged(BaseModel):
    """Responses with one flag of :data:`judge.hostile.FLAGS`, in judged pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    responses: int
    compared: int
    """Those whose pair has a preference, and whose other response lacks the flag."""
    preferred: int
    """Those of ``compared`` that are the preferred response."""


class Summary(BaseModel):
    """A run folder in numbers. Shares are 0 to 1, and None where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete: bool
    """Whether every row of the input, or as many as ``limit`` allows, is in the folder."""
    rows: int
    judged: int
    failed: int
    failures: dict[str, int]
    """Failed rows by reason."""
    wins: dict[str, int]
    """Judged pairs by preference: ``response_1``, ``response_2``, ``none``."""
    win_shares: dict[str, float | None]
    order_consistency: float | None
    """Share of the pairs judged in both orders that had the same response chosen in both."""
    first_slot_rate: float | None
    """Share of the verdicts, over all orders, for the response shown first; 0.5 is no bias."""
    mean_margin: float | None
    """Mean of |P(response_1 better) - P(response_2 better)|."""
    strengths: dict[str, int]
    """Judged pairs by strength, -3 to 3."""
    neutralised: int
    """Literal ``@Response`` names in pair text that were made harmless."""
    flagged: dict[Flag, Flagged] = {}
    """Responses that do something besides answering, by what; empty where none does."""
    finish_reasons: dict[str, int]
    """Verdicts by how they came to their statement."""
    mean_off_grammar: float | None
    """Mean probability that the model gave to other words where the statement branches."""
    prompt_tokens: int
    completion_tokens: int
    scorers: dict[str, ScorerSummary] = {}
    """The reward models, by name."""
    labels: LabelAgreement | None = Field(default=None, exclude_if=lambda labels: labels is None)
    """How often each system agrees with the labels in the input; not there where it has none."""
    adapted: list[str] = Field(default=[], exclude_if=lambda lines: not lines)
    """What was left out of the requests to a server, or cut, because it refuses it; not there where
    it takes all."""
    session: Session | None = None

    @property
    def reward_alone(self) -> bool:
        """Whether a reward model judged, not a judge beside one."""
        return bool(self.scorers) and not self.finish_reasons

    @property
    def has_failures(self) -> bool:
        """Whether a row has no judgment, or a judgment lacks a scorer's rewards."""
        return self.failed > 0 or any(scorer.failed for scorer in self.scorers.values())


def read_summary(folder: Path) -> Summary:
    """Return the summary of a run folder; as :func:`read_summary_as`."""
    return read_summary_as(Summary, folder)


def read_summary_as(kind: type[S], folder: Path) -> S:
    """Return the summary of a run folder of one kind of run.

    Raises:
        UsageError: when there is none, or it is of another version or kind.
    """
    path = folder / SUMMARY
    try:
        return kind.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise UsageError(
            f"{path} is damaged, of another version or of another kind of run"
            f" ({field}: {first['msg']}); the command of the run writes it again"
        ) from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error})") from None

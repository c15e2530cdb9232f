"""What the rounds did, in numbers: ``rounds.json``, and the lines of the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict

from judge.metrics.estimate import rounded
from judge.metrics.gains import gain
from judge.online.iterative.pairs import ScoredAnswer


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SideFigures(_Part):
    """Answers of one policy to some prompts; None where there is nothing to divide by."""

    prompts: int
    answers: int
    """That there are."""
    failed: int
    """That there are not."""
    unscored: int
    """Answers without a reward."""
    mean_reward: float | None
    """Of the scored answers, truncated ones among them: they are what the policy writes."""
    mean_tokens: float | None
    mean_characters: float | None
    truncated_share: float | None
    """0 to 1."""


class PairedGain(_Part):
    """How much higher the mean rewards of the same prompts are, by the same draws."""

    mean: float
    standard_error: float | None
    """Of the mean, over prompts; None of a single one."""
    prompts: int
    """That both have a reward for."""


class RoundFigures(_Part):
    """A policy, and what its answers became."""

    round: int
    """The round that it answers in; of the last policy one more than there are rounds."""
    policy: str
    held_out: SideFigures
    gain: PairedGain | None = None
    """On the held-out prompts, over the start."""
    step_gain: PairedGain | None = None
    """The same, over the policy before."""
    prompts: SideFigures | None = None
    """The round's own; None of the last policy, which answers the held-out prompts alone."""
    pairs: dict[str, Any] | None = None
    """Those used and left out by why, of both sides."""
    training: dict[str, Any] | None = None
    """Steps, examples and last validation of the round's DPO; None before it is finished."""


class Rounds(_Part):
    """``rounds.json``."""

    rounds: list[RoundFigures]
    policy: str
    """The newest whole one."""


def side_figures(answers: Sequence[ScoredAnswer], prompts: int, failed: int) -> SideFigures:
    """Return the figures of a policy's answers.

    Args:
        prompts: how many were asked.
        failed: answers that there are not.
    """
    rewards = [answer.reward for answer in answers if answer.reward is not None]
    tokens = [count for answer in answers if (count := answer.said.tokens[0]) is not None]
    return SideFigures(
        prompts=prompts,
        answers=len(answers),
        failed=failed,
        unscored=len(answers) - len(rewards),
        mean_reward=_mean(rewards),
        mean_tokens=_mean(tokens),
        mean_characters=_mean([answer.said.length[0] for answer in answers]),
        truncated_share=_mean([float(answer.truncated) for answer in answers]),
    )


def reward_by_prompt(answers: Sequence[ScoredAnswer]) -> dict[str, float]:
    """Return the mean reward of each prompt's scored answers."""
    found = {}
    for name, several in groupby(answers, key=lambda answer: answer.said.id):
        rewards = [answer.reward for answer in several if answer.reward is not None]
        if rewards:
            found[name] = fmean(rewards)
    return found


def paired_gain(before: Mapping[str, float], after: Mapping[str, float]) -> PairedGain | None:
    """Return the mean difference over the prompts that both have; None where there are none."""
    found = gain([after[name] - before[name] for name in before if name in after])
    if found is None:
        return None
    return PairedGain(mean=found.value, standard_error=found.se, prompts=found.n)


def held_out_line(figures: RoundFigures) -> str:
    """Return what a person is told of a policy."""
    side = figures.held_out
    said = f"round {figures.round}, {figures.policy} on {side.prompts:,} held-out prompts: reward "
    said += _shown(side.mean_reward, "+.3f")
    if (over := figures.gain) is not None:
        error = "" if over.standard_error is None else f" +- {over.standard_error:.3f}"
        said += f" (gain over the start {over.mean:+.3f}{error})"
    said += f", {_shown(side.mean_tokens, '.0f')} tokens, truncated "
    return said + _shown(side.truncated_share, ".0%")


def pairs_line(figures: RoundFigures) -> str:
    """Return what a person is told of a round's pairs."""
    counts = (figures.pairs or {})["train"]
    left = {**counts["left_out"], **counts["answers_left_out"]}
    without = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in left.items())
    said = f"round {figures.round}: {counts['pairs']:,} pairs"
    return f"{said}; left out: {without}" if without else said


def _mean(values: Sequence[float]) -> float | None:
    return rounded(fmean(values)) if values else None


def _shown(value: float | None, form: str) -> str:
    return "none" if value is None else format(value, form)

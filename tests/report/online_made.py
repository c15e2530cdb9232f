"""Online alignments that were never trained: their files, with what moved the reward planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from judge.pair import Message
from judge.runs.online import (
    Drawn,
    HeldOut,
    RolloutFigures,
    Timing,
    append_lines,
    repetition,
)

Reward = Callable[[str, float, int], float]
"""Of a response, its quality and the step."""
WORDS = ("and", "the", "of", "tea", "leaf", "cup", "warm", "brew", "pour", "hot", "mild", "slow")
MAX_TOKENS = 60
RECIPE: dict[str, Any] = {
    "model": "small-base",
    "data": "work/prompts",
    "output_dir": "work/rloo",
    "samples": 4,
    "beta": 0.02,
    "kl": "mean_absolute",
    "max_kl": 0.5,
    "max_steps": 20,
    "reward": {"model": "small-bt"},
    "equal_rollouts": 5,
}


def likes_length(text: str, quality: float, step: int) -> float:
    """A reward model that counts words."""
    return 0.1 * len(text.split())


def likes_quality(text: str, quality: float, step: int) -> float:
    """A reward model that length is nothing to."""
    return quality


def text_of(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def planted(
    folder: Path,
    reward: Reward,
    *,
    steps: int = 20,
    longer: float = 1.0,
    better: float = 0.05,
    seed: int = 0,
    prompts: int = 48,
    every: int = 10,
    text: Callable[[np.random.Generator, int, int], str] | None = None,
    finished: bool = True,
    recipe: dict[str, Any] | None = None,
    kl: float = 0.01,
) -> Path:
    """Write the files of a run.

    Args:
        longer: words that a response gains each step.
        better: how much its quality does, which is 0 +- 1 at the start.
        every: steps between evaluations, the start among them.
        text: makes a response of so many words at a step, in place of random words.
        kl: the divergence grows by so much each step.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)

    def answer(step: int, base: float) -> tuple[str, float, bool]:
        words = max(1, round(base + longer * step + 4 * rng.normal()))
        said = (text or (lambda r, w, s: text_of(r, w)))(rng, min(words, MAX_TOKENS), step)
        return said, better * step + rng.normal(), words >= MAX_TOKENS

    found = [_rollout(step, rng, answer, reward, kl * step) for step in range(steps)]
    append_lines(folder, [figures for figures, _ in found])
    append_lines(folder, [line for _, lines in found for line in lines])
    times = {"rollout": 8.0, "reward": 1.5, "log_probs": 1.0, "update": 3.5}
    append_lines(folder, [Timing(step=step, **times) for step in range(steps)])
    bases = [float(base) for base in rng.uniform(10, 20, prompts)]
    lines = []
    for step in range(0, steps + 1, every):
        for number, base in enumerate(bases):
            said, quality, cut = answer(step, base)
            asked = (Message(role="user", content=f"Question {number}: how do I make tea?"),)
            lines.append(
                HeldOut(
                    step=step, prompt_id=f"held-{number}", prompt=None if step else asked,
                    response=said, tokens=len(said.split()), truncated=cut,
                    reward=reward(said, quality, step), kl=kl * step, repetition=repetition(said),
                )
            )  # fmt: skip
    append_lines(folder, lines)
    (folder / "recipe.json").write_text(json.dumps({**RECIPE, **(recipe or {})}))
    rows = [_step(step + 1) for step in range(steps)]
    (folder / "steps.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    if finished:
        (folder / "manifest.json").write_text('{"steps": 20}')
    return folder


def _rollout(
    step: int,
    rng: np.random.Generator,
    answer: Callable[[int, float], tuple[str, float, bool]],
    reward: Reward,
    kl: float,
) -> tuple[RolloutFigures, list[Drawn]]:
    drawn = []
    for prompt in range(8):
        base = float(rng.uniform(10, 20))
        for sample in range(4):
            said, quality, cut = answer(step, base)
            drawn.append(
                Drawn(
                    step=step, prompt_id=f"p{step}-{prompt}", sample=sample, response=said,
                    tokens=len(said.split()), truncated=cut, reward=reward(said, quality, step),
                    kl=kl, advantage=0.0,
                )
            )  # fmt: skip
    rewards = [one.reward or 0.0 for one in drawn]
    groups = [set(rewards[i : i + 4]) for i in range(0, len(rewards), 4)]
    figures = RolloutFigures(
        step=step, prompts=8, responses=len(drawn), reward=fmean(rewards), reward_sd=stdev(rewards),
        kl=kl, kl_mean_absolute=kl, kl_sum=12 * kl, entropy=2.5 - 0.02 * step,
        tokens=fmean(one.tokens for one in drawn),
        characters=fmean(len(one.response) for one in drawn),
        truncated=fmean(one.truncated for one in drawn),
        repetition=fmean(repetition(one.response) for one in drawn),
        equal_groups=fmean(len(group) == 1 for group in groups),
    )  # fmt: skip
    return figures, drawn


def _step(step: int) -> dict[str, Any]:
    return {
        "step": step, "loss": 0.0, "tokens": 900, "padding_share": 0.1, "seconds": 14.0,
        "mfu": None, "devices": 1, "tokens_per_second": 64.0, "memory_bytes": 2**31,
    }  # fmt: skip

"""Held-out prompts, answered by the same draw at every evaluation, so that gains are paired."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from judge.metrics.gains import gain
from judge.runs.online import HeldOut, append_lines, read_lines, repetition
from judge.train.align.online.answers import Answers
from judge.train.align.online.experience import Response, ask_of, seed_of
from judge.train.align.prompts import PromptSet
from judge.train.observe import gathered

EVALUATED = (
    "eval_reward",
    "eval_reward_gain",
    "eval_reward_gain_se",
    "eval_kl",
    "eval_tokens",
    "eval_truncated",
)
"""The figures of an evaluation."""
NO_REWARD = -1e9
"""The mean reward of an evaluation without any: no checkpoint is chosen by it."""


class HeldOutPrompts:
    """Evaluates a policy on prompts that it does not learn from.

    Args:
        trainer: whose policy answers; each process of a launch takes its share.
        prompts: that are answered.
        answers: answers them.
    """

    def __init__(self, trainer: Any, prompts: PromptSet, answers: Answers) -> None:
        self._trainer = trainer
        self._prompts = prompts
        self._answers = answers
        self._output = Path(trainer.args.output_dir)

    def evaluate(self, step: int) -> dict[str, float]:
        """Answer the prompts, let the first process write the lines, and return the figures."""
        lines = self._lines(step)
        first = self._trainer.is_world_process_zero()
        if first:
            append_lines(self._output, lines)
        figures: dict[str, float] = gathered(self._figures(step, lines) if first else {})[0]
        return figures

    def _lines(self, step: int) -> list[HeldOut]:
        rank, world = self._trainer.args.process_index, self._trainer.args.world_size
        seed, count = self._trainer.recipe.seed, len(self._prompts)
        places = list(range(rank, count, world))
        # All processes take part as often: one that has none left answers the first again.
        asked = [*places, *[0] * (-(-count // world) - len(places))]
        asks = [ask_of(self._prompts, i, 0, seed_of("held out", seed, i)) for i in asked]
        answered = self._answers.answer(asks, "held-out prompts")
        mine = {i: self._line(step, one) for i, one in zip(places, answered, strict=False)}
        everyone = {i: line for part in gathered(mine) for i, line in part.items()}
        return [everyone[i] for i in range(count)]

    def _line(self, step: int, one: Response) -> HeldOut:
        return HeldOut(
            step=step,
            prompt_id=one.ask.name,
            prompt=None if step else one.ask.conversation,
            response=one.text,
            tokens=len(one.drawn.tokens),
            truncated=not one.drawn.ended,
            reward=one.value,
            attributes=getattr(one.reward, "attributes", {}),
            kl=one.kl(self._trainer.recipe.kl),
            repetition=repetition(one.text),
        )

    def _figures(self, step: int, lines: Sequence[HeldOut]) -> dict[str, float]:
        """Return the mean reward, and its difference to the start's prompt by prompt."""
        start = {
            line.prompt_id: line.reward
            for line in read_lines(HeldOut, self._output)
            if line.step == 0 and line.reward is not None
        }
        rewards = {line.prompt_id: line.reward for line in lines if line.reward is not None}
        gains = [reward - start[name] for name, reward in rewards.items() if name in start]
        figures = {
            "eval_reward": fmean(rewards.values()) if rewards else NO_REWARD,
            "eval_tokens": fmean(line.tokens for line in lines),
            "eval_kl": fmean(line.kl or 0.0 for line in lines),
            "eval_truncated": fmean(line.truncated for line in lines),
        }
        if step and (found := gain(gains)) is not None and found.se is not None:
            figures |= {"eval_reward_gain": found.value, "eval_reward_gain_se": found.se}
        return figures

"""What is noticed of rollouts: where it makes no sense to go on, and what a person should know."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from judge.errors import UsageError
from judge.runs.online import RolloutFigures, read_lines
from judge.train.align.online.experience import ALONE, TRUNCATED
from judge.train.align.rloo_config import RLOOConfig
from judge.train.faults import last_good

MANY = 0.5
"""The share of truncated responses above which a person is told."""
FOREIGN = 0.5
"""Nats a token above the entropy of a uniform draw from which responses are not the policy's."""


class Lookout:
    """Looks at each rollout of a training.

    Args:
        config: its recipe.
        vocabulary: tokens that the policy knows.
        tell: shows a person a line.
    """

    def __init__(self, config: RLOOConfig, vocabulary: int, tell: Callable[[str], None]) -> None:
        self._config = config
        self._most_entropy = math.log(vocabulary) + FOREIGN
        self._output = Path(config.output_dir)
        self._tell = tell
        self._equal = 0
        self._truncated = False

    def go_on(self) -> None:
        """Take up what the rollouts of earlier sessions were like."""
        for line in read_lines(RolloutFigures, self._output):
            self._equal = self._equal + 1 if line.equal_groups == 1 else 0

    def look(self, figures: RolloutFigures) -> None:
        """Look at a rollout.

        Raises:
            UsageError: for too many responses without a reward, or too far from the reference;
                it names the last whole checkpoint.
        """
        where = f"rollout {figures.step // self._config.updates + 1} (step {figures.step})"
        problem = self._problem(figures)
        if problem is not None:
            raise UsageError(f"{where}: {problem}; {last_good(self._output)}")
        if figures.truncated is not None and figures.truncated > MANY and not self._truncated:
            self._truncated = True
            self._tell(
                f"{where}: {figures.truncated:.0%} of the responses were truncated at"
                f" {self._config.rollout.max_new_tokens} tokens"
            )
        self._equal = self._equal + 1 if figures.equal_groups == 1 else 0
        if self._equal and self._equal % self._config.equal_rollouts == 0:
            self._tell(
                f"{where}: in {self._equal} rollouts running all responses to each prompt had"
                " equal rewards: there is nothing to learn from them"
            )

    def _problem(self, figures: RolloutFigures) -> str | None:
        """Return why the training must not go on."""
        config = self._config
        if figures.unscored > config.max_unscored * figures.responses:
            reasons = ", ".join(sorted(figures.left_out.keys() - {TRUNCATED, ALONE}))
            return (
                f"{figures.unscored} of {figures.responses} responses got no reward ({reasons});"
                f" max_unscored is {config.max_unscored:g}"
            )
        if figures.kl is None:
            return "the divergence from the reference is not a finite number"
        if figures.entropy is not None and figures.entropy > self._most_entropy:
            return (
                f"the policy gives its responses {figures.entropy:.1f} nats a token, more than a"
                " policy that knows nothing; what drew them had other weights"
            )
        if config.max_kl is not None and figures.kl > config.max_kl:
            return f"KL {figures.kl:.4g} ({config.kl}) is above max_kl {config.max_kl:g}"
        return None

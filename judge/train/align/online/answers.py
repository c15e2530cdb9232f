"""Responses of a policy in training: drawn, scored, measured against the reference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from judge.pair import Message
from judge.train.align.log_probs import token_log_probs
from judge.train.align.online.estimator import by_response, divergences
from judge.train.align.online.experience import Ask, Response
from judge.train.align.online.policies import Reference, still, writing
from judge.train.align.rollouts import DrawnTokens, RewardSource, RolloutEngine
from judge.train.progress import TrainingProgress


class Answers:
    """Answers prompts with the policy of a trainer as it is at the time.

    Args:
        trainer: a :class:`judge.train.align.online.trainer.RLOOTrainer`.
        engine: draws responses.
        rewards: scores them.
        reference: what the policy is held to.
        told: is told how it goes.
    """

    def __init__(
        self,
        trainer: Any,
        engine: RolloutEngine,
        rewards: RewardSource,
        reference: Reference,
        told: TrainingProgress,
    ) -> None:
        self._trainer = trainer
        self._engine = engine
        self._rewards = rewards
        self._reference = reference
        self._told = told
        self.seconds: dict[str, float] = {}
        """What the parts of the last call took."""

    def answer(self, asks: Sequence[Ask], what: str) -> list[Response]:
        """Return a response to each, with its reward and its divergence from the reference.

        Args:
            what: is answered, for the screen.

        Raises:
            UsageError: when the engine or the reward model does not answer any more.
        """
        began = time.monotonic()
        self._told.doing(f"{what}: drawing {len(asks)} responses")
        with writing(self._trainer, self._engine.whole_policy) as policy:
            prompts, seeds = [one.prompt for one in asks], [one.seed for one in asks]
            drawn = self._engine.draw(policy, prompts, seeds)
        wrote = time.monotonic()
        self._told.doing(f"{what}: scoring {len(asks)} responses")
        texts = [self._text(one) for one in drawn]
        said = [Message(role="assistant", content=text) for text in texts]
        talks = [(*ask.conversation, one) for ask, one in zip(asks, said, strict=True)]
        rewards = self._rewards.rewards(talks)
        scored = time.monotonic()
        responses = [Response(*one) for one in zip(asks, drawn, texts, rewards, strict=True)]
        self._measure(responses)
        times = (wrote - began, scored - wrote, time.monotonic() - scored)
        self.seconds = dict(zip(("rollout", "reward", "log_probs"), times, strict=True))
        return responses

    def _text(self, drawn: DrawnTokens) -> str:
        """Return the text of a response, without the token that ended it."""
        tokens = list(drawn.tokens[:-1] if drawn.ended else drawn.tokens)
        tokenizer = self._trainer.processing_class
        text: str = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        return text

    def _measure(self, responses: list[Response]) -> None:
        """Give each response its log-probability and its divergence from the reference."""
        trainer = self._trainer
        size = trainer.recipe.per_device_batch_size
        for start in range(0, len(responses), size):
            part = responses[start : start + size]
            inputs = trainer._prepare_inputs(trainer.data_collator([one.item(0) for one in part]))
            of, count = inputs["of"], len(part)
            with still(trainer):
                own = token_log_probs(trainer.model_wrapped, inputs)
                with self._reference.asked() as reference:
                    other = token_log_probs(reference, inputs)
            found = divergences(own, other, of, count)
            columns = (found["mean_absolute"], found["sum"], by_response(own, of, count))
            for one, row in zip(
                part, zip(*(c.tolist() for c in columns), strict=True), strict=True
            ):
                one.kl_mean_absolute, one.kl_sum, one.log_prob = row

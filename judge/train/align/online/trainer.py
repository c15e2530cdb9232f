"""The training loop of REINFORCE with a leave-one-out baseline: roll out, score, learn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from judge.runs.online import RolloutFigures, Timing, append_lines, cut_back
from judge.train.align.log_probs import token_log_probs
from judge.train.align.online.answers import Answers
from judge.train.align.online.estimator import losses
from judge.train.align.online.experience import (
    Ask,
    Response,
    ask_of,
    drawn_lines,
    estimate,
    figures_of,
    seed_of,
)
from judge.train.align.online.held_out import HeldOutPrompts
from judge.train.align.online.lookout import Lookout
from judge.train.align.online.policies import Reference
from judge.train.align.prompts import PromptSet
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import RewardSource, RolloutEngine
from judge.train.batches.sequences import SequenceSet
from judge.train.observe import gathered
from judge.train.progress import TrainingProgress
from judge.train.sequence_trainer import SequenceTrainer


class RLOOTrainer(SequenceTrainer):
    """A Trainer whose batches are the responses that its own policy has just drawn.

    Each process of a launch draws and scores the responses to its share of a rollout's prompts.

    Args:
        recipe: how to draw, reward and learn.
        prompts: to learn from.
        held_out: to evaluate on.
        engine: draws responses.
        rewards: scores them.
        reference: another model than the policy without its adapter; None: that.
        progress: is told how it goes.
    """

    recipe: RLOOConfig

    def __init__(
        self,
        *args: Any,
        prompts: PromptSet,
        held_out: PromptSet,
        engine: RolloutEngine,
        rewards: RewardSource,
        reference: PreTrainedModel | None,
        progress: TrainingProgress,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, examples=SequenceSet(), **kwargs)
        self.prompts = prompts
        self.output = Path(self.args.output_dir)
        self.answers = Answers(self, engine, rewards, Reference(reference, self), progress)
        self.held_out = HeldOutPrompts(self, held_out, self.answers) if len(held_out) else None
        vocabulary = self.accelerator.unwrap_model(self.model).config.get_text_config().vocab_size
        tell = progress.note if self._is_first else _nobody
        self.lookout = Lookout(self.recipe, vocabulary, tell)
        self.figures: RolloutFigures | None = None
        """Of the last rollout of this session."""
        self._evaluated: int | None = None
        self._by_update: list[list[Response]] = []
        self._began_updates = 0.0

    @property
    def _is_first(self) -> bool:
        return bool(self.is_world_process_zero())

    # What transformers asks for: a step's micro-batches, their losses, an evaluation.

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], torch.Tensor]:
        """Return this process's micro-batches of the next step; roll out where there are none."""
        step, updates = self.state.global_step, self.recipe.updates
        if step % updates == 0:
            if self.figures is None:
                self._begin(step)
            self._by_update = self._roll_out(step)
            self._began_updates = time.monotonic()
        part = self._by_update[step % updates]
        self.examples.names = [f"{one.ask.name} (sample {one.ask.sample})" for one in part]
        size = self.recipe.per_device_batch_size
        items = [one.item(index) for index, one in enumerate(part)]
        batches = [self.data_collator(items[i : i + size]) for i in range(0, len(items), size)]
        return batches, self._get_num_items_in_batch(batches, device).clamp(min=1)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(train_dataset or self.train_dataset)

    def units(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return how many responses of a micro-batch count."""
        counted: torch.Tensor = batch["labels"][:, 1].sum()
        return counted

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        log_probs, advantages = token_log_probs(model, inputs), inputs["labels"][:, 0]
        found = losses(log_probs, inputs["of"], advantages, self.recipe.response_loss)
        return found.sum(), log_probs

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Answer and score the held-out prompts."""
        if self.held_out is None:
            return {}
        self._evaluated = self.state.global_step
        figures = self.held_out.evaluate(self._evaluated)
        self.log(dict(figures))
        self.control: Any = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, figures
        )
        return figures

    def figures_of_step(self) -> dict[str, float]:
        """Return what the screen shows of the rollout that a step is of."""
        found = self.figures
        told = {} if found is None else {"reward": found.reward, "kl": found.kl}
        told |= {} if found is None else {"response_tokens": found.tokens}
        return {name: round(value, 6) for name, value in told.items() if value is not None}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the rollout's figures to the lines of training."""
        if "loss" in logs and self.figures is not None:
            told = self.figures.model_dump(exclude={"step", "left_out"})
            logs |= {name: value for name, value in told.items() if value is not None}
        super().log(logs, start_time)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        step, updates = self.state.global_step, self.recipe.updates
        if step >= self.state.max_steps and self.held_out is not None:
            self.control.should_evaluate = self._evaluated != step
        if self._by_update and step % updates == 0:
            self._by_update = []
            if self._is_first:
                seconds = self.answers.seconds | {"update": time.monotonic() - self._began_updates}
                rounded = {name: round(value, 3) for name, value in seconds.items()}
                append_lines(self.output, [Timing(step=step - updates, **rounded)])
        super()._maybe_log_save_evaluate(*args, **kwargs)

    # A rollout.

    def _begin(self, step: int) -> None:
        """Before the first rollout of a session: cut the files back, measure the start."""
        if self._is_first:
            cut_back(self.output, step or -1)
            self.lookout.go_on()
        self.accelerator.wait_for_everyone()
        if not step:
            self.evaluate()

    def _roll_out(self, step: int) -> list[list[Response]]:
        """Return this process's responses by optimizer step."""
        config = self.recipe
        number = step // config.updates
        responses = self.answers.answer(self._asks(number), f"rollout {number + 1}")
        estimate(config, responses)
        shares = gathered(responses)
        groups = [
            share[i : i + config.samples]
            for i in range(0, len(responses), config.samples)
            for share in shares
        ]
        everyone = [one for group in groups for one in group]  # prompts in their order
        self.figures = figures_of(config, step, everyone)
        if self._is_first:
            append_lines(self.output, drawn_lines(config, step, everyone))
            append_lines(self.output, [self.figures])
        self.lookout.look(self.figures)
        size = len(responses) // config.updates
        return [responses[i : i + size] for i in range(0, len(responses), size)]

    def _asks(self, number: int) -> list[Ask]:
        """Return what this process is to draw in a rollout."""
        config = self.recipe
        first = number * config.prompts_per_rollout + self.args.process_index
        end = (number + 1) * config.prompts_per_rollout
        return [
            ask_of(
                self.prompts,
                place_of(place, len(self.prompts), config.seed),
                sample,
                seed_of("rollout", config.seed, place, sample),
            )
            for place in range(first, end, self.args.world_size)
            for sample in range(config.samples)
        ]


def _nobody(text: str) -> None:
    """Show a line to nobody."""


def place_of(place: int, count: int, seed: int) -> int:
    """Return which of ``count`` prompts is the ``place``-th to be answered; each once a pass."""
    return _order(count, seed, place // count)[place % count]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, number: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed_of("pass", seed, number))
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order

"""REINFORCE with a leave-one-out baseline: prompts, policy, what draws and scores, the training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder, template_digest
from judge.errors import UsageError
from judge.runs.identity import refuse_another
from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.runs.whole import write_whole
from judge.train import tuning
from judge.train.align.online.held_out import EVALUATED
from judge.train.align.online.policies import load_reference
from judge.train.align.online.trainer import RLOOTrainer
from judge.train.align.policy_tuning import load_policy
from judge.train.align.prompts import PromptSet, load_prompts
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import RewardSource, RolloutEngine
from judge.train.checkpoints.manifest import data_of_kind
from judge.train.finetune import outside_deepspeed, plain_arguments
from judge.train.progress import TrainingFacts, TrainingProgress, facts_of
from judge.train.reward.model import choose_padding
from judge.train.sequence_trainer import figures_of, left_out

ONLINE_FILE = "online.json"
"""What draws and what scores: another reward model cannot go on with a training."""


@dataclass(frozen=True)
class Helpers:
    """What a policy is answered and scored by, made when the training needs it."""

    engine: Callable[[RLOOConfig, PreTrainedTokenizerBase], RolloutEngine]
    rewards: Callable[[], RewardSource]


def run(
    config: RLOOConfig, helpers: Helpers, progress: TrainingProgress
) -> TrainingManifest | None:
    """Align the model of ``config``; return the manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same
    responses and weights as an uninterrupted run; a finished run is not repeated.

    Raises:
        UsageError: for missing data or model, a reward model that is none, sizes that the processes
            do not divide, a divergence above ``max_kl``, too many responses without a reward, or an
            output folder of another configuration or reward model.
    """
    return tuning.run(RLOOTuning(config, helpers, progress), progress)


class RLOOTuning:
    """Online alignment; a :class:`judge.train.tuning.FineTuning`."""

    evaluate_last = False  # the trainer sees to it
    tokenizer: PreTrainedTokenizerBase
    train: PromptSet
    held_out: PromptSet

    def __init__(self, config: RLOOConfig, helpers: Helpers, progress: TrainingProgress) -> None:
        self.config = config
        self.helpers = helpers
        self.progress = progress

    def check_data(self) -> TrainingData:
        return data_of_kind(Path(self.config.data), "prompts", "RLOO")

    def arguments(self) -> TrainingArguments:
        config = self.config
        arguments = plain_arguments(config)
        self.check_processes(arguments.world_size)
        arguments.metric_for_best_model = "eval_reward"
        arguments.greater_is_better = True
        if not config.held_out:
            arguments.eval_strategy = "no"
        return arguments

    def check_processes(self, world: int) -> None:
        """Refuse a number of processes that does not divide the prompts of a rollout.

        Raises:
            UsageError: naming the fitting ones.
        """
        prompts = self.config.prompts_per_rollout
        if prompts % world:
            fits = [n for n in range(1, prompts + 1) if prompts % n == 0]
            raise UsageError(
                f"prompts_per_rollout {prompts} cannot be shared by {world} processes;"
                f" fitting: {', '.join(map(str, fits))}, or a multiple of {world} prompts"
            )

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read the prompts; one must leave room for a response."""
        config, data = self.config, Path(self.config.data)
        self.tokenizer, builder = tokenizer, ConversationBuilder(tokenizer)
        room = config.max_length - config.rollout.max_new_tokens
        self.train = load_prompts(data / "train.jsonl", builder, room, config.train_limit)
        self.train.refuse_none(data / "train.jsonl", "prompt to learn from")
        self.held_out = PromptSet()
        if config.held_out:
            limit = min(config.held_out, config.eval_limit or config.held_out)
            self.held_out = load_prompts(data / "val.jsonl", builder, room, limit)
            self.held_out.refuse_none(data / "val.jsonl", "held-out prompt (held_out=0: none)")
        choose_padding(tokenizer, {tokenizer.eos_token_id})

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> RLOOTrainer:
        config = self.config
        arguments.max_steps = self._steps()
        self.progress.doing(f"loading the reward model {config.reward.model}")
        with outside_deepspeed():
            rewards = self.helpers.rewards()
            engine = self.helpers.engine(config, tokenizer)
        self._claim({"reward": rewards.describe(), "rollout": engine.describe()})
        model, collator = load_policy(config, tokenizer)
        return RLOOTrainer(
            model=model,
            args=arguments,
            # Never read: a step's batches are drawn. Its length makes the steps one pass.
            train_dataset=range(arguments.max_steps * config.global_batch_size),
            eval_dataset=range(len(self.held_out)),
            processing_class=tokenizer,
            data_collator=collator,
            recipe=config,
            prompts=self.train,
            held_out=self.held_out,
            engine=engine,
            rewards=rewards,
            reference=load_reference(config, tokenizer),
            progress=self.progress,
        )

    def facts(self, trainer: RLOOTrainer) -> TrainingFacts:
        config = self.config
        what = (
            f"a policy (RLOO, {config.samples} samples, beta {config.beta:g} {config.kl}, reward"
            f" {config.reward.model})"
        )
        tokens = config.samples * sum(map(len, self.train.ids))
        sizes = config.samples * len(self.train), len(self.held_out)
        found = facts_of(trainer, config, what, sizes, tokens, left_out(self.train, self.held_out))
        return replace(found, unit="responses")

    def card(self) -> dict[str, Any]:
        return {"kind": "policy", "chat_template": template_digest(self.tokenizer)}

    def figures(self, trainer: RLOOTrainer, seconds: float) -> TrainingFigures:
        return figures_of(trainer, self.train, self.held_out, seconds, EVALUATED, "prompts")

    def _steps(self) -> int:
        """Return how many optimizer steps the recipe asks for: whole rollouts.

        Raises:
            UsageError: when there are too few prompts for one, or ``max_steps`` cuts one.
        """
        config = self.config
        if config.max_steps > 0:
            if config.max_steps % config.updates:
                raise UsageError(
                    f"max_steps {config.max_steps} is no multiple of the {config.updates} optimizer"
                    " steps of a rollout"
                )
            return config.max_steps
        rollouts = int(config.epochs * len(self.train)) // config.prompts_per_rollout
        if not rollouts:
            raise UsageError(
                f"{config.data}: {len(self.train)} prompts in {config.epochs:g} passes are fewer"
                f" than the {config.prompts_per_rollout} of a rollout (prompts_per_rollout)"
            )
        return rollouts * config.updates

    def _claim(self, now: dict[str, Any]) -> None:
        """Write down what draws and scores; refuse to go on with something else.

        Raises:
            UsageError: naming what differs.
        """
        path = Path(self.config.output_dir) / ONLINE_FILE
        if any(path.parent.glob("checkpoint-*")) and path.is_file():
            there = json.loads(path.read_bytes())
            for part, value in now.items():
                name = f"a training with another {part}"
                refuse_another(path, there[part], value, name, "Name another output_dir")
        elif int(os.environ.get("RANK", "0")) == 0:
            write_whole(path, json.dumps(now, indent=1, sort_keys=True))

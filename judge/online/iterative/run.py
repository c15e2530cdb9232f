"""Rounds of answers, rewards, pairs and DPO; :func:`run` reads from top to bottom.

iterate.json               what the rounds depend on
rounds.json                what they did, in numbers
round-1/answers/train      the policy's answers to the round's prompts; .../val to the held-out
round-1/pairs              the pairs, and the rewards of all answers
round-1/policy             the next policy
round-4/answers/val        of three rounds: the last policy's answers to the held-out prompts
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models import resolve_model
from judge.models.layers import digest_of
from judge.online.iterative.figures import (
    RoundFigures,
    Rounds,
    held_out_line,
    paired_gain,
    pairs_line,
    reward_by_prompt,
    side_figures,
)
from judge.online.iterative.pairs import RoundPairs, ScoredAnswer, pairs_of, write_pairs
from judge.online.iterative.parts import (
    answer,
    free_memory,
    respond_config,
    train,
)
from judge.online.iterative.prompts import Prompt, of_round, prompts_in, write_prompts
from judge.online.reward_file import score_into, source_of
from judge.online.rewards import rewards_of
from judge.pair import Message
from judge.runs.identity import plain, refuse_another
from judge.runs.responses import read_no_responses, read_responses
from judge.runs.training import MANIFEST_FILE, TrainingData
from judge.runs.whole import replace_json
from judge.train.align.iterate_config import IterateConfig
from judge.train.align.rloo_config import RewardSection
from judge.train.align.rollouts import RewardSource
from judge.train.checkpoints.manifest import data_of_kind
from judge.train.progress import UNWATCHED, TrainingProgress

IDENTITY, ROUNDS = "iterate.json", "rounds.json"
Load = Callable[[RewardSection, Callable[[str], None]], RewardSource]


def run(
    config: IterateConfig, progress: TrainingProgress = UNWATCHED, load: Load = rewards_of
) -> Rounds:
    """Align the model of ``config`` round by round; return what ``rounds.json`` says.

    Running it again after an interruption goes on in the part that was interrupted, with the same
    result as an uninterrupted run; with more rounds, after the last one.

    Args:
        progress: is told how it goes.
        load: what loads the reward model.

    Raises:
        UsageError: for missing prompts or models, a round without any pair, or an output folder of
            another configuration.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "judge align iterate is one process; the recipe's `launch` trains in several"
        )
    data = Path(config.data)
    manifest = data_of_kind(data, "prompts", "judge align iterate")
    _claim(config, manifest)
    prompts = prompts_in(data / "train.jsonl")
    held_out = prompts_in(data / "val.jsonl", config.held_out)
    rounds = _Rounds(config, held_out, progress, load)
    policy = config.model
    for number in range(1, config.rounds + 1):
        policy = rounds.go(number, policy, of_round(prompts, number, config.prompts_per_round))
    rounds.ask(config.rounds + 1, policy)
    return rounds.told()


def _claim(config: IterateConfig, data: TrainingData) -> None:
    """Take the output folder for this recipe.

    Raises:
        UsageError: when it holds rounds of another one, naming what differs.
    """
    output = Path(config.output_dir)
    outputs = data.outputs or {}
    identity: dict[str, Any] = {
        **config.identity(),
        "data_sha256": {name: file.sha256 for name, file in sorted(outputs.items())},
        "model_digest": digest_of(resolve_model(config.model)),
    }
    path = output / IDENTITY
    if path.is_file():
        try:
            before = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            raise UsageError(f"{path} is damaged; name another output_dir") from None
        refuse_another(output, before, identity, "rounds", "Name another output_dir", shared=True)
        return
    if output.is_dir() and any(output.glob("round-*")):
        raise UsageError(f"{output} holds rounds without {IDENTITY}; name another output_dir")
    output.mkdir(parents=True, exist_ok=True)
    replace_json(path, plain(identity))


@dataclass
class _Side:
    """The answers of one side of a round, and who was asked."""

    answers: list[ScoredAnswer]
    prompts: int
    failed: int


class _Rounds:
    """The rounds of one recipe in its output folder.

    Args:
        held_out: the prompts that every policy answers.
    """

    def __init__(
        self,
        config: IterateConfig,
        held_out: list[Prompt],
        progress: TrainingProgress,
        load: Load,
    ) -> None:
        self._config = config
        self._held_out = held_out
        self._progress = progress
        self._load = load
        self._figures: list[RoundFigures] = []
        self._by_prompt: list[dict[str, float]] = []
        """The held-out rewards of every policy so far."""
        self._policy = config.model
        self._source: RewardSource | None = None

    def go(self, number: int, policy: str, prompts: list[Prompt]) -> str:
        """Do what is not done of a round; return the folder of the next policy."""
        folder = self._folder(number)
        sides = self._answered(number, policy, {"train": prompts, "val": self._held_out})
        pairs = {
            name: pairs_of(side.answers, side.prompts, side.failed, folder.name)
            for name, side in sides.items()
        }
        figures = self._measured(number, policy, sides["val"]).model_copy(
            update={
                "prompts": side_figures(
                    sides["train"].answers, sides["train"].prompts, sides["train"].failed
                ),
                "pairs": {name: side.counts() for name, side in pairs.items()},
            }
        )
        self._tell(figures)
        self._progress.note(pairs_line(figures))
        self._write(number, pairs)
        into = folder / "policy"
        recipe = self._config.round_config(number, policy, str(folder / "pairs"), str(into))
        trained = train(recipe, self._config.launch, self._progress)
        self._figures[-1] = figures.model_copy(update={"training": trained})
        self._policy = str(into)
        self._save()
        return self._policy

    def ask(self, number: int, policy: str) -> None:
        """Let the last policy answer the held-out prompts."""
        sides = self._answered(number, policy, {"val": self._held_out})
        self._tell(self._measured(number, policy, sides["val"]))

    def told(self) -> Rounds:
        return Rounds(rounds=self._figures, policy=self._policy)

    def _folder(self, number: int) -> Path:
        return Path(self._config.output_dir) / f"round-{number}"

    def _answered(
        self, number: int, policy: str, asked: dict[str, list[Prompt]]
    ) -> dict[str, _Side]:
        """Return the policy's answers by side, with their rewards."""
        folder, config = self._folder(number), self._config
        for name, prompts in asked.items():
            input = folder / "answers" / f"{name}.jsonl"
            write_prompts(input, prompts)
            seed = config.seed + (number if name == "train" else 0)  # held-out: a fixed draw
            run_of = respond_config(config, policy, input, folder / "answers" / name, seed)
            told = f"round {number}: {policy} answers {len(prompts):,} prompts ({name})"
            self._progress.doing(told)
            answer(run_of, config.answers.command, self._progress)
        try:
            return {name: self._scored(number, name, len(asked[name])) for name in asked}
        finally:
            self._source = None
            free_memory()

    def _scored(self, number: int, name: str, prompts: int) -> _Side:
        folder = self._folder(number)
        said = list(read_responses(folder / "answers" / name))
        failed = sum(1 for _ in read_no_responses(folder / "answers" / name))
        conversations = [
            (*one.prompt, Message(role="assistant", content=one.responses[0])) for one in said
        ]
        file = folder / "pairs" / f"rewards_{name}.jsonl"
        rewards = score_into(file, conversations, self._rewards, self._progress)
        answers = [ScoredAnswer(o, r.reward) for o, r in zip(said, rewards, strict=True)]
        return _Side(answers, prompts, failed)

    def _rewards(self) -> RewardSource:
        """Return the reward model, loaded; refuse another one than that of the first round."""
        if self._source is None:
            self._progress.doing(f"loading the reward model {self._config.reward.model}")
            self._source = self._load(self._config.reward, self._progress.note)
            first = source_of(self._folder(1) / "pairs" / "rewards_train.jsonl")
            output, now = Path(self._config.output_dir), self._source.describe()
            refuse_another(output, first, now, "rewards", "Name another output_dir", shared=True)
        return self._source

    def _measured(self, number: int, policy: str, side: _Side) -> RoundFigures:
        """Return how a policy does on the held-out prompts."""
        found = reward_by_prompt(side.answers)
        before = self._by_prompt
        figures = RoundFigures(
            round=number,
            policy=policy,
            held_out=side_figures(side.answers, side.prompts, side.failed),
            gain=paired_gain(before[0], found) if before else None,
            step_gain=paired_gain(before[-1], found) if before else None,
        )
        self._by_prompt.append(found)
        return figures

    def _tell(self, figures: RoundFigures) -> None:
        self._figures.append(figures)
        self._progress.note(held_out_line(figures))
        self._save()

    def _save(self) -> None:
        replace_json(Path(self._config.output_dir) / ROUNDS, self.told().model_dump(mode="json"))

    def _write(self, number: int, pairs: dict[str, RoundPairs]) -> None:
        """Write the pairs of a round, if they are not there.

        Raises:
            UsageError: when a side has none.
        """
        for name, side in pairs.items():
            if not side.rows:
                raise UsageError(f"round {number}: no pair of the {name} prompts ({_why(side)})")
        folder = self._folder(number) / "pairs"
        if not (folder / MANIFEST_FILE).is_file():
            write_pairs(folder, pairs, number, source_of(folder / "rewards_train.jsonl"))


def _why(side: RoundPairs) -> str:
    left = {**side.left_out, **side.answers_left_out}
    return ", ".join(f"{count} {why}" for why, count in sorted(left.items())) or "no answers"

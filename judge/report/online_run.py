"""An online alignment as its page sees it: its files, its evaluations paired with the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from judge.errors import UsageError
from judge.metrics.gains import Explained, Gain, Within, explained, gain, within_groups
from judge.report.training import MANIFEST, RECIPE, STEPS, json_object, log_rows
from judge.runs.online import ROLLOUTS, Drawn, HeldOut, RolloutFigures, Timing, read_lines

OfRollout = TypeVar("OfRollout", RolloutFigures, Timing)
Measure = Callable[[HeldOut], float | None]
"""A figure of an answer, or None where it has none."""


def reward_of(answer: HeldOut) -> float | None:
    return answer.reward


def characters_of(answer: HeldOut) -> float | None:
    return len(answer.response)


def repetition_of(answer: HeldOut) -> float | None:
    return answer.repetition


def kl_of(answer: HeldOut) -> float | None:
    return answer.kl


def truncated_of(answer: HeldOut) -> float | None:
    return float(answer.truncated)


@dataclass(frozen=True)
class Evaluation:
    """The answers to the held-out prompts after so many steps."""

    step: int
    answers: Mapping[str, HeldOut]
    """By prompt, in the order they were written."""

    def mean(self, measure: Measure) -> float | None:
        """Return the mean over the answers that have the figure; None where none has."""
        found = [value for one in self.answers.values() if (value := measure(one)) is not None]
        return fmean(found) if found else None

    @property
    def names(self) -> list[str]:
        """The attributes of the reward model, in its order; none of one with a single output."""
        return list(dict.fromkeys(name for a in self.answers.values() for name in a.attributes))


@dataclass(frozen=True)
class Paired:
    """An evaluation beside the start, prompt by prompt."""

    start: Evaluation
    now: Evaluation

    @cached_property
    def both(self) -> list[tuple[HeldOut, HeldOut]]:
        """The answers to the prompts that have a reward in both."""
        pairs = [(a, self.now.answers.get(prompt)) for prompt, a in self.start.answers.items()]
        return [
            (a, b)
            for a, b in pairs
            if b is not None and a.reward is not None and b.reward is not None
        ]

    def differences(self, *measures: Measure) -> list[tuple[float, ...]]:
        """Return now less start of each measure, of the prompts where all of them are there."""
        rows = [[(m(a), m(b)) for m in measures] for a, b in self.both]
        return [
            tuple(b - a for a, b in row if a is not None and b is not None)
            for row in rows
            if all(a is not None and b is not None for a, b in row)
        ]

    def gain(self, measure: Measure = reward_of) -> Gain | None:
        """Return how much higher a figure is than at the start."""
        return gain([difference for (difference,) in self.differences(measure)])

    def start_mean(self, measure: Measure) -> float | None:
        """Return the start's mean of a figure over the prompts that are compared."""
        return Evaluation(0, {str(n): a for n, (a, _) in enumerate(self.both)}).mean(measure)

    def goes_with(self, measure: Measure) -> Explained | None:
        """Return how much of the reward's gain goes with the change of another figure."""
        rows = self.differences(reward_of, measure)
        return explained([row[0] for row in rows], [row[1] for row in rows])


@dataclass(frozen=True)
class OnlineRun:
    """What an online alignment has left so far."""

    folder: Path
    recipe: Mapping[str, Any]
    finished: bool
    steps: int
    """Optimizer steps taken."""
    rollouts: Sequence[RolloutFigures]
    """One a step at least, ascending."""
    evaluations: Sequence[Evaluation]
    """Ascending; the first one is the start."""
    timing: Sequence[Timing]
    length_pays: Within | None
    """How reward and characters go together among the responses to a prompt in one rollout."""

    @property
    def last(self) -> RolloutFigures:
        return self.rollouts[-1]

    @cached_property
    def paired(self) -> list[Paired]:
        """Every later evaluation beside the start."""
        return [Paired(self.evaluations[0], later) for later in self.evaluations[1:]]

    @property
    def max_kl(self) -> float | None:
        """The bound that the recipe states."""
        bound = self.recipe.get("max_kl")
        return float(bound) if isinstance(bound, int | float) else None

    @property
    def kl_unit(self) -> str:
        """What the recipe counts as a response's divergence."""
        return {"sum": "nats a response", "mean_absolute": "mean absolute nats a token"}.get(
            str(self.recipe.get("kl")), "as the recipe counts it"
        )

    def within_bound(self, evaluation: Evaluation) -> bool:
        """Return whether held-out answers keep the bound; True where there is none."""
        kl = evaluation.mean(kl_of)
        return self.max_kl is None or (kl is not None and kl <= self.max_kl)

    @property
    def best(self) -> Paired | None:
        """The evaluation of the highest gain that keeps the bound, among those with a gain."""
        found = [
            (gained.value, pair)
            for pair in self.paired
            if self.within_bound(pair.now) and (gained := pair.gain()) is not None
        ]
        return max(found, key=lambda one: one[0])[1] if found else None


def read_run(folder: Path) -> OnlineRun:
    """Read what an online alignment has written so far.

    Raises:
        UsageError: when nothing was drawn yet, or a line before the last is damaged.
    """
    rollouts = _last_of_step(read_lines(RolloutFigures, folder))
    if not rollouts:
        raise UsageError(f"{folder}: no online alignment with a rollout in {ROLLOUTS}")
    taken = [row["step"] for row in log_rows(folder / STEPS) if "loss" in row]
    return OnlineRun(
        folder=folder,
        recipe=json_object(folder / RECIPE),
        finished=bool(json_object(folder / MANIFEST)),
        steps=max(taken, default=rollouts[-1].step),
        rollouts=rollouts,
        evaluations=_evaluations(folder),
        timing=_last_of_step(read_lines(Timing, folder)),
        length_pays=_length_pays(folder),
    )


def _last_of_step(lines: Iterable[OfRollout]) -> list[OfRollout]:
    found = {line.step: line for line in lines}
    return [found[step] for step in sorted(found)]


def _evaluations(folder: Path) -> list[Evaluation]:
    """Return the evaluations that are whole: a killed one has fewer prompts than the first."""
    found: dict[int, dict[str, HeldOut]] = {}
    for line in read_lines(HeldOut, folder):
        found.setdefault(line.step, {})[line.prompt_id] = line
    first = len(found[min(found)]) if found else 0
    return [Evaluation(s, found[s]) for s in sorted(found) if len(found[s]) >= first]


def _length_pays(folder: Path) -> Within | None:
    rewards, lengths, groups = [], [], []
    for line in read_lines(Drawn, folder):
        if line.reward is not None:
            rewards.append(line.reward)
            lengths.append(len(line.response))
            groups.append((line.step, line.prompt_id))
    return within_groups(lengths, rewards, groups) if rewards else None

"""What ``judge train`` shows while a model is trained, on stderr, and at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from judge.screen import duration

if TYPE_CHECKING:
    from judge.runs.training import TrainingManifest
    from judge.train.progress import TrainingFacts

EVERY = 10.0
"""Seconds between two lines of steps where there is no terminal."""
RECENT = 10
"""Loss, accuracy and rate are means over the last so many steps: one step's loss tells little."""
_WIDE = 100
"""Columns of a terminal on which there is room for a bar."""
_FIGURES = {
    "eval_loss": "validation loss",
    "eval_accuracy": "accuracy",
    "eval_verdict_accuracy": "accuracy",
    "eval_pearson": "Pearson's r",
    "eval_reward": "held-out reward",
    "eval_reward_gain": "gain over the start",
    "eval_reward_gain_se": "its standard error",
    "eval_kl": "KL",
    "eval_tokens": "tokens",
}
_STEP_FIGURES = {"reward": "reward", "kl": "KL", "response_tokens": "tokens"}
"""Of online alignment, whose loss says nothing."""


class TrainingScreen:
    """Shows a training: one live line on a terminal, else a line every ten seconds.

    What is trained, validations and checkpoints are lines that stay, in both.

    Args:
        console: where to, usually on stderr.
    """

    def __init__(self, console: Console) -> None:
        self.began = False
        """Whether a step was to be taken: not when the training was finished before."""
        self._console = console
        self._steps = self._first = self._done = 0
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=RECENT)
        self._best: float | None = None
        self._start = self._told = time.monotonic()
        self._step_told = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            *([BarColumn(20)] if console.width >= _WIDE else []),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> TrainingScreen:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def doing(self, text: str) -> None:
        """Something that takes a while begins, before the first step or within one."""
        if self.began:
            if self._task is not None:
                self._bar.update(self._task, description=f"{self._where()}: {text}")
            elif time.monotonic() - self._told >= EVERY:
                self._tell(text)
            return
        if not self._console.is_terminal:
            self.note(text)
            return
        self._anew(text, None, 0)

    def note(self, text: str) -> None:
        """Show one line of text as it is."""
        self._console.print(Text(text), soft_wrap=True)

    def begin(self, facts: TrainingFacts, steps: int, done: int, best: float | None) -> None:
        """Say what is trained, and begin to count at ``done`` of ``steps``."""
        for line in facts_lines(facts, steps):
            self.note(line)
        if done:
            self.note(f"going on after step {done:,}")
        self.began = True
        self._steps, self._first, self._done = steps, done, done
        self._start = self._told = time.monotonic()
        self._step_told = done
        self._recent.clear()
        self._best = best
        if self._console.is_terminal:
            self._anew(self._where(), steps, done)

    def within(self, done: int, of: int | None, validating: bool) -> None:
        """Move within a step or a validation."""
        if self._task is not None:
            if validating:
                text = f"validating {done:,}" + ("" if of is None else f" of {of:,}")
                self._bar.update(self._task, description=text)
            elif of:
                self._bar.update(self._task, completed=self._done + done / of)
        elif validating and time.monotonic() - self._told >= EVERY:
            self._tell(f"validating: {done:,}" + ("" if of is None else f" of {of:,}"))

    def step(self, row: Mapping[str, Any]) -> None:
        """Count a step."""
        self._done = row["step"]
        self._recent.append(row)
        if self._task is not None:
            figures, left = ", ".join(self._figures()), f"{self._left()} left"
            self._bar.update(
                self._task,
                completed=self._done,
                description=self._where(),
                figures=figures,
                left=left,
            )
        elif self._done == self._first + 1 or time.monotonic() - self._told >= EVERY:
            self._tell_step()

    def validated(self, row: Mapping[str, Any]) -> None:
        """Say what a validation found."""
        self._before_lasting()
        figures = [f"{name} {_number(row[key])}" for key, name in _FIGURES.items() if key in row]
        loss = row.get("eval_loss")
        if loss is not None and (self._best is None or loss < self._best):
            figures[0] += "" if self._best is None else " (the lowest so far)"
            self._best = loss
        self._tell(f"step {row['step']:,}: {', '.join(figures)}")

    def saved(self, step: int, folder: str) -> None:
        """Say where a checkpoint is."""
        self._before_lasting()
        self._tell(f"step {step:,}: checkpoint {folder}")

    def over(self) -> None:
        """Show what is done now as before the first step."""
        self.began = False
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def _anew(self, text: str, total: int | None, done: int) -> None:
        """Begin another live line."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text, total=total, completed=done, figures="", left="")
        self._bar.start()
        self._bar.refresh()

    def _before_lasting(self) -> None:
        """See to it that a line that stays stands after the step that it is of."""
        if self._task is not None:
            self._bar.update(self._task, description=self._where(), refresh=True)
        elif self._step_told < self._done:
            self._tell_step()

    def _where(self) -> str:
        return f"step {self._done:,} of {self._steps:,}"

    def _figures(self) -> list[str]:
        """Return loss, accuracy and rate of the last steps, as people read them."""
        rows = self._recent
        losses = [row["loss"] for row in rows if row.get("loss") is not None]
        figures = [
            f"{name} {_number(_mean([row[key] for row in rows if row.get(key) is not None]))}"
            for key, name in _STEP_FIGURES.items()
            if any(row.get(key) is not None for row in rows)
        ]
        if losses and not figures:
            figures.append(f"loss {_number(_mean(losses))}")
        right = [row["accuracy"] for row in rows if "accuracy" in row]
        if right:
            figures.append(f"accuracy {_number(_mean(right), 3)}")
        seconds = sum(row.get("seconds", 0.0) for row in rows)
        if seconds:
            figures.append(f"{sum(row['tokens'] for row in rows) / seconds:,.0f} tokens/s")
        return figures

    def _left(self) -> str:
        """Return how long it still takes; validations and checkpoints cost as much as so far."""
        seconds = (time.monotonic() - self._start) / max(1, self._done - self._first)
        return duration(seconds * (self._steps - self._done))

    def _tell_step(self) -> None:
        self._step_told = self._done
        elapsed = duration(time.monotonic() - self._start)
        figures = ", ".join(self._figures())
        self._tell(f"{self._where()}: {figures}, {elapsed} so far, {self._left()} left")

    def _tell(self, text: str) -> None:
        self._told = time.monotonic()
        self.note(text)


def facts_lines(facts: TrainingFacts, steps: int) -> list[str]:
    """Return what is going to be trained, in a few lines."""
    share = f"{facts.trained:,} of {facts.parameters:,} parameters"
    whole = f"all {facts.parameters:,} parameters"
    left_out = "; ".join(f"{count:,} {why}" for why, count in facts.left_out.items())
    every = "step" if facts.save_steps == 1 else f"{facts.save_steps:,} steps"
    passes = steps * facts.batch / max(1, facts.examples)
    return [
        f"training {facts.what} from {facts.model}: "
        + (whole if facts.trained == facts.parameters else share),
        f"{facts.unit}: {facts.examples:,} to train on, {facts.validation:,} to validate on"
        + (f"; left out or cut: {left_out}" if left_out else ""),
        f"steps: {steps:,} of {facts.batch:,} {facts.unit} each, {_short(passes)} epochs; "
        f"an epoch is {facts.epoch_tokens:,} tokens",
        f"checkpoints: every {every} in {facts.output}; "
        "after an interruption the same command goes on from the newest",
    ]


def closing_lines(manifest: TrainingManifest, trained: bool) -> list[str]:
    """Return what a finished training left behind, and what to do with it.

    Args:
        manifest: of the training.
        trained: whether it was trained just now, not by an earlier command.
    """
    recipe, steps = manifest.recipe, manifest.steps
    folder = recipe["output_dir"]
    lines = [] if trained else [f"{folder} holds the finished model of this recipe"]
    losses = manifest.validation_losses
    best = manifest.best_checkpoint
    at = str(steps)
    if recipe["keep_best"] and best is not None:
        at = best.rpartition("-")[2]
        why = "highest held-out reward" if "reward" in recipe else "lowest validation loss"
        lines.append(f"the model is that of step {at}, with the {why}")
    validation = f", validation loss {_number(losses[at])}" if at in losses else ""
    rest = [
        f", {name} {_number(value)}"
        for name, value in manifest.validation.items()
        if name != "loss" and at == str(steps)
    ]
    loss = manifest.training_loss
    training = "" if loss is None else f", training loss {_number(loss)}"
    lines.append(f"{steps:,} steps{training}{validation}{''.join(rest)}")
    lines.append(f"the model is in {folder}")
    change = manifest.validation.get("chosen_change")
    if change is not None and change < 0:
        lines.append(
            f"note: the chosen responses of the validation set became less likely, by"
            f" {-change:.2f} nats each: the policy moves away from both"
        )
    if "objective" in recipe:
        lines.append(f"next: judge score PAIRS --out DIR --model {folder}")
    elif "template" in recipe:
        lines.append(f"next: judge batch PAIRS --out DIR --model {folder}")
    elif "reward" in recipe:
        lines.append(f"next: judge respond PROMPTS --out DIR --model {folder}")
    return lines


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _short(value: float) -> str:
    """Return a number to two places, without zeros at their end."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _number(value: float | None, places: int = 4) -> str:
    return "-" if value is None else f"{value:.{places}f}"

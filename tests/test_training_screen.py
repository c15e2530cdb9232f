"""What a training shows: lines at a rhythm where it is piped, one live line on a terminal."""

from __future__ import annotations

import io
import logging
import os
import re
from typing import Any

import pytest
from rich.console import Console

from judge import training_screen
from judge.commands.watched import watched
from judge.quiet import _deepspeed
from judge.runs.training import TrainingManifest
from judge.train.progress import UNWATCHED, TrainingFacts
from judge.training_screen import TrainingScreen, closing_lines

FACTS = TrainingFacts(
    what="a judge",
    model="mini",
    parameters=8_000_000,
    trained=75_000,
    examples=100,
    validation=8,
    batch=10,
    epoch_tokens=52_000,
    save_steps=4,
    output="work/run",
    left_out={"too long, of training": 3},
)


class Clock:
    """Seconds that pass only when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture()
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(training_screen, "time", found)
    return found


def row(step: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"step": step, "loss": 1 / step, "tokens": 500, "seconds": seconds} | more


def shown(file: io.StringIO) -> list[str]:
    return file.getvalue().splitlines()


def written(text: str) -> list[str]:
    """Return what was ever written on a terminal, without colours and the moves of the cursor."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [line.rstrip() for line in plain.split("\n") if line.strip()]


def piped() -> tuple[TrainingScreen, io.StringIO]:
    file = io.StringIO()
    return TrainingScreen(Console(file=file, width=80)), file


def test_it_begins_with_what_is_trained_and_how_to_go_on() -> None:
    screen, file = piped()
    with screen:
        screen.doing("loading the model mini")
        screen.begin(FACTS, 25, 4, None)
    assert shown(file) == [
        "loading the model mini",
        "training a judge from mini: 75,000 of 8,000,000 parameters",
        "examples: 100 to train on, 8 to validate on; left out or cut: 3 too long, of training",
        "steps: 25 of 10 examples each, 2.5 epochs; an epoch is 52,000 tokens",
        "checkpoints: every 4 steps in work/run; after an interruption the same command goes on"
        " from the newest",
        "going on after step 4",
    ]


@pytest.mark.parametrize(("seconds", "lines"), [(3.0, [1, 5, 9]), (12.0, list(range(1, 10)))])
def test_piped_lines_come_every_ten_seconds_or_every_slower_step(
    clock: Clock, seconds: float, lines: list[int]
) -> None:
    screen, file = piped()
    with screen:
        screen.begin(FACTS, 10, 0, None)
        for step in range(1, 10):
            clock.now += seconds
            screen.within(1, 1, False)
            screen.step(row(step, seconds))
    steps = [line for line in shown(file) if line.startswith("step ")]
    assert [int(line.split()[1]) for line in steps] == lines
    left = {3.0: "3 s left", 12.0: "12 s left"}[seconds]
    rate = {3.0: "167 tokens/s", 12.0: "42 tokens/s"}[seconds]
    assert f", {rate}, " in steps[-1] and steps[-1].endswith(left)


def test_a_line_says_the_mean_of_the_last_steps(clock: Clock) -> None:
    screen, file = piped()
    screen.begin(FACTS, 60, 20, None)
    for step in range(21, 41):
        clock.now += 0.5
        screen.step(row(step, 0.5) | {"loss": float(step), "accuracy": step / 100})
    screen.validated({"step": 40, "eval_loss": 0.5, "eval_accuracy": 0.75})
    assert shown(file)[-2:] == [
        "step 40 of 60: loss 35.5000, accuracy 0.355, 1,000 tokens/s, 10 s so far, 10 s left",
        "step 40: validation loss 0.5000, accuracy 0.7500",
    ]


def test_validations_and_checkpoints_stay_after_the_step_that_they_are_of(clock: Clock) -> None:
    screen, file = piped()
    screen.begin(FACTS, 10, 0, None)
    for step in (1, 2, 3, 4):
        screen.step(row(step, 0.1))
        if step > 1:
            screen.validated({"step": step, "eval_loss": 1 / step if step < 4 else 0.4})
    screen.saved(4, "work/run/checkpoint-4")
    said = [line.partition(",")[0] for line in shown(file)[5:]]
    assert said == [
        "step 2 of 10: loss 0.7500",
        "step 2: validation loss 0.5000",
        "step 3 of 10: loss 0.6111",
        "step 3: validation loss 0.3333 (the lowest so far)",
        "step 4 of 10: loss 0.5208",
        "step 4: validation loss 0.4000",
        "step 4: checkpoint work/run/checkpoint-4",
    ]


def test_a_long_validation_says_how_far_it_is(clock: Clock) -> None:
    screen, file = piped()
    screen.begin(FACTS, 10, 0, None)
    for done in range(1, 5):
        clock.now += 6
        screen.within(done, 4, True)
    assert shown(file)[4:] == ["validating: 2 of 4", "validating: 4 of 4"]


def test_the_lowest_loss_of_an_earlier_session_counts(clock: Clock) -> None:
    screen, file = piped()
    screen.begin(FACTS, 10, 2, 0.3)
    screen.validated({"step": 4, "eval_loss": 0.4})
    screen.validated({"step": 6, "eval_loss": 0.2})
    assert shown(file)[-2:] == [
        "step 4: validation loss 0.4000",
        "step 6: validation loss 0.2000 (the lowest so far)",
    ]


def test_after_a_training_other_parts_are_told_as_before_it(clock: Clock) -> None:
    file = io.StringIO()
    with TrainingScreen(Console(file=file, width=200)) as screen:
        screen.begin(FACTS, 10, 0, None)
        screen.doing("within the training")
        screen.over()
        screen.doing("answers of the next round")
    assert shown(file)[-1] == "answers of the next round"
    assert "within the training" not in file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_steps_are_one_live_line(width: int) -> None:
    file = io.StringIO()
    with TrainingScreen(Console(file=file, width=width, force_terminal=True)) as screen:
        screen.doing("loading the model mini")
        screen.begin(FACTS, 1000, 998, None)
        screen.within(1, 2, False)
        screen.step(row(999, 0.5, accuracy=0.5))
        screen.validated({"step": 999, "eval_loss": 0.5})
        screen.within(1, 2, True)
        screen.step(row(1000, 0.5, accuracy=0.5))
    lines = written(file.getvalue())
    assert [line for line in lines if line.startswith("step 999:")] == [
        "step 999: validation loss 0.5000"
    ]
    assert lines[-1].startswith("step 1,000 of 1,000 ")
    figures = "loss 0.0010, accuracy 0.500, 1,000 tokens/s 0:00:00 0 s left"
    assert lines[-1].endswith(figures) and ("\u2501" in lines[-1]) == (width > 100)
    assert lines[0].startswith("loading the model mini ") and "going on after step 998" in lines


def test_the_other_processes_of_a_launch_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "RANK", "1")
    with watched() as screen:
        assert screen is UNWATCHED


def manifest(**fields: Any) -> TrainingManifest:
    recipe = {"output_dir": "work/run", "keep_best": False}
    return TrainingManifest(
        recipe=recipe | fields.pop("recipe", {}),
        steps=6,
        training_loss=0.5,
        validation_losses={"2": 0.3, "6": 0.4},
        best_checkpoint="work/run/checkpoint-2",
        **fields,
    )


def test_it_ends_with_the_model_and_the_next_command() -> None:
    judge = {"template": "pairwise_justifier.v1"}
    assert closing_lines(manifest(recipe=judge), trained=True) == [
        "6 steps, training loss 0.5000, validation loss 0.4000",
        "the model is in work/run",
        "next: judge batch PAIRS --out DIR --model work/run",
    ]
    rewards = manifest(recipe={"objective": "bt"}, validation={"loss": 0.4, "accuracy": 0.75})
    lines = closing_lines(rewards, trained=False)
    assert lines[:2] == [
        "work/run holds the finished model of this recipe",
        "6 steps, training loss 0.5000, validation loss 0.4000, accuracy 0.7500",
    ]
    assert lines[-1] == "next: judge score PAIRS --out DIR --model work/run"
    policy = manifest(recipe={"beta": 0.1}, validation={"loss": 0.4, "chosen_change": -1.5})
    assert closing_lines(policy, trained=True)[1:] == [
        "the model is in work/run",
        "note: the chosen responses of the validation set became less likely, by 1.50 nats each:"
        " the policy moves away from both",
    ]
    policy = manifest(recipe={"beta": 0.1}, validation={"loss": 0.4, "chosen_change": 1.5})
    assert closing_lines(policy, trained=True)[1:] == ["the model is in work/run"]
    kept = closing_lines(manifest(recipe={"keep_best": True}), trained=True)
    assert kept[0] == "the model is that of step 2, with the lowest validation loss"
    assert kept[1].endswith("validation loss 0.3000")


def test_deepspeed_s_warnings_are_lines_of_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(text: str, level: int = logging.WARNING) -> str:
        record = logging.LogRecord("DeepSpeed", level, "file", 1, text, None, None)
        assert not _deepspeed(record)
        return capsys.readouterr().err

    monkeypatch.delenv("RANK", raising=False)
    assert warned("Setting accelerator to CPU. If you have GPU ...") == ""
    assert warned("Config parameter x is\ndeprecated") == (
        "warning: DeepSpeed: Config parameter x is deprecated\n"
    )
    assert warned("initialised", logging.INFO) == ""
    monkeypatch.setenv("RANK", "1")
    assert warned("Config parameter x is deprecated") == ""

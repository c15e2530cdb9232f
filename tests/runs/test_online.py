"""The files of an online alignment: written, cut back by a run that goes on, read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge.errors import UsageError
from judge.pair import Message
from judge.runs.online import (
    Drawn,
    HeldOut,
    RolloutFigures,
    Timing,
    append_lines,
    cut_back,
    is_online,
    read_lines,
    repetition,
)

ASKED = (Message(role="user", content="Why?"),)


def rollout(step: int, **figures: float) -> RolloutFigures:
    return RolloutFigures(step=step, prompts=2, responses=4, **figures)  # type: ignore[arg-type]


def drawn(step: int, sample: int) -> Drawn:
    return Drawn(
        step=step, prompt_id="p", sample=sample, response="\u2028ä", tokens=3, truncated=False
    )


def held_out(step: int, prompt: tuple[Message, ...] | None = None) -> HeldOut:
    return HeldOut(
        step=step, prompt_id="p", prompt=prompt, response="x", tokens=1, truncated=True, reward=0.5
    )


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert not is_online(tmp_path) and list(read_lines(Drawn, tmp_path)) == []
    append_lines(tmp_path, [])
    append_lines(tmp_path, [rollout(0, reward=1.5)])
    append_lines(tmp_path, [drawn(0, 0), drawn(0, 1)])
    append_lines(tmp_path, [held_out(0, ASKED), held_out(5)])
    append_lines(tmp_path, [Timing(step=0, rollout=2.0)])
    assert is_online(tmp_path)
    assert list(read_lines(RolloutFigures, tmp_path)) == [rollout(0, reward=1.5)]
    assert list(read_lines(Drawn, tmp_path)) == [drawn(0, 0), drawn(0, 1)]
    assert list(read_lines(HeldOut, tmp_path)) == [held_out(0, ASKED), held_out(5)]
    assert list(read_lines(Timing, tmp_path)) == [Timing(step=0, rollout=2.0)]
    lines = (tmp_path / "held_out.jsonl").read_text().splitlines()
    assert ["prompt" in json.loads(line) for line in lines] == [True, False]


def test_no_figure_is_infinite_or_nan(tmp_path: Path) -> None:
    append_lines(tmp_path, [rollout(0, reward=float("nan"), kl=float("inf"), tokens=2.0)])
    (found,) = read_lines(RolloutFigures, tmp_path)
    assert (found.reward, found.kl, found.tokens) == (None, None, 2.0)
    (tmp_path / "timing.jsonl").write_text('{"step": 0, "rollout": NaN, "reward": null}\n')
    assert list(read_lines(Timing, tmp_path)) == [Timing(step=0)]


def test_a_torn_last_line_is_left_out_and_a_damaged_one_refused(tmp_path: Path) -> None:
    append_lines(tmp_path, [rollout(0)])
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write('{"step": 1, "pro')
    assert list(read_lines(RolloutFigures, tmp_path)) == [rollout(0)]
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(UsageError, match=r"line 2 of .*rollouts\.jsonl is damaged"):
        list(read_lines(RolloutFigures, tmp_path))


def test_what_a_resumed_run_writes_again_is_cut(tmp_path: Path) -> None:
    """Resumed at step 4: its rollout is drawn again, its evaluation stands."""
    for step in (0, 2, 4):
        append_lines(tmp_path, [rollout(step)])
        append_lines(tmp_path, [drawn(step, 0), drawn(step, 1)])
        append_lines(tmp_path, [held_out(step)])
    append_lines(tmp_path, [held_out(6)])
    with (tmp_path / "responses.jsonl").open("a") as file:
        file.write('{"step": 6')
    cut_back(tmp_path, 4)
    assert [line.step for line in read_lines(RolloutFigures, tmp_path)] == [0, 2]
    assert [line.step for line in read_lines(Drawn, tmp_path)] == [0, 0, 2, 2]
    assert [line.step for line in read_lines(HeldOut, tmp_path)] == [0, 2, 4]
    assert (tmp_path / "responses.jsonl").read_bytes().endswith(b"}\n")
    append_lines(tmp_path, [rollout(4)])
    assert [line.step for line in read_lines(RolloutFigures, tmp_path)] == [0, 2, 4]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("a b c", 0.0),
        ("a b c d e", 0.0),
        ("a b c d a b c d", 0.2),  # abcd bcda cdab dabc abcd
        ("go go go go go go go go go go", 6 / 7),
    ],
)
def test_repetition(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)

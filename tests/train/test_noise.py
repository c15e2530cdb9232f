"""Real commands, piped and on a terminal: the screen holds our lines and no other's."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.test_training_screen import written
from tests.train.reward_sets import ROOT, preference_set, tiny_base

ONE_AFTER_ANOTHER = """
import json, sys
from judge.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["judge", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (arguments, ended.code)
    print("====", file=sys.stderr)
"""
"""Several commands in one process, which loads the libraries once."""

TRAINED = r"""starting
reading the examples of \S+
loading the model \S+
training a judge from \S+: [\d,]+ of \d+,\d+ parameters
examples: 8 to train on, 2 to validate on
steps: 2 of 8 examples each, 2 epochs; an epoch is [\d,]+ tokens
checkpoints: every step in \S+; after an interruption the same command goes on from the newest
step 1 of 2: loss \d+\.\d{4}, [\d,]+ tokens/s, \d+ s so far, \d+ s left
step 1: validation loss \d\.\d{4}
step 1: checkpoint \S+/checkpoint-1
step 2 of 2: loss \d+\.\d{4}, [\d,]+ tokens/s, \d+ s so far, 0 s left
step 2: validation loss \d\.\d{4}( \(the lowest so far\))?
step 2: checkpoint \S+/checkpoint-2
"""
JUDGED = r"""model: \S+
(\d of 2 rows.*
)*"""
SCORED = r"""reward model: mini-bt
(\d of 2 rows.*
)*"""


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def test_piped(prepared: Path, tmp_path: Path, mini_tokenizer: Any) -> None:
    """An adapter of a tiny model is trained and judges; a reward model scores."""
    base = tiny_base(tmp_path / "base", mini_tokenizer)
    pairs = tmp_path / "two.jsonl"
    lines = (ROOT / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines(True)
    pairs.write_text("".join(lines[:2]), encoding="utf-8")
    model, judged, scored = (str(tmp_path / name) for name in ("model", "judged", "scored"))
    recipe = ["--config", "smoke", f"data={prepared}", f"output_dir={model}", f"model={base}"]
    recipe += ["random_init=null", "lora.r=2", "train_limit=8", "eval_limit=2"]
    recipe += ["max_steps=2", "save_steps=1", "eval_steps=1"]
    commands = [
        ["train", "justifier", *recipe],
        ["batch", str(pairs), "--out", judged, "--model", model, "--mode", "verdict"],
        ["score", str(pairs), "--out", scored, "--model", "mini-bt"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.split("====\n")
    for pattern, text in zip((TRAINED, JUDGED, SCORED), said, strict=False):
        assert re.fullmatch(pattern, text), text
    ends = f"the model is in {model}\nnext: judge batch PAIRS --out DIR --model {model}\n"
    assert ends in done.stdout and "{'loss'" not in done.stdout


def test_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    recipe = [f"data={preference_set(tmp_path / 'sets')}", f"output_dir={tmp_path / 'model'}"]
    command = ["train", "reward", "--config", "reward_smoke", *recipe, "max_steps=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "judge.cli", *command],
        env=environment() | {"TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    parts = []
    while part := _read(ours):
        parts.append(part)
    assert process.wait() == 0
    live = r"(starting|reading|loading|step \d of 2|validating \d of \d) .*\d:\d\d:\d\d.*"
    lines = written(b"".join(parts).decode())
    stays = [line for line in lines if not re.fullmatch(live, line)]
    assert stays[0].startswith("training a reward model (scaled_bt: reward) from random weights")
    assert [line.split(":")[0] for line in stays[1:4]] == ["examples", "steps", "checkpoints"]
    assert re.fullmatch(r"step 2: validation loss \d\.\d{4}, accuracy \d\.\d{4}", stays[4]), stays
    assert re.fullmatch(r"step 2: checkpoint \S+/checkpoint-2", stays[5]) and len(stays) == 6
    shown = (
        r"step 2 of 2 .*loss \d\.\d{4}, accuracy \d\.\d{3}, [\d,]+ tokens/s \d:\d\d:\d\d 0 s left"
    )
    assert any(re.fullmatch(shown, line) for line in lines), lines


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""

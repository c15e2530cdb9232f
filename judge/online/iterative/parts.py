"""The parts of a round that are commands of their own: answers and training.

Either runs in this process, or as a command in one of its own, where the recipe gives its words.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from judge.errors import UsageError
from judge.exits import LOOK
from judge.respond_config import RespondConfig
from judge.runs.completeness import is_complete
from judge.runs.training import MANIFEST_FILE, read_training_manifest
from judge.runs.whole import write_whole
from judge.train.align.config import DPOConfig
from judge.train.align.iterate_config import IterateConfig
from judge.train.progress import TrainingProgress

TOLD_EVERY = 30.0
"""Seconds between two lines of a run of answers."""
_INTERRUPTED = 130


def respond_config(
    config: IterateConfig, model: str, prompts: Path, out: Path, seed: int
) -> RespondConfig:
    """Return how a policy answers the prompts of one side."""
    options = config.answers.model_dump(exclude={"command"}, exclude_none=True)
    asked = {"input": str(prompts), "out": str(out), "model": model, "seed": seed}
    return RespondConfig.model_validate({**asked, "samples": config.samples, **options})


def answer(asked: RespondConfig, command: Sequence[str] | None, progress: TrainingProgress) -> None:
    """Answer the prompts that a run folder lacks, as ``judge respond`` does.

    Raises:
        UsageError: when it cannot, in one line.
    """
    if command is not None:
        if not is_complete(Path(asked.out)):
            _run(command, "respond", asked, Path(f"{asked.out}.yaml"), finished=(0, LOOK))
        return
    from judge.infer.engines.registry import load_writer
    from judge.infer.respond.run import run

    run(asked, lambda: load_writer(asked, progress.note), _Told(progress, Path(asked.out).name))
    free_memory()


def train(
    config: DPOConfig, launch: Sequence[str] | None, progress: TrainingProgress
) -> dict[str, Any]:
    """Train as a recipe says, where that is not done yet; return what its manifest says of it.

    Raises:
        UsageError: when it cannot, in one line.
    """
    output = Path(config.output_dir)
    if launch is None:
        from judge.train.align import dpo

        dpo.run(config, progress)
        progress.over()
        free_memory()
    elif not (output / MANIFEST_FILE).is_file():
        _run(launch, "align dpo", config, Path(f"{output}.yaml"), finished=(0,))
    manifest = read_training_manifest(output)
    return {
        "steps": manifest.steps,
        "counts": manifest.counts,
        "validation": manifest.validation,
    }


def free_memory() -> None:
    """Let go of the weights that nobody holds any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Told:
    """Tells a training's watcher how far a run of answers is."""

    def __init__(self, progress: TrainingProgress, side: str) -> None:
        self._progress, self._side = progress, side
        self._total: int | None = None
        self._done = 0
        self._told = time.monotonic()

    def start(self, total: int | None, done: int, failed: int) -> None:
        self._total, self._done = total, done

    def advance(self, rows: int, failed: int) -> None:
        self._done += rows
        if time.monotonic() - self._told >= TOLD_EVERY:
            of = "" if self._total is None else f" of {self._total:,}"
            self._progress.doing(f"answers ({self._side}): {self._done:,}{of}")
            self._told = time.monotonic()

    def note(self, text: str) -> None:
        self._progress.note(text)


def _run(
    words: Sequence[str], command: str, config: BaseModel, file: Path, finished: Sequence[int]
) -> None:
    """Run a command with its configuration in a file; what it says is shown.

    Args:
        finished: exit codes of one that did all that it could.
    """
    given = config.model_dump(mode="json", exclude_unset=True)
    write_whole(file, yaml.safe_dump(given, sort_keys=False, allow_unicode=True))
    whole = [*map(os.path.expandvars, words), *command.split(), "--config", str(file)]
    try:
        code = subprocess.run(whole, check=False).returncode
    except OSError as error:
        raise UsageError(f"{whole[0]} cannot be run: {error.strerror}") from None
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    if code not in finished:
        said = " ".join(whole)
        raise UsageError(f"`{said}` ended with {code}; the same command of yours goes on from here")

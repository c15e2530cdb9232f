"""Which checkpoints are whole: a list of files and sizes, written when everything else is.

A full disk, a killed process or a lost node leaves a folder with some of its files, or torn ones. A
checkpoint counts only with its seal, so that a run goes on from the last one that was finished.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.runs.whole import replacing
from judge.train.config import TrainerConfig

SEAL = "complete.json"


def seal(checkpoint: Path, world_size: int) -> None:
    """Write down that ``checkpoint`` is whole, as ``world_size`` processes wrote it.

    To be called by one process, when all have written.
    """
    files = {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file()
    }
    written = json.dumps({"world_size": world_size, "files": files}, indent=1)
    with replacing([checkpoint / SEAL]) as (part,):  # the training says what a full disk refuses
        part.write_text(written, encoding="utf-8")


def read_seal(checkpoint: Path) -> dict[str, Any] | None:
    """Return what :func:`seal` wrote if every file is there with its size, else None."""
    try:
        found: dict[str, Any] = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        sizes = {name: (checkpoint / name).stat().st_size for name in found["files"]}
    except (OSError, ValueError, KeyError):
        return None
    return found if sizes == found["files"] else None


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoint folders of a run, whole or not, the oldest first."""
    folders = (p for p in output.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit())
    return sorted(folders, key=lambda p: int(p.name.rpartition("-")[2]))


def newest_whole(output: Path) -> Path | None:
    """Return the newest whole checkpoint of a run, or None."""
    return next((c for c in reversed(checkpoints(output)) if read_seal(c) is not None), None)


def remove_torn(output: Path) -> None:
    """Remove the checkpoints that are not whole: they take room and are of no use."""
    for checkpoint in checkpoints(output):
        if read_seal(checkpoint) is None:
            shutil.rmtree(checkpoint, ignore_errors=True)


def where_to_go_on(output: Path, config: TrainerConfig, world_size: int) -> str | None:
    """Return the checkpoint that a run of ``world_size`` processes goes on from, or None.

    Raises:
        UsageError: when it was written by another number of processes and DeepSpeed has spread the
            optimizer over them.
    """
    newest = newest_whole(output)
    if newest is None:
        return None
    before = (read_seal(newest) or {}).get("world_size")
    if config.deepspeed is not None and before != world_size:
        raise UsageError(
            f"{newest} was written by {before} processes, this launch has {world_size}: launch "
            f"{before}, or start again in another output_dir"
        )
    return str(newest)

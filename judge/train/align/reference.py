"""The reference's log-probabilities: computed once, kept in a file that a killed run goes on with.

The reference is the model as it was before the first step: with LoRA the model without its adapter.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.runs.jsonlines import append_synced, encode_line, read_rows, repair_tail
from judge.runs.whole import write_whole
from judge.train.batches.sequences import SequenceSet
from judge.train.progress import TrainingProgress

WINDOW = 256
"""Pairs between two writes."""
_PLACES = 5


class ReferenceFile:
    """Log-probabilities of a set's responses under the reference, a line a pair in its order.

    The first line is the key: what they depend on. A file of another key is written anew; a torn
    last line, as a killed process leaves it, is cut off.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def read(self) -> list[tuple[float, float]]:
        """Return chosen and rejected of the pairs that are there; none of another key."""
        if not self.path.is_file():
            return []
        repair_tail(self.path)
        try:
            rows = list(read_rows(self.path, dict))
            if rows[:1] != [{"key": self.key}]:
                return []
            return [(row["chosen"], row["rejected"]) for row in rows[1:]]
        except (UsageError, KeyError):  # it is computed anew
            return []

    def begin(self, kept: list[tuple[float, float]]) -> None:
        """Write the key and the pairs that are kept, in one step.

        Raises:
            UsageError: in one line, when the disk refuses.
        """
        write_whole(self.path, encode_line({"key": self.key}) + _lines(kept))

    def add(self, found: list[tuple[float, float]]) -> None:
        """Append pairs, and wait until they are on the disk."""
        append_synced(self.path, _lines(found))


def add_reference(
    trainer: Any, pairs: SequenceSet, path: Path, about: dict[str, Any], progress: TrainingProgress
) -> int:
    """Give each item of ``pairs`` the reference's log-probabilities; return how many were computed.

    Each process of a launch computes its share of a window; the first one writes.

    Args:
        trainer: a :class:`judge.train.align.trainer.DPOTrainer` before its first step.
        pairs: items whose labels are the margin alone; the reference's two are added to it.
        path: the file.
        about: what the log-probabilities depend on besides the pairs.
        progress: is told how far it is.

    Raises:
        UsageError: when one is not a finite number.
    """
    file = ReferenceFile(path, key_of(pairs, about))
    found = file.read()[: len(pairs)]
    found = found[: len(found) // WINDOW * WINDOW] if len(found) < len(pairs) else found
    missing = len(pairs) - len(found)
    if missing and trainer.is_world_process_zero():
        file.begin(found)
    trainer.accelerator.wait_for_everyone()
    metrics, trainer.compute_metrics = trainer.compute_metrics, None
    try:
        while len(found) < len(pairs):
            progress.doing(f"the reference's log-probabilities: {len(found):,} of {len(pairs):,}")
            window = pairs.items[len(found) : len(found) + WINDOW]
            new = _computed(trainer, window)
            _check(new, [pairs.names[item["index"]] for item in window], path)
            if trainer.is_world_process_zero():
                file.add(new)
            found += new
    finally:
        trainer.compute_metrics = metrics
    for item, (chosen, rejected) in zip(pairs.items, found, strict=True):
        item["labels"] = [item["labels"][0], chosen, rejected]
    return missing


def leave_engine(trainer: Any) -> None:
    """Take the model out of the engine that DeepSpeed has made for predictions.

    transformers would keep that one, which has no optimizer, for the training.
    """
    if trainer.deepspeed is not None:
        trainer.deepspeed.destroy()
        trainer.deepspeed = None
        trainer.model_wrapped = trainer.model


def _computed(trainer: Any, items: list[dict[str, Any]]) -> list[tuple[float, float]]:
    model = trainer.accelerator.unwrap_model(trainer.model)
    adapter_off = getattr(model, "disable_adapter", nullcontext)
    with adapter_off():
        predicted = trainer.predict(items, metric_key_prefix="reference").predictions
    return [(round(float(c), _PLACES), round(float(r), _PLACES)) for c, r in predicted]


def _check(found: list[tuple[float, float]], names: list[str], path: Path) -> None:
    for name, values in zip(names, found, strict=True):
        if not all(abs(value) < float("inf") for value in values):
            raise UsageError(
                f"{path}: the reference's log-probability of {name} is not a finite number; is the"
                " model whole?"
            )


def _lines(found: list[tuple[float, float]]) -> bytes:
    return b"".join(encode_line({"chosen": c, "rejected": r}) for c, r in found)


def key_of(pairs: SequenceSet, about: dict[str, Any]) -> str:
    """Return the digest of what reference log-probabilities depend on."""
    whole = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for item in pairs.items:
        whole.update(json.dumps([item["prompt"], item["sequences"]]).encode())
    return whole.hexdigest()

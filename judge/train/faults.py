"""What can go wrong while a model trains: stopped with one line, and the way back."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints

from judge.errors import UsageError
from judge.models.base import BASES
from judge.models.layers import ADAPTER_CONFIG, layers_of
from judge.train.checkpoints.seal import newest_whole, remove_torn, seal

_SHOWN = 8
"""How many ids of a batch an error names."""
_FULL = (
    "No space left",
    "Disk quota exceeded",
    "PytorchStreamWriter failed",
    "inline_container.cc",
)
_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited",
    "communicator was aborted",
)


def _keep_gradients(model: Any) -> None:
    """Keep 4-bit weights on a processor as they were loaded.

    On one with AVX-512 BF16 bitsandbytes lays them out anew in the first evaluation, for good; the
    product that reads that layout has no gradient (0.50, ``matmul_4bit``), and nothing says so.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


class GuardedTrainer(Trainer):
    """A Trainer whose checkpoints are sealed and that stops where its numbers stop being numbers.

    A subclass hands the loss of each micro-batch of training to :meth:`check_loss`.
    """

    recipe: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.step_names: list[str] = []
        self._right = self._pairs = 0
        super().__init__(*args, **kwargs)
        _keep_gradients(self.model)

    def stop_at(self, what: str, value: float) -> None:
        """Raise the error for a step whose ``what`` ("loss", ...) is not a finite number."""
        names = self.step_names
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        step = self.state.global_step + (what == "loss")
        raise UsageError(
            f"step {step}: the {what} is {value} on the batch of "
            f"{', '.join(names[:_SHOWN])}{more}; {last_good(Path(self.args.output_dir))}; "
            "look at these examples, or take a lower learning_rate in another output_dir"
        )

    def check_loss(self, loss: Any, names: list[str]) -> None:
        """Note which examples a micro-batch of training holds; stop if its loss is not a number."""
        self.step_names += names
        value = float(loss.detach())
        if not math.isfinite(value):
            self.step_names = names
            self.stop_at("loss", value)

    def count_right(self, right: int, pairs: int) -> None:
        """Add a micro-batch's pairs, or statements, and how many of them the model had right."""
        self._right += right
        self._pairs += pairs

    def take_right(self) -> tuple[int, int]:
        """Return what was counted since the last time: right ones, and all."""
        taken = self._right, self._pairs
        self._right = self._pairs = 0
        return taken

    def figures_of_step(self) -> dict[str, float]:
        """Return what a kind of training adds to the line of a step."""
        return {}

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # Gone on after the last step, before the model was saved: transformers would take another.
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def _maybe_log_save_evaluate(self, tr_loss: Any, grad_norm: Any, *args: Any, **kw: Any) -> None:
        # Before anything is saved: the step was taken, and its weights are none. DeepSpeed says -1.
        if grad_norm is not None and not 0 <= float(grad_norm) < math.inf:
            self.stop_at("gradient's norm", float(grad_norm))
        self.step_names = []
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kw)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        super().save_model(output_dir, _internal_call)
        if self.args.should_save:
            name_base(Path(output_dir or self.args.output_dir), self.recipe.model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # Older checkpoints go only when this one is sealed.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            output = Path(self._get_output_dir(trial=trial))
            seal(output / f"checkpoint-{self.state.global_step}", self.args.world_size)
            rotate_checkpoints(
                output_dir=str(output),
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=True,
            )


def name_base(folder: Path, model: str) -> None:
    """Write into a saved adapter what its recipe calls the model that it stands on.

    PEFT writes where the weights were read: of a fetched base a place on this machine, of an
    adapter upon an adapter the base of both. While it saves it must not be told the name,
    which it would look for on the hub.
    """
    path = folder / ADAPTER_CONFIG
    if not path.is_file() or not (model in BASES or layers_of(model).adapters):
        return
    written = json.loads(path.read_text(encoding="utf-8"))
    written["base_model_name_or_path"] = model
    path.write_text(json.dumps(written, indent=2, sort_keys=True), encoding="utf-8")


@contextmanager
def explained(output: Path) -> Iterator[None]:
    """Turn what ends a training from outside into one line that says how to go on.

    Raises:
        UsageError: when the disk is full (torn checkpoints are removed), or another process of the
            launch has gone.
    """
    try:
        with _told_when_terminated(output):
            yield
    except (OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        if _is_full(error, text):
            remove_torn(output)
            raise UsageError(
                f"{output}: the disk is full; {last_good(output)}; make room (save_total_limit "
                "keeps fewer checkpoints) and run the same command again"
            ) from None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and any(sign in text for sign in _LOST):
            raise UsageError(_left_alone(output)) from None
        raise


def _is_full(error: BaseException, text: str) -> bool:
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT) or any(sign in text for sign in _FULL)


def last_good(output: Path) -> str:
    """Return, in words for the end of an error, which checkpoint a run goes on from."""
    newest = newest_whole(output)
    return f"the last good checkpoint is {newest}" if newest else "there is no checkpoint yet"


def _left_alone(output: Path) -> str:
    return (
        f"another process of this launch has ended; {last_good(output)}; "
        "run the same command again to go on from there"
    )


@contextmanager
def _told_when_terminated(output: Path) -> Iterator[None]:
    """Say one line when a launcher ends this process because another one is gone.

    The main thread may hang in a collective for minutes, where Python runs no handler of signals:
    another thread reads the signal's number from a pipe and ends the process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)

    def wait() -> None:
        while (number := os.read(read, 1)) and number[0] != signal.SIGTERM:
            pass
        os.close(read)
        if number:
            print(f"error: {_left_alone(output)}", file=sys.stderr, flush=True)
            os._exit(130)

    former = signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
        signal.signal(signal.SIGTERM, former)
    finally:  # after an error SIGTERM stays without effect: the error says its own line
        signal.set_wakeup_fd(-1)
        os.close(write)

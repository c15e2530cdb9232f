"""A line a step in ``steps.jsonl``: loss, rate, utilisation, memory, padding, what was seen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from judge.errors import UsageError
from judge.runs.whole import replace_json, write_whole
from judge.train.batches.facts import BatchFacts
from judge.train.compute.flops import DecoderShape, peak_of, shape_of, training_flops
from judge.train.config import RewardConfig, TrainerConfig
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress

STEPS_FILE = "steps.jsonl"
OBSERVED_FILE = "observed.json"
"""On what the steps ran, and why there is no utilisation where there is none."""
_SHOWN = ("tokens_per_second", "mfu", "padding_share", "memory_bytes")
"""What also goes to TensorBoard and its like."""
_VALIDATION = (
    "eval_loss",
    "eval_accuracy",
    "eval_pearson",
    "eval_verdict_accuracy",
    "eval_reward",
    "eval_reward_gain",
    "eval_reward_gain_se",
    "eval_kl",
    "eval_tokens",
)
_PACKAGES = {"azure_ml": "azureml", "flyte": "flytekit"}


def reporters(config: TrainerConfig) -> list[str]:
    """Return the ``report_to`` of transformers' arguments.

    Raises:
        UsageError: for a service that transformers does not know, or whose package is missing.
    """
    for name in config.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise UsageError(f"report_to {name!r}: expected any of {known}, or [] for none")
        package = _PACKAGES.get(name, name)
        if find_spec(package) is None:
            raise UsageError(
                f"report_to {name}: the package {package} is not installed here; install it, or"
                " leave it out: report_to=[tensorboard]"
            )
    return list(config.report_to)


def observe(
    trainer: Any,
    config: TrainerConfig,
    facts: TrainingFacts | None = None,
    progress: TrainingProgress = UNWATCHED,
) -> None:
    """Let ``trainer`` write :data:`STEPS_FILE` into its output folder, a line a step.

    Args:
        trainer: a :class:`judge.train.faults.GuardedTrainer`.
        config: its recipe.
        facts: what is going to be trained, for ``progress``.
        progress: is told what is written, and only that; it takes the place of transformers' own
            printing.
    """
    observer = Observer(trainer, config, facts, progress)
    step = trainer.training_step

    def observed(model: Any, inputs: Mapping[str, Any], *others: Any, **named: Any) -> Any:
        observer.facts.add(inputs)
        loss = step(model, inputs, *others, **named)
        observer.losses.append(loss.detach())
        observer.told.within(
            len(observer.losses), trainer.current_gradient_accumulation_steps, False
        )
        return loss

    trainer.training_step = observed
    trainer.remove_callback(PrinterCallback)
    # Before TensorBoard's: what is added to the log reaches the services.
    trainer.callback_handler.callbacks.insert(0, observer)


class Observer(TrainerCallback):
    """Counts the batches of a step, and writes what they were when it ends.

    A resumed run cuts the file back to its checkpoint. Of several processes the first one writes:
    tokens and losses of all, its own memory, and the digests of all, joined by ``+``.
    """

    def __init__(
        self,
        trainer: Any,
        config: TrainerConfig,
        facts: TrainingFacts | None,
        progress: TrainingProgress,
    ) -> None:
        self.trainer = trainer
        self.about = facts
        self.told = progress if trainer.is_world_process_zero() else UNWATCHED
        self.validated = 0
        self.facts = BatchFacts()
        self.losses: list[torch.Tensor] = []
        self.path = Path(config.output_dir) / STEPS_FILE
        model = trainer.accelerator.unwrap_model(trainer.model)
        self.shape = shape_of(model.config.get_text_config(), isinstance(config, RewardConfig))
        self.frozen = config.lora is not None
        self.devices = trainer.args.world_size
        self.peak, self.no_mfu = _peak(config, self.shape)
        self.since = time.monotonic()
        self.last: dict[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if state.is_world_process_zero:
            kept = [row for row in read_steps(self.path) if row["step"] <= state.global_step]
            lines = "".join(f"{json.dumps(row)}\n" for row in kept)
            write_whole(self.path, lines)
            about = {
                "device": device_name(),
                "devices": self.devices,
                "peak_flops": self.peak,
                "no_mfu": self.no_mfu,
            }
            replace_json(self.path.with_name(OBSERVED_FILE), about)
            losses = [row["eval_loss"] for row in kept if row.get("eval_loss") is not None]
            if self.about is not None:
                best = min(losses, default=None)
                self.told.begin(self.about, state.max_steps, state.global_step, best)
        self.since = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        seconds = time.monotonic() - self.since
        facts, self.facts = self.facts, BatchFacts()
        loss = float(torch.stack([value.float() for value in self.losses]).sum())
        self.losses = []
        right, pairs = self.trainer.take_right()
        mine = (facts.lengths, facts.positions, facts.answers, facts.digest, loss, right, pairs)
        of_all = gathered(mine)
        lengths = [n for part in of_all for n in part[0]]
        positions = sum(part[1] for part in of_all)
        mean = sum(part[4] for part in of_all) / len(of_all)
        self.last = {
            "step": state.global_step,
            "loss": _finite(mean),
            **_accuracy(sum(part[5] for part in of_all), sum(part[6] for part in of_all)),
            **self.trainer.figures_of_step(),
            "tokens": sum(lengths),
            "padding_share": round(1 - sum(lengths) / positions, 6),
            "seconds": round(seconds, 4),
            "devices": self.devices,
            "tokens_per_second": round(sum(lengths) / seconds, 1),
            "mfu": self._mfu(lengths, sum(part[2] for part in of_all), seconds),
            "memory_bytes": peak_memory(),
            "data": "+".join(part[3] for part in of_all),
        }
        if state.is_world_process_zero:
            self._write(self.last)
        self.told.step(self.last)
        self.since = time.monotonic()

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any
    ) -> None:
        if state.is_world_process_zero and metrics:
            figures = {k: v for k, v in metrics.items() if k in _VALIDATION}
            row = {"step": state.global_step, **{k: _finite(v) for k, v in figures.items()}}
            self._write(row)
            self.told.validated(row)
        self.validated = 0
        self.since = time.monotonic()

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **others: Any
    ) -> None:
        self.validated += 1
        self.told.within(self.validated, len(eval_dataloader), True)

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.told.saved(state.global_step, str(folder))
        self.since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        if logs is not None and "loss" in logs:
            shown = {name: self.last.get(name) for name in _SHOWN}
            logs |= {name: value for name, value in shown.items() if value is not None}

    def _mfu(self, lengths: list[int], answers: int, seconds: float) -> float | None:
        if self.peak is None or self.shape is None:
            return None
        done = training_flops(self.shape, lengths, answers, self.frozen)
        return round(done / seconds / (self.peak * self.devices), 4)

    def _write(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")


def read_steps(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a :data:`STEPS_FILE`; none where there is no file, no torn last one."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def peak_memory() -> int:
    """Return the most bytes that were in use so far: the GPU's, on a CPU the process's."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure is at least that of the program that started this one
        (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
        return int(kilobytes) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def device_name() -> str:
    """Return the name of the GPU, or ``cpu``."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _peak(config: TrainerConfig, shape: DecoderShape | None) -> tuple[float | None, str | None]:
    """Return a device's operations a second, or why there is no utilisation."""
    if shape is None:
        return None, "operations are not counted for this architecture"
    if config.peak_tflops is not None:
        return config.peak_tflops * 1e12, None
    if not torch.cuda.is_available():
        return None, "the highest rate of this CPU is not known (peak_tflops)"
    if not config.bf16:
        return None, "only bfloat16 rates are known (peak_tflops)"
    device = device_name()
    peak = peak_of(device)
    return peak, None if peak else f"the highest rate of a {device} is not known (peak_tflops)"


def gathered(mine: Any) -> list[Any]:
    """Return what each process of the launch hands over, in their order."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, mine)
    return found


def _accuracy(right: int, pairs: int) -> dict[str, float]:
    """Return the share of a step's pairs (judge: of its statements) that the model had right."""
    return {"accuracy": round(right / pairs, 4)} if pairs else {}


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None

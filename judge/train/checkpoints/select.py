"""The paper's choice of a checkpoint: few by validation loss and the last, of them the best judge.

Source: HelpSteer2-Preference (arXiv 2410.01257): a checkpoint every 10 steps; of the three with
the lowest validation loss and the last, the one that does best on RewardBench is taken.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from judge.errors import UsageError
from judge.metrics.accuracy import Accuracy, Score
from judge.models import JUDGE_FILE
from judge.runs.selection import EvaluatedCheckpoint, Selection, SelectionBenchmark
from judge.runs.training import MANIFEST_FILE, read_training_manifest
from judge.runs.whole import replace_json, whole_folder
from judge.train.checkpoints.config import SelectConfig
from judge.train.checkpoints.manifest import CONFIG_FILE
from judge.train.checkpoints.seal import SEAL, checkpoints, read_seal
from judge.train.evaluation.labelled import labelled
from judge.train.evaluation.verdict_accuracy import failures_in, measure, write_pairs

SELECT_FILE = "select.json"
PAIRS_FILE = "pairs.jsonl"
LOWEST = 3
"""Checkpoints of the lowest validation loss that the paper looks at, beside the last."""
_TRAINING_STATE = (
    "optimizer.*",
    "scheduler.pt",
    "rng_state*",
    "trainer_state.json",
    "training_args.bin",
    "global_step*",
    "latest",
    "zero_to_fp32.py",
    SEAL,
)
"""What a checkpoint holds for going on with the training: no part of a model."""

Kind = Literal["judge", "reward", "policy"]
Evaluate = Callable[[Path, Kind, Path, Path], object]
"""Judges, scores or answers a file of pairs, or of prompts, into a folder: (model, kind, file,
folder). A call again goes on with the folder, or finds it finished."""


@dataclass(frozen=True)
class CheckpointCandidate:
    """A checkpoint that may be chosen."""

    step: int
    folder: Path
    validation_loss: float | None
    """None where none was measured at its step."""


class CheckpointBenchmark(Protocol):
    """What checkpoints are compared on."""

    def describe(self) -> SelectionBenchmark:
        """Return what it is."""
        ...

    def write(self, path: Path, kind: Kind) -> None:
        """Write the pairs as ``judge batch`` reads them."""
        ...

    def score(self, folder: Path) -> Score:
        """Return what a run folder over these pairs is worth."""
        ...


class LabelledPairs:
    """A benchmark of labelled pairs: the plain mean over the sources, as RewardBench's over its
    sections.

    Args:
        path: annotated pairs in any layout that ``judge data prepare`` reads.
        limit: only so many pairs, taken evenly.
    """

    def __init__(self, path: str, limit: int | None = None) -> None:
        self.path = path
        self.pairs = labelled(path, limit)

    def describe(self) -> SelectionBenchmark:
        return SelectionBenchmark(file=Path(self.path).name, pairs=len(self.pairs), unit="pairs")

    def write(self, path: Path, kind: Kind) -> None:
        write_pairs(self.pairs, path)

    def score(self, folder: Path) -> Score:
        by_source = measure(folder, self.pairs)["both_orders"]
        parts = [Accuracy(hits, int(of)) for hits, of in by_source.values()]
        overall = sum(part.share for part in parts) / len(parts)
        return Score.of(overall, by_source, failures_in(folder, self.pairs))


@dataclass(frozen=True)
class Evaluated:
    """A candidate and its score."""

    candidate: CheckpointCandidate
    score: Score

    def entry(self) -> EvaluatedCheckpoint:
        """Return its entry of ``select.json``."""
        return EvaluatedCheckpoint(
            step=self.candidate.step,
            checkpoint=self.candidate.folder.name,
            validation_loss=self.candidate.validation_loss,
            **asdict(self.score),
        )


def run(config: SelectConfig, benchmark: CheckpointBenchmark, evaluate: Evaluate) -> Selection:
    """Evaluate the candidates that are not yet, choose, write ``select.json``; return it.

    After an interruption the same command goes on: no pair is judged twice.

    Args:
        benchmark: decides which checkpoint is best.
        evaluate: judges or scores its pairs with a checkpoint.

    Raises:
        UsageError: when the training is not finished, its model is of another kind than the
            benchmark is for, a checkpoint has no weights in one piece, or the folder holds other
            pairs.
    """
    folder, output = Path(config.run), config.folder
    card = _card(folder)
    said = card.get("kind")
    kind: Kind = said if said in ("reward", "policy") else "judge"
    if (kind == "policy") != (config.prompts is not None):
        wanted = "--prompts, not --pairs" if kind == "policy" else "--pairs, not --prompts"
        raise UsageError(f"{folder} is a {kind}: give {wanted}")
    candidates = candidates_of(folder, config.everything)
    output.mkdir(parents=True, exist_ok=True)
    benchmark.write(output / PAIRS_FILE, kind)
    found = []
    for number, one in enumerate(candidates, start=1):
        print(f"checkpoint {number} of {len(candidates)}: {one.folder.name}", flush=True)
        _complete(one.folder, folder)
        into = output / one.folder.name
        evaluate(one.folder, kind, output / PAIRS_FILE, into)
        found.append(Evaluated(one, benchmark.score(into)))
    best = choose(found)
    result = Selection(
        run=config.run,
        kind=kind,
        rule="every checkpoint" if config.everything else f"{LOWEST} lowest losses and the last",
        ties="the lower validation loss, then the earlier step",
        benchmark=benchmark.describe(),
        candidates=tuple(one.entry() for one in found),
        validation_losses={str(step): loss for step, loss in sorted(losses_of(folder).items())},
        chosen=best.candidate.folder.name,
    )
    replace_json(output / SELECT_FILE, result.to_json())
    return result


def candidates_of(run: Path, everything: bool) -> list[CheckpointCandidate]:
    """Return the whole checkpoints to look at, by step.

    Raises:
        UsageError: when there is none, or one has no weights that can be loaded.
    """
    whole = [folder for folder in checkpoints(run) if read_seal(folder) is not None]
    folders = {int(folder.name.rpartition("-")[2]): folder for folder in whole}
    if not folders:
        raise UsageError(f"{run} has no checkpoint; save_steps and save_total_limit keep them")
    losses = losses_of(run)
    steps = sorted(folders)
    if not everything:
        measured = sorted((s for s in steps if s in losses), key=lambda s: (losses[s], s))
        steps = sorted({*measured[:LOWEST], steps[-1]})
    for step in steps:
        if not any(folders[step].glob("*model*.safetensors")):
            raise UsageError(
                f"{folders[step]} has no complete weights; under ZeRO-3 a recipe's deepspeed"
                " section needs stage3_gather_16bit_weights_on_model_save: true"
            )
    return [CheckpointCandidate(step, folders[step], losses.get(step)) for step in steps]


def start_of(run: Path) -> str:
    """Return the model that a finished training started from.

    Raises:
        UsageError: when the training is not finished.
    """
    _card(run)
    return str(_read(run / CONFIG_FILE)["model"])


def losses_of(run: Path) -> dict[int, float]:
    """Return the validation losses of a finished training, by step."""
    losses = read_training_manifest(run).validation_losses
    return {int(step): loss for step, loss in losses.items()}


def choose(found: Sequence[Evaluated]) -> Evaluated:
    """Return the best: of equal accuracies the lower validation loss, then the earlier step."""

    def rank(one: Evaluated) -> tuple[float, float, int]:
        loss = one.candidate.validation_loss
        return -one.score.accuracy, float("inf") if loss is None else loss, one.candidate.step

    return min(found, key=rank)


def copy_chosen(result: Selection, target: Path) -> None:
    """Copy the chosen checkpoint as a model's folder: without optimizer, with the run's manifest.

    Raises:
        UsageError: when ``target`` is there already or cannot be written.
    """
    run = Path(result.run)
    with whole_folder(target) as part:
        ignored = shutil.ignore_patterns(*_TRAINING_STATE)
        shutil.copytree(run / result.chosen, part, ignore=ignored, dirs_exist_ok=True)
        manifest = read_training_manifest(run)
        manifest = manifest.model_copy(update={"selected": result.of_chosen()})
        replace_json(part / MANIFEST_FILE, manifest.to_json())
        shutil.copy(run / CONFIG_FILE, part / CONFIG_FILE)


def _card(run: Path) -> dict[str, Any]:
    if not (run / MANIFEST_FILE).is_file():
        raise UsageError(f"{run} holds no finished training (no {MANIFEST_FILE})")
    return _read(run / JUDGE_FILE)


def _complete(checkpoint: Path, run: Path) -> None:
    """Give a checkpoint what a model's folder says of itself: it is judged with like the model."""
    if not (checkpoint / JUDGE_FILE).is_file():
        replace_json(checkpoint / JUDGE_FILE, _read(run / JUDGE_FILE))


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a file of a training run: {error}") from None
    return found

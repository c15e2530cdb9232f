"""A training run's folder: who may write to it, and the manifest that says what made the model."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from judge import __version__
from judge.errors import UsageError
from judge.models import JUDGE_FILE, resolve_model
from judge.models.layers import BASE_DIGEST, digest_of
from judge.prompt import Template, load_template
from judge.runs.completeness import check_set
from judge.runs.identity import refuse_another
from judge.runs.training import (
    MANIFEST_FILE,
    SetManifest,
    TemplateUsed,
    TrainingData,
    TrainingFigures,
    TrainingManifest,
    read_set_manifest,
)
from judge.runs.whole import PART, write_whole
from judge.train.config import TrainerConfig

CONFIG_FILE = "recipe.json"
RECENT = 10
"""The training loss of a manifest is the mean of the last so many of the log."""
_BEFORE_A_STEP = (
    CONFIG_FILE,
    "runs",
    "steps.jsonl",
    "observed.json",
    "training.html",
    "reference_train.jsonl",
    "reference_val.jsonl",
    "online.json",
    "rollouts.jsonl",
    "responses.jsonl",
    "held_out.jsonl",
    "timing.jsonl",
    "report.html",
)
"""What a run may leave that failed before its first checkpoint."""


def read_data_manifest(data: Path) -> SetManifest:
    """Return the manifest of a folder that ``judge data prepare`` wrote.

    Raises:
        UsageError: when there is none, or a file of the set holds fewer rows than were written.
    """
    manifest = read_set_manifest(data)
    check_set(data, manifest)
    return manifest


def data_of_kind(data: Path, kind: str, who: str) -> SetManifest:
    """Return the manifest of prepared data after checking that it is of one kind.

    Args:
        kind: of ``judge data prepare``: ``preference``, ``regression``.
        who: what needs it, for the error.

    Raises:
        UsageError: when there is none, or it is of another kind.
    """
    manifest = read_data_manifest(data)
    if manifest.kind != kind:
        raise UsageError(
            f"{data} holds data of kind {manifest.kind or 'justifier'}; {who} needs"
            f" `judge data prepare --kind {kind}`"
        )
    return manifest


def data_manifest(data: Path, template: str) -> SetManifest:
    """Return the manifest of prepared data after checking that it was made with ``template``.

    Raises:
        UsageError: when there is no manifest or it names another template or none.
    """
    manifest = read_data_manifest(data)
    ours = load_template(template)
    theirs = manifest.template
    if theirs is None or (theirs.name, theirs.digest) != (ours.name, ours.digest):
        found = "without a template" if theirs is None else f"with template {_named(theirs)}"
        raise UsageError(f"{data} was prepared {found}, the recipe names {_named(ours)}")
    return manifest


def _named(template: TemplateUsed | Template) -> str:
    return f"{template.name} ({template.digest})"


def claim_output(output: Path, config: BaseModel) -> TrainingManifest | None:
    """Take ``output`` for this recipe; return the manifest if the run there is finished.

    Raises:
        UsageError: when the folder belongs to another configuration, naming the fields.
    """
    output.mkdir(parents=True, exist_ok=True)
    resolved = config.model_dump(mode="json")
    path = output / CONFIG_FILE
    if path.is_file() and any(
        file.suffix != PART and file.name not in _BEFORE_A_STEP for file in output.iterdir()
    ):  # a run that failed before its first checkpoint leaves nothing
        try:
            before = json.loads(path.read_bytes())
        except (OSError, ValueError):
            raise UsageError(
                f"{path}: not the recipe of a training; name another output_dir"
            ) from None
        refuse_another(output, before, resolved, "a training", "Name another output_dir")
    if int(os.environ.get("RANK", "0")) == 0:  # the others of a launch may be reading it
        write_whole(path, json.dumps(resolved, indent=1))
    return _finished(output / MANIFEST_FILE)


def _finished(manifest: Path) -> TrainingManifest | None:
    """Return the manifest of a finished training; None where there is none, or a torn one.

    Earlier versions did not write it in one step: a training that was killed meanwhile goes on from
    its last checkpoint, and writes it again.
    """
    try:
        return TrainingManifest.model_validate_json(manifest.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_manifest(
    output: Path,
    config: TrainerConfig,
    data: TrainingData,
    trainer: Any,
    judge: dict[str, Any],
    figures: TrainingFigures,
) -> TrainingManifest:
    """Write ``manifest.json`` and ``judge.json`` beside the trained model; return the manifest.

    Args:
        output: the folder of the run.
        config: its recipe.
        data: the manifest of the data.
        trainer: the finished trainer.
        judge: what the model says of itself to whoever loads it.
        figures: what else the manifest says: counts, seconds.
    """
    history = trainer.state.log_history
    losses = [row["loss"] for row in history if "loss" in row][-RECENT:]
    manifest = TrainingManifest(
        recipe=config.model_dump(mode="json"),
        data=data.used(),
        **figures.model_dump(exclude_unset=True),
        steps=trainer.state.global_step,
        best_checkpoint=trainer.state.best_model_checkpoint,
        training_loss=sum(losses) / len(losses) if losses else None,
        validation_losses={
            str(row["step"]): row["eval_loss"] for row in history if "eval_loss" in row
        },
        parameters=sum(getattr(p, "ds_numel", p.numel()) for p in trainer.model.parameters()),
        git_revision=git_revision(),
        versions=versions(),
    )
    judge = judge | _base_digest(config)
    write_whole(output / JUDGE_FILE, json.dumps(judge, indent=1) + "\n")
    write_whole(output / MANIFEST_FILE, json.dumps(manifest.to_json(), indent=1) + "\n")
    return manifest


def _base_digest(config: TrainerConfig) -> dict[str, str]:
    """Return what an adapter says of the model that it stands on, so that no other is taken."""
    if config.lora is None or config.random_init is not None:
        return {}
    digest = digest_of(resolve_model(config.model))
    return {} if digest is None else {BASE_DIGEST: digest}


def git_revision() -> str | None:
    """Return the checkout's revision, ``+`` when files are changed; None outside a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are here of those training uses."""
    names = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")
    return {"judge": __version__, "python": platform.python_version()} | {
        name: version(name) for name in names if find_spec(name) is not None
    }

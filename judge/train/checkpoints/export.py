"""A trained model as a folder to hand on: adapters merged, shards of a size, a card."""

from __future__ import annotations

import json
from pathlib import Path

from judge.errors import UsageError
from judge.models import JUDGE_FILE
from judge.models.checkpoint import Checkpoint, open_checkpoint
from judge.models.writing import write_model
from judge.runs.training import (
    MANIFEST_FILE,
    ExportRecord,
    ExportSource,
    TrainingManifest,
    read_training_manifest,
)
from judge.runs.whole import refuse_existing, replace_json, whole_folder
from judge.train.checkpoints.config import ExportConfig
from judge.train.checkpoints.licences import licences_of
from judge.train.checkpoints.manifest import versions
from judge.train.checkpoints.model_card import CARD_FILE, render_card


def run(config: ExportConfig) -> TrainingManifest:
    """Write the folder of ``config``; return its manifest. It appears whole or not at all.

    Raises:
        UsageError: when the model is damaged or no model of ``judge train``, has no chat template,
            the folder exists or the disk is full.
    """
    output = Path(config.output_dir)
    refuse_existing(output)
    model = open_checkpoint(config.model, config.base)
    manifest = _manifest(model.folder)
    _check_template(model)
    record = ExportRecord(
        source=ExportSource(name=model.folder.name, digest=model.digest()),
        merged=model.base is not None,
        licence=config.licence,
        data_licences=licences_of(manifest.data.input or {}, config.data_licences),
        versions=versions(),
    )
    manifest = manifest.model_copy(update={"export": record})
    with whole_folder(output) as part:
        write_model(part, model, config.shard_bytes)
        replace_json(part / MANIFEST_FILE, manifest.to_json())
        title = config.name or output.name
        (part / CARD_FILE).write_text(
            render_card(title, manifest, record, model.card), encoding="utf-8"
        )
    return manifest


def _manifest(folder: Path) -> TrainingManifest:
    """Return the manifest of a model's folder, or of the run that a checkpoint lies in."""
    for place in (folder, folder.parent):
        if (place / MANIFEST_FILE).is_file() and (place / JUDGE_FILE).is_file():
            return read_training_manifest(place)
    raise UsageError(
        f"{folder} is not a trained model: no {MANIFEST_FILE} of judge train beside it"
    )


def _check_template(model: Checkpoint) -> None:
    folder = model.tokenizer_folder
    if (folder / "chat_template.jinja").is_file():
        return
    try:
        said = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {}
    if not said.get("chat_template"):
        raise UsageError(f"{folder}: its tokenizer has no chat template to judge with")

"""What ``manifest.json`` of a trained model says, and of a training set what trainings read of it.

Manifests of other versions are read as far as these know them; what they do not know is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from judge.errors import UsageError
from judge.runs.selection import ChosenCheckpoint

MANIFEST_FILE = "manifest.json"
Manifest = TypeVar("Manifest", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class TemplateUsed(_Part):
    """A prompt template by name and content."""

    name: str
    digest: str


class OutputFile(_Part):
    """A file of a training set."""

    rows: int
    sha256: str = ""


class TrainingData(_Part):
    """Which training set a model was trained on."""

    outputs: dict[str, OutputFile] | None = None
    """Its files; None: the model was trained on a file that is no prepared set."""
    input: dict[str, str] | None = None
    """What they were made of: names of files or hub ids, with digests or revisions."""
    against: dict[str, Any] | None = None
    """The evaluation sets that its prompts were held against, by name, with their files' digests;
    None: against none."""

    def used(self) -> TrainingData:
        """Return what the manifest of a training says of it."""
        return TrainingData(outputs=self.outputs, input=self.input)


class SetManifest(TrainingData):
    """``manifest.json`` of a folder that ``judge data prepare`` wrote."""

    options: dict[str, Any] | None = None
    template: TemplateUsed | None = None
    """Of a justifier's set alone."""

    @property
    def kind(self) -> str | None:
        """What it trains; None where it does not say, as of the first versions' justifier sets."""
        return (self.options or {}).get("kind")

    def used(self) -> TrainingData:
        held = (self.options or {}).get("against")
        used = super().used()
        return used if held is None else used.model_copy(update={"against": held})


class TrainingFigures(_Part):
    """What one kind of training says of itself; what does not apply to it is not there."""

    template: TemplateUsed | None = None
    counts: dict[str, int] = {}
    """Examples that were used, cut and left out, of both sides."""
    packed: bool | None = None
    tokens_this_session: int | None = None
    padding_share: float | None = None
    examples_per_second: float | None = None
    seconds_this_session: int | None = None
    validation: dict[str, float] = {}
    """The last figures over the validation set."""
    reference_pairs_computed: int | None = None
    """Pairs whose log-probabilities under the reference were not there yet."""


class ExportSource(_Part):
    """What an export was made of."""

    name: str
    digest: str


class ExportRecord(_Part):
    """What ``judge train export`` adds: that a folder was made there, and of what."""

    source: ExportSource
    merged: bool
    """Whether an adapter was merged into its base."""
    licence: str | None
    data_licences: dict[str, str | None]
    """By input of the training data; None where the licence is not known."""
    versions: dict[str, str]


class _Made(_Part):
    recipe: dict[str, Any]
    """Every field of the recipe, as it was resolved."""
    data: TrainingData = TrainingData()


class _Trained(_Part):
    steps: int
    best_checkpoint: str | None = None
    training_loss: float | None = None
    """Mean of the last losses of the log."""
    validation_losses: dict[str, float] = {}
    """By step."""
    parameters: int | None = None
    git_revision: str | None = None
    """``+`` at its end: files were changed."""
    versions: dict[str, str] = {}
    selected: ChosenCheckpoint | None = None
    export: ExportRecord | None = None


class TrainingManifest(_Trained, TrainingFigures, _Made):
    """``manifest.json`` of a trained model."""

    def to_json(self) -> dict[str, Any]:
        """Return the file's content: what was given, and nothing that is not known."""
        return self.model_dump(exclude_unset=True)


def read_training_manifest(folder: Path) -> TrainingManifest:
    """Return the manifest of a trained model's folder.

    Raises:
        UsageError: when there is none, or the file holds something else.
    """
    path = folder / MANIFEST_FILE
    return _read(TrainingManifest, path, f"{path}: not the manifest of a training")


def read_set_manifest(folder: Path) -> SetManifest:
    """Return the manifest of a training set.

    Raises:
        UsageError: when there is none, or the file holds something else.
    """
    wrong = f"{folder}: not a training set of `judge data prepare`"
    return _read(SetManifest, folder / MANIFEST_FILE, wrong)


def _read(kind: type[Manifest], path: Path, wrong: str) -> Manifest:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{wrong} ({error})") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UsageError(f"{wrong} ({f'{where}: ' if where else ''}{problem['msg']})") from None

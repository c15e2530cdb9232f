"""An exported model to the hub: shown first, sent when told to, with a token of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from judge.errors import UsageError, first_line
from judge.masking import Masking
from judge.runs.training import ExportRecord, TrainingManifest, read_training_manifest
from judge.train.checkpoints.config import PushConfig
from judge.train.checkpoints.licences import licences_of, objections

TOKEN = "HF_TOKEN"


class Hub(Protocol):
    """What of huggingface_hub's ``HfApi`` is used."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any: ...

    def upload_folder(
        self, *, repo_id: str, folder_path: str, commit_message: str, allow_patterns: list[str]
    ) -> Any: ...


@dataclass(frozen=True)
class Upload:
    """What would be sent, and where."""

    folder: Path
    repo_id: str
    files: dict[str, int]
    """Name to bytes."""
    private: bool


def plan(config: PushConfig) -> Upload:
    """Return what a push would send; nothing is sent.

    Raises:
        UsageError: when the folder is not an exported model, or a licence speaks against it.
    """
    folder = Path(config.folder)
    manifest, record = _exported(folder)
    if config.repo.count("/") != 1 or not all(config.repo.split("/")):
        raise UsageError(f"{config.repo!r} is not a hub id; expected OWNER/NAME")
    known = record.data_licences
    said = licences_of(manifest.data.input or {}, config.data_licences)
    licences = {name: said[name] if config.data_licences else known[name] for name in known}
    reasons = objections({n: licence or known[n] for n, licence in licences.items()})
    if reasons and not config.despite_licences:
        raise UsageError(
            f"{folder} was not sent: {'; '.join(reasons)}. --data-licence NAME=LICENCE says what is"
            " not known; --despite-licences sends it anyway"
        )
    files = {p.name: p.stat().st_size for p in sorted(folder.iterdir()) if p.is_file()}
    return Upload(folder, config.repo, files, private=not config.public)


def send(upload: Upload, hub: Hub | None = None) -> str:
    """Send a planned upload; return the address of what was sent.

    Args:
        hub: whom to send it to; None: the hub, with the token in ``HF_TOKEN``.

    Raises:
        UsageError: without a token, or when the hub refuses, in one line.
    """
    from huggingface_hub.errors import HfHubHTTPError

    hub = hub or _hub()
    message = f"{upload.folder.name}, exported by Pairwise Justifier"
    try:
        hub.create_repo(upload.repo_id, private=upload.private, exist_ok=True)
        done = hub.upload_folder(
            repo_id=upload.repo_id,
            folder_path=str(upload.folder),
            commit_message=message,
            allow_patterns=list(upload.files),
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = Masking(os.environ.get(TOKEN))(first_line(error))
        raise UsageError(f"the hub did not accept {upload.repo_id}: {said}") from None
    return str(done.commit_url)


def _hub() -> Hub:
    token = os.environ.get(TOKEN)
    if not token:
        raise UsageError(f"no token: set {TOKEN} to one that may write to the hub")
    from huggingface_hub import HfApi

    return HfApi(token=token)


def _exported(folder: Path) -> tuple[TrainingManifest, ExportRecord]:
    try:
        manifest = read_training_manifest(folder)
    except UsageError:
        manifest = None
    if manifest is None or manifest.export is None:
        raise UsageError(f"{folder} is not a folder of judge train export")
    return manifest, manifest.export

"""A model's name to its parts: the whole model below, the adapters upon it, the tokenizer."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from judge.errors import UsageError
from judge.models import JUDGE_FILE, resolve_model, tokenizer_folder
from judge.models.base import BASES, WEIGHTS, weights_digest

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
HEAD_KEY = re.compile(r"\b(score|classifier)\.(modules_to_save\.)?weight$")
"""What a linear head is called in a whole model and in an adapter."""
BASE_DIGEST = "base_digest"
"""What an adapter's ``judge.json`` calls the digest of the base that it was trained on."""
DIGEST_LIMIT = 1 << 30
"""Weights of more bytes have no digest: reading them would take as long as loading them."""
_DIGITS = 16


class NoBase(UsageError):
    """An adapter's base is not where the adapter says."""


@dataclass(frozen=True)
class Layers:
    """A whole model, or adapters upon one."""

    name: str
    """As the user wrote it."""
    folder: str
    """The folder or hub id that the name stands for."""
    adapters: tuple[Path, ...]
    """Folders of adapters, the one nearest the base first; empty for a whole model."""
    base: str
    """Folder or hub id of the whole model below."""
    base_name: str
    """What the lowest adapter, or the user, calls that model."""
    tokenizer: str
    """Folder or hub id of the tokenizer: the uppermost adapter's own wins over what is below."""


def layers_of(name: str, base: str | None = None) -> Layers:
    """Return the parts of a bundled or fetched model, a folder or a hub id.

    Args:
        base: what an adapter stands on, where it is not where the adapter says.

    Raises:
        UsageError: in one line, when a part is missing or damaged, an adapter was trained on
            another base than the one there is, or adapters stand upon one another in a circle.
    """
    folder = below = resolve_model(name)
    adapters: list[Path] = []
    base_name = name
    while (Path(below) / ADAPTER_CONFIG).is_file():
        if Path(below).resolve() in {a.resolve() for a in adapters}:
            raise UsageError(f"adapter {below} is based on itself")
        adapters.insert(0, Path(below))
        base_name = base or read_base_name(Path(below))
        base = None
        below = _resolved(base_name, adapters[0])
    for adapter, stands_on in zip(adapters, [below, *map(str, adapters[:-1])], strict=False):
        _check_base(adapter, stands_on)
    own = [a for a in reversed(adapters) if (a / "tokenizer_config.json").is_file()]
    tokenizer = str(own[0]) if own else tokenizer_folder(below)
    return Layers(name, folder, tuple(adapters), below, base_name, tokenizer)


def read_base_name(folder: Path) -> str:
    """Return what the adapter in ``folder`` calls its base.

    Raises:
        UsageError: when its configuration is damaged or names none.
    """
    path = folder / ADAPTER_CONFIG
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        named = None
    if not isinstance(named, str) or not named:
        raise UsageError(f"{path}: expected an object with base_model_name_or_path")
    return named


def digest_of(folder: str) -> str | None:
    """Return the digest (16 hex digits) of a model that an adapter may stand on.

    Of a whole model it is that of its weights, of an adapter that of its own files and of all that
    it stands on. None for a hub id, and for weights in several files or of more than 1 GiB.
    """
    path = Path(folder)
    for base in BASES.values():
        if path == base.folder:
            return base.weights_digest[:_DIGITS]
    if (path / ADAPTER_CONFIG).is_file():
        below = digest_of(resolve_model(read_base_name(path)))
        return None if below is None else _adapter_digest(path, below)
    weights = path / WEIGHTS
    try:
        if weights.stat().st_size > DIGEST_LIMIT:
            return None
        return weights_digest(weights)[:_DIGITS]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no such file, or whoever loads it says what is wrong


def _adapter_digest(folder: Path, below: str) -> str | None:
    whole = hashlib.sha256(below.encode())
    try:
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            whole.update(hashlib.sha256((folder / name).read_bytes()).digest())
    except OSError:
        return None
    return whole.hexdigest()[:_DIGITS]


def _resolved(base_name: str, adapter: Path) -> str:
    if base_name in BASES:
        return resolve_model(base_name)  # what is wrong with it is no fault of the adapter
    try:
        return resolve_model(base_name)
    except UsageError as error:
        raise NoBase(f"{adapter / ADAPTER_CONFIG}: its base: {error}") from None


def _check_base(adapter: Path, below: str) -> None:
    """Refuse an adapter whose ``judge.json`` names the digest of another base."""
    try:
        about = json.loads((adapter / JUDGE_FILE).read_text(encoding="utf-8"))
        trained_on = about.get(BASE_DIGEST)
    except (OSError, ValueError, AttributeError):
        return  # whoever reads what it says of the model says what is wrong with it
    if trained_on is None:
        return
    there = digest_of(below)
    if there is not None and there != trained_on:
        raise UsageError(
            f"adapter {adapter} was trained on another base: its {JUDGE_FILE} says digest"
            f" {trained_on}, {below} has {there}"
        )

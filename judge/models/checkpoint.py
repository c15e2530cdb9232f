"""A trained model's folder: its tensors, its outputs and the files that belong to a copy of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models import JUDGE_FILE, resolve_model, tokenizer_folder
from judge.models.adapters import merged, read_adapter
from judge.models.layers import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Layers, NoBase, layers_of
from judge.models.loading import load_tokenizer
from judge.models.shards import INDEX, Shards, Tensor, read_shards

CONFIG = "config.json"
_TOKENIZER = ("tokenizer*", "chat_template*")
_BESIDE = (
    "generation_config.json",
    *_TOKENIZER,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "*.py",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
)
"""What a copy of a model needs beside weights and configuration: tokenizer, code, terms of use."""


@dataclass(frozen=True)
class Checkpoint:
    """A model that was saved whole, or LoRA adapters seen as the model that merging gives."""

    folder: Path
    base: Path | None
    """The folder of the whole model below an adapter; None for a whole model."""
    adapters: tuple[Path, ...]
    """The adapters' folders, the one nearest the base first; the last is ``folder``."""
    tensors: dict[str, Tensor]
    shards: Shards
    """The files of the model, of an adapter those of its base."""
    config: dict[str, Any]
    """The model's ``config.json``."""
    card: dict[str, Any]
    """Its ``judge.json``; empty where there is none."""

    @property
    def outputs(self) -> list[str] | None:
        """The names of its outputs, from ``judge.json`` or ``id2label``; None when unnamed."""
        if "outputs" in self.card:
            return [str(name) for name in self.card["outputs"]]
        labels = [str(name) for name in (self.config.get("id2label") or {}).values()]
        named = labels and labels != [f"LABEL_{i}" for i in range(len(labels))]
        return labels if named else None

    @property
    def tokenizer_folder(self) -> Path:
        """Where its tokenizer is: an adapter's own wins over its base's."""
        own = [a for a in reversed(self.adapters) if (a / "tokenizer_config.json").is_file()]
        return own[0] if own else Path(tokenizer_folder(str(self.base or self.folder)))

    def tied(self) -> dict[str, str]:
        """Return the tensors that may be left out of the files, and the ones they equal."""
        import transformers

        architecture = (self.config.get("architectures") or [""])[0]
        keys = getattr(getattr(transformers, architecture, None), "_tied_weights_keys", None)
        if not isinstance(keys, dict):
            return {}
        loaded: Any = transformers.AutoConfig.for_model(**self.config)
        return dict(keys) if loaded.tie_word_embeddings else {}

    def digest(self) -> str:
        """Return a digest of every file that the weights come from, bytes and names.

        Raises:
            UsageError: when one cannot be read.
        """
        files = {file: (self.base or self.folder) / file for file in self.shards.files}
        for number, adapter in enumerate(reversed(self.adapters)):
            below = f"{number} " if number else ""  # the uppermost as it always was
            files |= {below + name: adapter / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)}
        whole = hashlib.sha256()
        for name, path in sorted(files.items()):
            try:
                with open(path, "rb") as file:
                    whole.update(
                        f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
                    )
            except OSError as error:
                raise UsageError(f"cannot read {path}: {error.strerror}") from None
        return f"sha256:{whole.hexdigest()[:16]}"

    def beside(self) -> dict[str, Path]:
        """Return the files that a copy needs beside weights and configuration, by name.

        An adapter's own tokenizer wins over its base's.
        """
        whole = self.base or self.folder
        shared = Path(tokenizer_folder(str(whole)))
        tokens = [p for glob in _TOKENIZER for p in sorted(shared.glob(glob))]
        folders = [whole, *self.adapters]
        found = [p for folder in folders for glob in _BESIDE for p in sorted(folder.glob(glob))]
        found = [*tokens, *found]  # what stands later wins
        return {path.name: path for path in found if path.is_file() and path.name != INDEX}


def open_checkpoint(name: str, base: str | None = None) -> Checkpoint:
    """Open a folder or hub id: a whole model of safetensors, or a LoRA adapter over one.

    Only headers and configurations are read.

    Args:
        base: the base of an adapter; without it the one that the adapter names.

    Raises:
        UsageError: when it, or the base, is missing, damaged or of an unknown kind.
    """
    folder = _folder(resolve_model(name))
    try:
        layers = layers_of(str(folder), base)
    except NoBase as error:
        raise UsageError(f"{error}; give it with --base") from None
    card = _read_json(folder / JUDGE_FILE) if (folder / JUDGE_FILE).is_file() else {}
    if not layers.adapters:
        shards = read_shards(folder)
        config = _read_json(folder / CONFIG)
        return Checkpoint(folder, None, (), dict(shards.tensors), shards, config, card)
    base_folder = _folder(layers.base)
    shards = read_shards(base_folder)
    tensors, classifies = _merged_tensors(layers, shards)
    if (folder / CONFIG).is_file():
        config = _read_json(folder / CONFIG)
    else:
        config = _merged_config(layers, base_folder, tensors, card, classifies)
    return Checkpoint(folder, base_folder, layers.adapters, tensors, shards, config, card)


def _merged_tensors(layers: Layers, shards: Shards) -> tuple[dict[str, Tensor], bool]:
    """Return the tensors of all layers together, and whether they are a sequence classifier's."""
    tensors: dict[str, Tensor] = dict(shards.tensors)
    for folder in layers.adapters:
        adapter = read_adapter(folder)
        tensors = merged(tensors, adapter)
    # A language model's head is no part of a classifier, a classifier's none of a language model.
    own = adapter.whole.keys()
    tensors = {
        name: tensor
        for name, tensor in tensors.items()
        if name in own
        or not (name.startswith("lm_head.") if adapter.classifies else name not in shards.tensors)
    }
    return tensors, adapter.classifies


def _folder(resolved: str) -> Path:
    """Return the folder of a model, fetched from the hub where it is an id."""
    if Path(resolved).is_dir():
        return Path(resolved)
    from huggingface_hub import snapshot_download

    wanted = ["*.safetensors", "*.json", *(glob for glob in _BESIDE if glob != "*.py")]
    try:
        return Path(snapshot_download(resolved, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise UsageError(f"model {resolved}: {str(error).splitlines()[0]}") from None


def _merged_config(
    layers: Layers, base: Path, tensors: dict[str, Tensor], card: dict[str, Any], classifies: bool
) -> dict[str, Any]:
    """Return the configuration of the merged model, where the adapter's folder has none."""
    config = _read_json(base / CONFIG)
    if not classifies:
        return config
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

    loaded = AutoConfig.for_model(**config)
    head = tensors.get("score.weight") or tensors.get("classifier.weight")
    if head is None or type(loaded) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise UsageError(f"{layers.folder}: adapter and base hold no head of a reward model")
    count = head.shape[0]
    names = [str(name) for name in card.get("outputs", [])]
    if len(names) != count:
        names = [f"LABEL_{i}" for i in range(count)]
    architecture: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(loaded)]
    pad = config.get("pad_token_id")
    if pad is None:
        pad = load_tokenizer(layers.tokenizer, layers.name).pad_token_id
    return config | {
        "architectures": [architecture.__name__],
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "pad_token_id": pad,
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: expected a JSON object")
    return value

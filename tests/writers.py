"""Answers without a model, and their runs: what the tests of ``judge respond`` share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.errors import RowError
from judge.infer.engines.protocol import Counts
from judge.infer.engines.writing import Answer, Waiting
from judge.respond_config import RespondConfig


def reply(waiting: Waiting) -> Answer | RowError:
    """Answer by a hash of conversation and seed; who says REFUSE, EMPTY or LONG gets that."""
    last = waiting.messages[-1].content
    if "REFUSE" in last:
        return RowError("refused", "the model said no")
    if "EMPTY" in last:
        return RowError("empty_response", "the model wrote nothing")
    whole = json.dumps([m.model_dump() for m in waiting.messages]) + str(waiting.seed)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return Answer(f"So {digest[:8]}.", "length" if "LONG" in last else "stop", 5)


@dataclass
class ScriptedWriter:
    """Writes by a function of the conversation."""

    script: Callable[[Waiting], Answer | RowError] = reply
    name: str = "scripted"
    counts: Counts = field(default_factory=Counts)
    asked: list[Waiting] = field(default_factory=list)

    def write(self, waiting: Sequence[Waiting]) -> list[Answer | RowError]:
        self.asked += waiting
        self.counts.completion_tokens += 5 * len(waiting)
        return [self.script(one) for one in waiting]

    def describe(self) -> dict[str, Any]:
        return {"engine": self.name}

    def sizes(self, waiting: Sequence[Waiting]) -> list[int | RowError | None]:
        return [len(one.messages[-1].content) for one in waiting]


def config(input: Path, out: Path, **fields: Any) -> RespondConfig:
    return RespondConfig(input=str(input), out=str(out), **{"model": "mini", "window": 4, **fields})


def lines(folder: Path, name: str = "responses.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def results(folder: Path) -> tuple[bytes, bytes]:
    """The bytes that must not depend on how often a run was interrupted."""
    return (
        (folder / "responses.jsonl").read_bytes(),
        (folder / "failures.jsonl").read_bytes(),
    )

"""A judge without a model, inputs for it, and its runs: what the tests of the run folder share."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judge.config import BatchConfig
from judge.errors import RowError
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.verdict import STRENGTHS, Distribution, Verdict, render_statement

TEMPLATE = "pairwise_justifier.v1"


def answer(text: str, mode: Mode) -> Verdict | RowError:
    """Answer by a hash of the prompt; a prompt that says REFUSE has no verdict."""
    if "REFUSE" in text:
        return RowError("refused", "the model said no")
    first, *rest = hashlib.sha256(text.encode()).digest()
    strength = STRENGTHS[first % 6]
    log_probs = [-3.0 - byte / 256 for byte in rest[:6]]
    log_probs[STRENGTHS.index(strength)] = -0.5
    return Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration="@Response 1 is shorter." if mode == "justify" else None,
        distribution=Distribution.model_validate({"log_probs": log_probs, "off_grammar": 0.25}),
        finish_reason="stop" if mode == "justify" else "read",
        prompt_tokens=len(text),
        completion_tokens=5,
    )


def engine(**options: Any) -> ScriptedEngine:
    return ScriptedEngine(answer, **options)


def row(number: int, **fields: Any) -> dict[str, Any]:
    """A good row of our own schema."""
    return {
        "pair_id": f"p{number}",
        "prompt": f"Question {number}?",
        "response_1": f"First answer {number}.",
        "response_2": f"Second answer {number}.",
        **fields,
    }


def write_rows(path: Path, rows: Iterable[dict[str, Any] | bytes]) -> Path:
    """Write rows as JSON lines, bytes as they are; gzipped where the name says so."""
    lines = (r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows)
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def config(input: Path, out: Path, **fields: Any) -> BatchConfig:
    return BatchConfig(
        input=str(input),
        out=str(out),
        **{"model": "mini", "template": TEMPLATE, "window": 4, **fields},
    )


def results(folder: Path) -> tuple[bytes, bytes]:
    """The bytes that must not depend on how often a run was interrupted."""
    return (
        (folder / "judgments.jsonl").read_bytes(),
        (folder / "failures.jsonl").read_bytes(),
    )


def failures(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "failures.jsonl").read_bytes().splitlines()]


def judgments(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "judgments.jsonl").read_bytes().splitlines()]

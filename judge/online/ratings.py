"""Responses rated by a regression reward model: the data of SteerLM, as its authors make it.

What is rated are the responses of a prepared folder (of pairs both); what is written is a folder of
kind ``regression``, whose ratings are the model's, cut to 0 to 4.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from judge.annotated import ATTRIBUTES, MAX_RATING
from judge.errors import UsageError
from judge.online.reward_file import ScoredResponse, score_into, source_of
from judge.pair import Message
from judge.runs.identity import ANEW, plain, refuse_another
from judge.runs.jsonlines import encode_line
from judge.runs.training import MANIFEST_FILE
from judge.runs.whole import write_whole
from judge.train.align.ratings_config import RatingsConfig
from judge.train.align.rollouts import RewardSource
from judge.train.batches.sequences import read_lines
from judge.train.checkpoints.manifest import read_data_manifest
from judge.train.progress import UNWATCHED, TrainingProgress

_MESSAGES = TypeAdapter(tuple[Message, ...])
_RESPONSES = {"preference": ("chosen", "rejected"), "regression": ("response",)}
_IDS = {"preference": "pair_id", "regression": "rating_id"}
_PLACES = 4
SIDES = ("train", "val")


@dataclass(frozen=True)
class _Response:
    name: str
    prompt: tuple[Message, ...]
    response: tuple[Message, ...]
    source: str


def run(
    config: RatingsConfig, load: Callable[[], RewardSource], progress: TrainingProgress = UNWATCHED
) -> dict[str, Any]:
    """Rate the responses; return the manifest that is written. A killed run goes on.

    Args:
        load: returns the reward model.

    Raises:
        UsageError: for data of another kind, a model without attributes, or a folder of another
            configuration.
    """
    data, out = Path(config.data), Path(config.out)
    manifest = read_data_manifest(data)
    kind = manifest.kind or "justifier"
    if kind not in _RESPONSES:
        raise UsageError(f"{data} holds data of kind {kind}; expected {' or '.join(_RESPONSES)}")
    files = {f"{data.name}/{side}.jsonl": _sha256(data / f"{side}.jsonl") for side in SIDES}
    asked = config.model_dump(include={"model", "limit"})
    options = {"kind": "regression", "origin": "model", **asked}
    _refuse_another(out, {"options": options, "input": files})
    left_out: Counter[str] = Counter()
    outputs: dict[str, Any] = {}
    for side in SIDES:
        responses = list(_read(data / f"{side}.jsonl", kind))[: config.limit]
        file = out / f"scored_{side}.jsonl"
        conversations = [(*one.prompt, *one.response) for one in responses]
        found = score_into(file, conversations, lambda: _with_attributes(load(), config), progress)
        lines = list(_lines(responses, found, source_of(file), left_out))
        content = b"".join(lines)
        write_whole(out / f"{side}.jsonl", content)
        digest = hashlib.sha256(content).hexdigest()
        outputs[f"{side}.jsonl"] = {"rows": len(lines), "sha256": digest}
    written = {
        "options": options,
        "input": files,
        "model": source_of(out / "scored_train.jsonl"),
        "outputs": outputs,
        "left_out": dict(sorted(left_out.items())),
    }
    write_whole(out / MANIFEST_FILE, json.dumps(written, indent=1) + "\n")
    return written


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _refuse_another(out: Path, now: dict[str, Any]) -> None:
    """Refuse a folder that holds ratings of another configuration, or something else."""
    if not (out / MANIFEST_FILE).is_file():
        strays = [name for name in ("train.jsonl", "val.jsonl") if (out / name).exists()]
        if strays and not (out / "scored_train.jsonl").exists():
            raise UsageError(f"{out} holds {strays[0]}, but no ratings; choose another --out")
        return
    try:
        before = json.loads((out / MANIFEST_FILE).read_bytes())
        there = {part: dict(before[part]) for part in now}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{out / MANIFEST_FILE} is not of ratings. {ANEW}") from None
    refuse_another(out, there, plain(now), "ratings", "Choose another --out")


def _read(path: Path, kind: str) -> Iterator[_Response]:
    """Yield the responses of a prepared file, one or two a row."""

    def parse(row: dict[str, Any], number: int) -> list[_Response]:
        prompt, source = _MESSAGES.validate_python(row["prompt"]), str(row.get("source", ""))
        names = _RESPONSES[kind]
        return [
            _Response(
                f"{row[_IDS[kind]]}{f':{name}' if len(names) > 1 else ''}",
                prompt,
                _MESSAGES.validate_python(row[name]),
                source,
            )
            for name in names
        ]

    for several in read_lines(path, parse, "not a file of `judge data prepare`"):
        yield from several


def _with_attributes(source: RewardSource, config: RatingsConfig) -> RewardSource:
    """Return a reward model after looking whether it rates.

    Raises:
        UsageError: when none of its outputs is an attribute.
    """
    outputs = source.describe().get("outputs", [])
    if not set(outputs) & set(ATTRIBUTES):
        raise UsageError(
            f"model {config.model} gives {', '.join(outputs)}; expected a regression model of"
            f" {', '.join(ATTRIBUTES)}"
        )
    return source


def _lines(
    responses: list[_Response],
    found: list[ScoredResponse],
    source: dict[str, Any],
    left_out: Counter[str],
) -> Iterator[bytes]:
    outputs: list[str] = source["outputs"] if found else []
    for one, said in zip(responses, found, strict=True):
        if said.failed is not None or said.reward is None:
            left_out[said.failed or "no_reward"] += 1
            continue
        values = dict(said.attributes)
        if not values:  # of a single output
            values[outputs[0]] = said.reward
        ratings: dict[str, float] = {
            name: round(min(float(MAX_RATING), max(0.0, values[name])), _PLACES)
            for name in ATTRIBUTES
            if name in values
        }
        row: dict[str, Any] = {
            "rating_id": one.name,
            "prompt": [message.model_dump() for message in one.prompt],
            "response": [message.model_dump() for message in one.response],
            **ratings,
            "source": one.source,
        }
        yield encode_line(row)

"""Labelled pairs with five-attribute rewards to the weights of one: ``judge train weights``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from judge.annotated import ATTRIBUTES, Attribute
from judge.errors import UsageError
from judge.models.checkpoint import open_checkpoint
from judge.runs.jsonlines import encode_line
from judge.runs.whole import replace_json, write_whole
from judge.train.reward.attribute_weights import STEPS, GridResult, Weights, grid_search
from judge.train.reward.config import WeightsConfig

WEIGHTS_FILE, REWARDS_FILE = "weights.json", "rewards.jsonl"
_DIGITS = 6
"""Decimal places of a reward, as in a run folder."""


class LabelledRewards(BaseModel):
    """A line of a file of rewards: five attributes of the chosen and of the rejected response."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    prompt: Any
    """What says which pairs share a prompt: the prompt itself, or an id of it."""
    chosen: dict[Attribute, float]
    rejected: dict[Attribute, float]

    @field_validator("chosen", "rejected")
    @classmethod
    def _all_five(cls, rewards: dict[Attribute, float]) -> dict[Attribute, float]:
        if len(rewards) != len(ATTRIBUTES):
            raise ValueError("an attribute is missing")
        return rewards

    def difference(self) -> list[float]:
        """Return chosen minus rejected, in the order of ``ATTRIBUTES``."""
        return [self.chosen[name] - self.rejected[name] for name in ATTRIBUTES]


def run(config: WeightsConfig) -> dict[str, Any]:
    """Find the weights of ``config``; return what ``weights.json`` holds.

    Raises:
        UsageError: when pairs or model cannot be used, or there are too few prompts.
    """
    output = Path(config.output_dir)
    rewards, left_out = Path(config.pairs), {}
    if config.model is not None:
        rewards = output / REWARDS_FILE
        left_out = _score(config, rewards)
    rows = read_rewards(rewards, config.limit)
    differences = np.array([row.difference() for row in rows], dtype=np.float64)
    prompts = [json.dumps(row.prompt, sort_keys=True) for row in rows]
    result = grid_search(differences, prompts, config.folds, config.seed)
    report = {
        "weights": _named(result.weights),
        **_figures(result),
        "left_out": left_out,
        "rewards": f"sha256:{hashlib.sha256(rewards.read_bytes()).hexdigest()[:16]}",
        "folds": config.folds,
        "seed": config.seed,
    }
    _made(output)
    replace_json(output / WEIGHTS_FILE, report)
    return report


def report_lines(report: dict[str, Any]) -> list[str]:
    """Return what ``run`` found as lines for people."""
    lines = [f"{name}: {weight:+.1f}" for name, weight in report["weights"].items()]
    lines += [
        f"accuracy in sample: {report['in_sample_accuracy']:.4f}",
        f"accuracy cross-validated: {report['cross_validated_accuracy']:.4f}"
        f" ({report['folds']} folds of {report['prompts']:,} prompts)",
    ]
    lines += [f"accuracy of {name} alone: {share:.4f}" for name, share in report["alone"].items()]
    lines.append(f"combinations as good in sample: {report['combinations_as_good']:,}")
    lines.append(f"pairs: {report['pairs']:,}")
    return lines + [f"left out, {why}: {count:,}" for why, count in report["left_out"].items()]


def read_rewards(path: Path, limit: int | None) -> list[LabelledRewards]:
    """Read a file of rewards.

    Raises:
        UsageError: naming the line that is not one, or when there is none.
    """
    rows: list[LabelledRewards] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in islice(lines, limit):
                rows.append(LabelledRewards.model_validate_json(line))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    except ValidationError:
        raise UsageError(
            f"{path}, line {len(rows) + 1}: expected prompt, chosen and rejected, the last two with"
            f" a number for each of {', '.join(ATTRIBUTES)}"
        ) from None
    if not rows:
        raise UsageError(f"{path}: no pair")
    return rows


def _score(config: WeightsConfig, path: Path) -> dict[str, int]:
    """Write the rewards of the pairs to ``path``; return how many pairs were left out, by why."""
    from judge.train.expo.candidate import ExpoCandidate
    from judge.train.expo.matching import match
    from judge.train.reward.data import read_examples

    assert config.model is not None
    checkpoint = open_checkpoint(config.model, config.base)
    if set(checkpoint.outputs or []) != set(ATTRIBUTES):
        raise UsageError(
            f"{checkpoint.folder}: its outputs are {', '.join(checkpoint.outputs or ['unnamed'])};"
            f" expected {', '.join(ATTRIBUTES)}"
        )
    candidate = ExpoCandidate(match(checkpoint, checkpoint), checkpoint)
    candidate.set(1)
    pairs = Path(config.pairs)
    preferences = candidate.read(pairs, config.limit)
    prompts = {
        example.name: _key(example.conversations[0][:-1])
        for example in read_examples(pairs, "bt", (), Counter())
    }
    names = checkpoint.outputs or []
    lines = []
    for name, values in zip(
        preferences.names, candidate.outputs(preferences).tolist(), strict=True
    ):
        chosen, rejected = (
            {n: round(value, _DIGITS) for n, value in zip(names, side, strict=True)}
            for side in values
        )
        row = {"pair_id": name, "prompt": prompts[name], "chosen": chosen, "rejected": rejected}
        try:
            lines.append(encode_line(row))
        except ValueError:
            raise UsageError(f"{checkpoint.folder}: a reward of {name} is not finite") from None
    _made(path.parent)
    write_whole(path, b"".join(lines))
    return dict(preferences.left_out)


def _key(prompt: Any) -> str:
    text = json.dumps([(message.role, message.content) for message in prompt])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None


def _named(weights: Weights) -> dict[str, float]:
    return {name: weight / STEPS for name, weight in zip(ATTRIBUTES, weights, strict=True)}


def _figures(result: GridResult) -> dict[str, Any]:
    return {
        "in_sample_accuracy": result.accuracy,
        "cross_validated_accuracy": result.cross_validated,
        "alone": {name: right / result.pairs for name, right in result.alone.items()},
        "combinations_as_good": result.equals,
        "pairs": result.pairs,
        "prompts": result.prompts,
        "by_fold": [
            {"weights": _named(f.weights), "accuracy": f.right / f.pairs, "pairs": f.pairs}
            for f in result.folds
        ],
    }

"""Reward models without a model, and runs with them: what the tests of scoring share."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from judge.config import BatchConfig, ScoreConfig
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.protocol import ScriptedScorer
from tests.scripted import config

FIVE = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def value(text: str) -> list[float]:
    """A reward by a hash of the conversation; responses that say TIE, NAN have theirs."""
    if "TIE" in text:
        return [0.25]
    if "NAN" in text:
        return [math.nan]
    return [hashlib.sha256(text.encode()).digest()[0] / 16]


def bt() -> PairScorer:
    return PairScorer(ScriptedScorer(value, context=200), {"reward": 1.0})


def five() -> PairScorer:
    def values(text: str) -> list[float]:
        return [byte / 64 for byte in hashlib.sha256(text.encode()).digest()[:5]]

    scorer = ScriptedScorer(values, outputs=FIVE, objective="regression", context=200)
    return PairScorer(scorer, {"helpfulness": 1.0, "verbosity": -0.5})


def beside() -> dict[str, PairScorer]:
    return {"bt": bt(), "reg": five()}


def score_config(input: Path, out: Path, **fields: Any) -> ScoreConfig:
    return ScoreConfig(
        input=str(input), out=str(out), **{"model": "models/bt", "window": 4, **fields}
    )


def scored_config(input: Path, out: Path, **fields: Any) -> BatchConfig:
    return config(input, out, **{"scorer": {"bt": "models/bt", "reg": "models/reg"}, **fields})

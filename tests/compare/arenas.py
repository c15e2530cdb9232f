"""Answers of made-up models and judges without a model: what the tests of the arena share."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge.compare.arena.config import (
    AlpacaEvalConfig,
    AnswersConfig,
    ArenaHardConfig,
    PairsConfig,
)
from judge.compare.arena.contestants import Contestant, with_baseline
from judge.compare.arena.matches import Match
from judge.compare.arena.plan import Game, plan, within, write_pairs
from judge.compare.arena.result import ArenaResult, Rule, score
from judge.errors import RowError
from judge.infer import batch
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.verdict import STRENGTHS, Distribution, Verdict, render_statement
from tests.scripted import TEMPLATE

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "arena"
Odds = Callable[[str, str], float]
"""Log-odds that the first of two answers is preferred."""
_SHOWN = re.compile(r"@Response 1:\n(.*?)\n@Response 2:\n(.*)\nBetween @Response 1", re.S)
CONFIGS: dict[str, type[AnswersConfig]] = {
    "pairs": PairsConfig,
    "alpaca-eval": AlpacaEvalConfig,
    "arena-hard": ArenaHardConfig,
}


def answers(folder: Path, name: str, texts: Sequence[str | None], **fields: Any) -> str:
    """A file in AlpacaEval's layout, one answer a question; None is no row."""
    rows = [
        {"instruction": f"Question {n}?", "output": text, "generator": name, **fields}
        for n, text in enumerate(texts)
        if text is not None
    ]
    path = folder / f"{name}.json"
    path.write_text(json.dumps(rows))
    return str(path)


def drawn(text: str) -> float:
    """A number from 0 to 1 that depends on a text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 256**6


def decider(odds: Odds, sure: bool = False) -> Callable[[str, Mode], Verdict | RowError]:
    """A judge that draws the winner of two answers by their odds, the same in both orders.

    Args:
        sure: its probabilities are those of the winner drawn (0.98), not of the odds.
    """

    def script(text: str, mode: Mode) -> Verdict | RowError:
        shown = _SHOWN.search(text)
        assert shown is not None, text
        one, two = shown[1], shown[2]
        if "REFUSE" in text:
            return RowError("refused", "the model said no")
        lead = odds(one, two)
        chance = 1 / (1 + math.exp(-lead))
        low, high = sorted((one, two))
        wins_low = drawn(f"{low}|{high}") < 1 / (1 + math.exp(-odds(low, high)))
        first = wins_low if one == low else not wins_low
        p = (0.98 if first else 0.02) if sure else min(max(chance, 1e-6), 1 - 1e-6)
        strength = (-2 if first else 2) if sure else (-2 if p > 0.5 else 2)
        log_probs = [math.log(p / 3)] * 3 + [math.log((1 - p) / 3)] * 3
        log_probs[STRENGTHS.index(strength)] += 0.1
        return Verdict(
            strength=strength,
            statement=render_statement(strength),
            distribution=Distribution.model_validate({"log_probs": log_probs, "off_grammar": 0.0}),
            finish_reason="read",
        )

    return script


def bare(strength_of: Callable[[str, str], int]) -> Callable[[str, Mode], Verdict | RowError]:
    """A judge without probabilities that says a strength of the answers as shown."""

    def script(text: str, mode: Mode) -> Verdict | RowError:
        shown = _SHOWN.search(text)
        assert shown is not None
        strength = strength_of(shown[1], shown[2])
        return Verdict(
            strength=strength, statement=render_statement(strength), finish_reason="read"
        )

    return script


def play(
    rule: Rule, folder: Path, files: Sequence[str], baseline: str, script: Any, **fields: Any
) -> tuple[ArenaResult, list[Match], Contestant]:
    """The result, as the command comes to it, by a scripted judge."""
    asked = {"answers": files, "baseline": baseline, "out": str(folder), "mode": "verdict"}
    config = CONFIGS[rule].model_validate(
        {**asked, "model": "mini", "template": TEMPLATE, "resamples": 200, **fields}
    )
    others, base = with_baseline(config.answers, config.baseline)
    games: list[Game] = plan(others, base, config.every_pair)
    write_pairs(folder, games, fresh=False)
    rows = sum(game.judged for game in within(games, config.limit))
    if rows:
        batch.run(config.batch(rows), lambda: ScriptedEngine(script))
    return *score(rule, config, others, base, games), base

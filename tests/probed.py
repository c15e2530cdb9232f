"""Judges with known biases, and their probes: what the tests of the probes share."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge.compare.probes.config import ProbeConfig
from judge.compare.probes.labels import better_responses
from judge.compare.probes.measure import ProbeReport, measure
from judge.compare.probes.sets import write_sets
from judge.errors import RowError
from judge.formats.pairs import read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.infer.probe_runs import run_judge, run_scorers
from judge.infer.protocols import Unwatched
from judge.infer.scorers.pairs import PairScorer
from judge.verdict import Distribution, Verdict, render_statement, sigmoid
from tests.scripted import TEMPLATE, write_rows

Opinion = Callable[[str, str], float | str]
"""From the responses in the order of the prompt to the log-odds of the first; a text: refused."""
_PROMPT = re.compile(
    r"@Response 1:\n(.*)\n@Response 2:\n(.*)\nBetween @Response 1 and @Response 2", re.DOTALL
)
_QUALITY = re.compile(r"worth (\d+)")


def quality(response: str) -> int:
    """What a response says that it is worth; 0 where it says nothing."""
    found = _QUALITY.search(response)
    return int(found[1]) if found else 0


def fair(first: str, second: str) -> float:
    """The opinion of a judge that sees nothing but quality."""
    return 1.5 * ((quality(first) > quality(second)) - (quality(first) < quality(second)))


def draw(*texts: object) -> float:
    """A number from 0 to 1 that belongs to the texts."""
    digest = hashlib.sha256("|".join(map(str, texts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Labelled rows whose responses differ in quality and, independently of it, in length."""
    found = []
    for number in range(count):
        better, longer = draw("better", number) < 0.5, draw("longer", number) < 0.5
        texts = [
            f"Answer {number} {side} is worth {9 if side == better else 4}."
            + " It goes on a bit." * (1 + 3 * (side == longer))
            for side in (True, False)
        ]
        found.append(
            {
                "pair_id": f"p{number}",
                "prompt": f"Question {number}?",
                "response_1": texts[0],
                "response_2": texts[1],
                "label": "response_1" if better else "response_2",
                **fields,
            }
        )
    return found


def engine(opinion: Opinion) -> ScriptedEngine:
    """An engine that judges by an opinion."""

    def script(text: str, mode: Mode) -> Verdict | RowError:
        match = _PROMPT.search(text)
        assert match is not None
        odds = opinion(match[1], match[2])
        if isinstance(odds, str):
            return RowError("refused", odds)
        first = sigmoid(odds)
        distribution = Distribution.model_validate(
            {"log_probs": [math.log(p / 3) for p in (*[first] * 3, *[1 - first] * 3)]}
        )
        strength = distribution.strength
        return Verdict(
            strength=strength,
            statement=render_statement(strength),
            distribution=distribution,
            elaboration="Because." if mode == "justify" else None,
            finish_reason="stop" if mode == "justify" else "read",
        )

    return ScriptedEngine(script)


def config(folder: Path, **options: Any) -> ProbeConfig:
    given = {"input": str(folder / "in.jsonl"), "out": str(folder / "out"), "template": TEMPLATE}
    return ProbeConfig.model_validate({**given, "model": "mini", "mode": "verdict", **options})


def probe(
    folder: Path,
    opinion: Opinion,
    pairs: Sequence[dict[str, Any] | bytes],
    probes: Sequence[str],
    scorers: dict[str, PairScorer] | None = None,
    load: Callable[[], ScriptedEngine] | None = None,
    **options: Any,
) -> ProbeReport:
    """Probe a scripted judge on ``pairs``, and scripted scorers beside it or alone.

    Args:
        opinion: of every run.
        load: gives the engine, in the opinion's place.
    """
    write_rows(folder / "in.jsonl", pairs)
    asked = config(
        folder, probe=probes, scorer=[f"{name}=models/{name}" for name in scorers or {}], **options
    )
    source = open_source(asked.input)
    read = (row for _, row in read_pairs(source.records(), IdSet()))
    runs = asked.runs(write_sets(read, asked.sets, asked.probe, asked.seed, asked.fresh))

    if asked.judge:
        run_judge(runs, load or (lambda: engine(opinion)), lambda: scorers or {}, Unwatched())
    else:
        run_scorers(runs, lambda: scorers or {}, Unwatched())
    return measure(asked, better_responses(asked))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]

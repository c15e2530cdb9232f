"""Answers with rewards to the pairs of a round: the best and the worst of each prompt."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from judge.runs.jsonlines import encode_line
from judge.runs.responses import Responses
from judge.runs.training import MANIFEST_FILE
from judge.runs.whole import write_whole


@dataclass(frozen=True)
class ScoredAnswer:
    """An answer of the policy, and its reward."""

    said: Responses
    reward: float | None
    """None where the reward model gave none."""

    @property
    def text(self) -> str:
        return self.said.responses[0]

    @property
    def truncated(self) -> bool:
        return self.said.finish[0] == "length"

    @property
    def left_out(self) -> str | None:
        """Why it can be in no pair; None of one that can."""
        if self.truncated:
            return "truncated"
        if any(self.said.thinking):
            return "thinking"  # what the policy wrote is more than its answer
        return "no_reward" if self.reward is None else None


@dataclass
class RoundPairs:
    """The pairs of one side of a round, and what became of the rest."""

    rows: list[dict[str, Any]]
    """As ``judge data prepare --kind preference`` writes them, without a margin."""
    left_out: Counter[str]
    """Prompts without a pair, by why: ``equal_rewards``, ``identical_texts``, ``too_few`` (of their
    answers fewer than two can be in one)."""
    answers_left_out: Counter[str]
    """Answers that can be in none: ``truncated``, ``no_reward``, ``thinking``, ``no_answer``."""

    def counts(self) -> dict[str, Any]:
        """Return how many there are of each."""
        return {
            "pairs": len(self.rows),
            "left_out": dict(sorted(self.left_out.items())),
            "answers_left_out": dict(sorted(self.answers_left_out.items())),
        }


def pairs_of(
    answers: Iterable[ScoredAnswer], prompts: int, missing: int, source: str
) -> RoundPairs:
    """Return the best and the worst answer of each prompt as a pair.

    Args:
        answers: those of a prompt are neighbours.
        prompts: how many were asked; one whose every answer failed has too few.
        missing: answers that failed.
        source: what the rows call their origin.
    """
    found = RoundPairs([], Counter(), Counter({"no_answer": missing} if missing else {}))
    seen = 0
    for _, several in groupby(answers, key=lambda answer: answer.said.id):
        seen += 1
        usable = []
        for answer in several:
            if answer.left_out is None:
                usable.append(answer)
            else:
                found.answers_left_out[answer.left_out] += 1
        chosen = best_and_worst(usable)
        if isinstance(chosen, str):
            found.left_out[chosen] += 1
        else:
            found.rows.append(_row(*chosen, source))
    if prompts > seen:
        found.left_out["too_few"] += prompts - seen
    return found


def best_and_worst(answers: Sequence[ScoredAnswer]) -> tuple[ScoredAnswer, ScoredAnswer] | str:
    """Return a prompt's answers of the highest and of the lowest reward, or why they are no pair.

    Of equal ones the first is taken. Texts that differ in spacing alone are identical.
    """
    if len(answers) < 2:
        return "too_few"
    best = max(answers, key=lambda answer: answer.reward or 0.0)
    worst = min(answers, key=lambda answer: answer.reward or 0.0)
    if best.reward == worst.reward:
        same = len({tuple(answer.text.split()) for answer in answers}) == 1
        return "identical_texts" if same else "equal_rewards"
    return "identical_texts" if best.text.split() == worst.text.split() else (best, worst)


def _row(best: ScoredAnswer, worst: ScoredAnswer, source: str) -> dict[str, Any]:
    return {
        "pair_id": best.said.id,
        "prompt": [message.model_dump() for message in best.said.prompt],
        "chosen": [{"role": "assistant", "content": best.text}],
        "rejected": [{"role": "assistant", "content": worst.text}],
        "margin": None,
        "reward_chosen": best.reward,
        "reward_rejected": worst.reward,
        "source": source,
    }


def write_pairs(
    folder: Path, sides: dict[str, RoundPairs], round: int, reward: dict[str, Any]
) -> dict[str, Any]:
    """Write a folder of pairs as ``judge data prepare`` does; return its manifest.

    The manifest comes last: a folder that has one is whole.

    Args:
        sides: ``train`` and ``val``.
        round: from 1.
        reward: what the reward model says of itself.

    Raises:
        UsageError: when the disk refuses.
    """
    outputs = {}
    for side, pairs in sides.items():
        content = b"".join(map(encode_line, pairs.rows))
        write_whole(folder / f"{side}.jsonl", content)
        digest = hashlib.sha256(content).hexdigest()
        outputs[f"{side}.jsonl"] = {"rows": len(pairs.rows), "sha256": digest}
    manifest = {
        "options": {"kind": "preference", "origin": "answers", "round": round},
        "outputs": outputs,
        "reward": reward,
        "counts": {side: pairs.counts() for side, pairs in sides.items()},
    }
    write_whole(folder / MANIFEST_FILE, json.dumps(manifest, indent=1, default=str) + "\n")
    return manifest

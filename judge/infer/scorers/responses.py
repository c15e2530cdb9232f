"""Rewards of single responses, as a training loop asks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from judge.errors import RowError
from judge.infer.scorers.pairs import PairScorer
from judge.pair import Message
from judge.reward import Reward, pair_rewards


def score_responses(
    scorer: PairScorer, conversations: Sequence[Sequence[Message]]
) -> list[Reward | RowError]:
    """Return the reward of the last message of each conversation, or why it has none."""
    built = [_built(scorer, conversation) for conversation in conversations]
    rows = [row for row in built if not isinstance(row, RowError)]
    values = iter(scorer.scorer.score(rows) if rows else [])
    return [row if isinstance(row, RowError) else _reward(scorer, next(values)) for row in built]


def identity(described: Mapping[str, Any]) -> str:
    """Return a hash (sha256, 16 hex digits) of all that rewards depend on, but for what the model
    is called: where it lies may change.

    Args:
        described: of :meth:`judge.infer.scorers.pairs.PairScorer.describe`.
    """
    counted = {name: value for name, value in described.items() if name != "model"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def _built(scorer: PairScorer, conversation: Sequence[Message]) -> list[int] | RowError:
    try:
        [row] = scorer.scorer.build([conversation])
    except RowError as error:
        return error
    limit = scorer.scorer.context
    if len(row) > limit:
        found = f"prompt and response are {len(row)} tokens"
        return RowError("prompt_too_long", f"{found}; the limit is {limit}")
    return row


def _reward(scorer: PairScorer, values: Sequence[float]) -> Reward | RowError:
    """Return the reward that a pair of this response and itself would have twice."""
    model = scorer.scorer
    found = pair_rewards(values, values, model.outputs, scorer.weights, model.objective)
    if isinstance(found, RowError):
        return found
    attributes = {name: both[0] for name, both in found.scored.attributes.items()}
    return Reward(value=found.pair[0], attributes=attributes)

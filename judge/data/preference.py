"""Rows of a Bradley-Terry model's training set: a chosen and a rejected response with a margin."""

from __future__ import annotations

import orjson

from judge.annotated import AnnotatedPair, RatedResponse, Split
from judge.data.config import PrepareConfig
from judge.data.consensus_check import agreed_strength
from judge.data.outcome import Outcome, messages
from judge.data.ratings import rating_consensus
from judge.pair import Message


def preference_outcome(config: PrepareConfig, row: AnnotatedPair) -> Outcome:
    """Return a decided pair as a line; its margin is the size of the overall strength, 1 to 3.

    The line: ``{"pair_id", "prompt", "chosen", "rejected", "margin", "source"}``.
    """
    outcome = Outcome(row.source)
    strength = agreed_strength(config, row, outcome).strength
    if outcome.dropped is None and strength is not None:
        outcome.count("strengths", f"{strength}")
        responses = [row.pair.response_1, row.pair.response_2]
        _write(row.split, row.pair.pair_id, row.pair.prompt, responses, strength, outcome)
    return outcome


def rated_pair_outcome(
    config: PrepareConfig, first: RatedResponse, second: RatedResponse | None
) -> Outcome:
    """Return two rated responses to a prompt as a line, as in the paper's ablation.

    The more helpful one is chosen; the margin is the difference of helpfulness, above 0 to 4.

    Args:
        second: None where a response was left without another to the same prompt.
    """
    outcome = Outcome(first.source)
    if second is None:
        outcome.dropped = "no_partner"
        return outcome
    if first.response == second.response:
        outcome.dropped = "identical_responses"
        return outcome
    helpfulness = []
    for response in (first, second):
        agreed = rating_consensus(
            response.ratings,
            similar=config.similar,
            max_spread=config.max_spread,
            rounded=config.rounded,
        )
        if agreed.dropped is not None or "helpfulness" not in agreed.means:
            outcome.dropped = agreed.dropped or "no_helpfulness"
            return outcome
        helpfulness.append(agreed.means["helpfulness"])
    difference = helpfulness[1] - helpfulness[0]
    if difference == 0:
        outcome.dropped = "equal_helpfulness"
        return outcome
    outcome.count("margins", f"{abs(difference):.3g}")
    responses = [first.response, second.response]
    _write(first.split, rated_pair_id(first, second), first.prompt, responses, difference, outcome)
    return outcome


def rated_pair_id(first: RatedResponse, second: RatedResponse | None) -> str:
    """Return the id of a pair of rated responses: both of theirs."""
    return first.rating_id if second is None else f"{first.rating_id}+{second.rating_id}"


def _write(
    split: Split,
    pair_id: str,
    prompt: tuple[Message, ...],
    responses: list[str],
    strength: float,
    outcome: Outcome,
) -> None:
    """Add the line of a pair whose ``strength`` is above 0 where its second response is better."""
    if split == "test":
        return
    rejected, chosen = responses if strength > 0 else reversed(responses)
    outcome.count("examples", "pairs")
    outcome.lines.append(
        orjson.dumps(
            {
                "pair_id": pair_id,
                "prompt": messages(prompt),
                "chosen": [{"role": "assistant", "content": chosen}],
                "rejected": [{"role": "assistant", "content": rejected}],
                "margin": abs(strength),
                "source": outcome.source,
            }
        )
    )

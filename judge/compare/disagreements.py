"""Which pairs a person should look at first: where those who judged are surest of different things.

The rule. Everyone who answered has one vote: each judge, each reward model, people. A vote is a
probability that Response 1 is better; a judge that was asked in both orders has half a vote in
each. Whoever names a response without a probability says 0.75 of it, and a tie is 0.5. A pair's
score is the Jensen-Shannon divergence of the votes in bits: the entropy of their mean less the mean
of their entropies. It is 0 where all say the same, however unsure; it grows with their distance and
with how sure they are; 1 is two camps of the same size, each certain. Among equal scores the pair
with the more uncertain mean goes first. This is the disagreement of a committee in active learning
(McCallum and Nigam 1998; Settles 2009, section 3.2).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from judge.compare.metadata import judged_input
from judge.compare.systems import Decision, Kind, System
from judge.errors import UsageError
from judge.formats.pairs import find_pairs
from judge.metrics.estimate import rounded
from judge.pair import Pair
from judge.reward import Preference
from judge.runs.folder import JUDGMENTS
from judge.runs.jsonlines import read_rows
from judge.verdict import flip_names

BARE = 0.75
"""What is said of a response that is preferred without a probability."""
Cause = Literal["order_flip", "models", "people"]
"""A judge against itself in the other order; two models; a model against people, or people."""
_CAUSES: tuple[Cause, ...] = ("order_flip", "models", "people")
Answer = tuple[System, Decision]


class SystemChoice(BaseModel):
    """What one system says of a pair in the queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    kind: Kind
    preference: Preference | None
    strength: float | None
    probability: float | None
    consistent: bool | None
    rewards: tuple[float, float] | None
    failure: str | None
    elaboration: str | None = None
    """Why, in a judge's words, in the order of this pair."""


class Disagreement(BaseModel):
    """A pair in the queue; its texts where they can still be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair_id: str
    rank: int
    """From 1."""
    score: float
    """Bits, 0 to 1."""
    causes: list[Cause]
    why: str
    """The same in words."""
    choices: list[SystemChoice]
    pair: Pair | None = None

    def to_json(self) -> dict[str, object]:
        """Return this pair's line in ``disagreements.jsonl``: a pair as ``judge batch`` reads it,
        and why it is there."""
        row = self.model_dump(mode="json", exclude={"pair"})
        if self.pair is not None:
            row |= self.pair.model_dump(mode="json", exclude={"pair_id"})
        return row


class Queue(NamedTuple):
    """The disagreements of a comparison."""

    first: list[Disagreement]
    """Highest score first."""
    counts: dict[str, int]
    """Of all of them: ``all``, and by cause; a pair may have several."""


def disagreements(ids: Sequence[str], systems: Sequence[System], most: int) -> Queue:
    """Return the ``most`` pairs with the highest scores on which anyone differs."""
    voters = [system for system in systems if system.kind != "baseline"]
    counts = dict.fromkeys(("all", *_CAUSES), 0)

    def scored() -> Iterator[tuple[float, float, str]]:
        for pair_id in ids:
            answers = _answers(pair_id, voters)
            causes = causes_of(answers)
            if causes:
                counts["all"] += 1
                for cause in causes:
                    counts[cause] += 1
                score, uncertainty = divergence([decision for _, decision in answers])
                yield -rounded(score), -rounded(uncertainty), pair_id

    ranked = heapq.nsmallest(most, list(scored()))  # a list: all are counted, whatever most is
    first = [
        _disagreement(pair_id, rank, rounded(-score), voters)
        for rank, (score, _, pair_id) in enumerate(ranked, start=1)
    ]
    return Queue(first, counts)


def _answers(pair_id: str, voters: Sequence[System]) -> list[Answer]:
    there = [(voter, voter.decisions.get(pair_id)) for voter in voters]
    return [(voter, d) for voter, d in there if d is not None and d.failure is None]


def causes_of(answers: Sequence[Answer]) -> list[Cause]:
    """Return why a pair is a disagreement; nothing where nobody differs."""
    models = {d.preference for voter, d in answers if voter.kind != "people"}
    people = {d.preference for voter, d in answers if voter.kind == "people"}
    holds: dict[Cause, bool] = {
        "order_flip": any(d.consistent is False for _, d in answers),
        "models": len(models) > 1,
        "people": len(people) > 1 or bool(people and models - people),
    }
    return [cause for cause in _CAUSES if holds[cause]]


def divergence(answers: Sequence[Decision]) -> tuple[float, float]:
    """Return the score of a pair's answers, and the entropy of their mean, both in bits."""
    votes = [_votes(decision) for decision in answers]
    weighted = [(p, 1 / len(of_one) / len(votes)) for of_one in votes for p in of_one]
    mean = math.fsum(weight * p for p, weight in weighted)
    inner = math.fsum(weight * _entropy(p) for p, weight in weighted)
    uncertainty = _entropy(mean)
    return max(0.0, uncertainty - inner), uncertainty


def _votes(decision: Decision) -> tuple[float, ...]:
    """Return the probabilities that Response 1 is better: one, or one an order."""
    if decision.order_probabilities:
        return decision.order_probabilities
    if len(decision.first_slot) == 2:  # shown first: Response 1, then Response 2
        given, flipped = decision.first_slot
        return BARE if given else 1 - BARE, 1 - BARE if flipped else BARE
    if decision.probability is not None:
        return (decision.probability,)
    return ({"response_1": BARE, "response_2": 1 - BARE, None: 0.5}[decision.preference],)


def _entropy(p: float) -> float:
    return -math.fsum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


def _disagreement(pair_id: str, rank: int, score: float, voters: Sequence[System]) -> Disagreement:
    answers = _answers(pair_id, voters)
    there = [(voter, voter.decisions.get(pair_id)) for voter in voters]
    return Disagreement(
        pair_id=pair_id,
        rank=rank,
        score=score,
        causes=causes_of(answers),
        why=_why(answers),
        choices=[_choice(voter, decision) for voter, decision in there if decision is not None],
    )


def _choice(voter: System, decision: Decision) -> SystemChoice:
    probability = decision.probability
    return SystemChoice(
        system=voter.name,
        kind=voter.kind,
        preference=decision.preference,
        strength=decision.strength,
        probability=None if probability is None else rounded(probability),
        consistent=decision.consistent,
        rewards=decision.rewards,
        failure=decision.failure,
    )


def _why(answers: Sequence[Answer]) -> str:
    sides = {"response_1": "Response 1", "response_2": "Response 2", None: "no preference"}
    parts = []
    for preference, words in sides.items():
        names = [voter.name for voter, d in answers if d.preference == preference]
        parts += [f"{words}: {', '.join(names)}"] if names else []
    flips = [voter.name for voter, d in answers if d.consistent is False]
    if flips:
        parts.append(f"another choice in each order: {', '.join(flips)}")
    return "; ".join(parts)


def with_texts(found: Sequence[Disagreement], systems: Sequence[System]) -> list[Disagreement]:
    """Return the queue with the texts of the inputs that can still be read, and elaborations.

    Raises:
        UsageError: when a run folder, or an input, is damaged.
    """
    wanted = [d.pair_id for d in found]
    pairs: dict[str, Pair] = {}
    said: dict[tuple[str, str], str] = {}
    for system in systems:
        lacking = [i for i in wanted if i not in pairs and i in system.decisions]
        pairs |= _pairs(system, lacking)
        if system.kind == "judge":
            there = [i for i in wanted if i in system.decisions]
            said |= {(system.name, i): text for i, text in _elaborations(system, there)}
    return [
        d.model_copy(
            update={
                "pair": pairs.get(d.pair_id),
                "choices": [
                    c.model_copy(update={"elaboration": said.get((c.system, d.pair_id))})
                    for c in d.choices
                ],
            }
        )
        for d in found
    ]


def _pairs(system: System, ids: Sequence[str]) -> dict[str, Pair]:
    """Return the pairs ``ids``, read from the system's input, under the common ids."""
    if system.origin is None or not ids:
        return {}
    own = {system.own_ids.get(i, i): i for i in ids}
    try:
        source = judged_input(system.origin)
    except UsageError:
        return {}  # the comparison's notes say why
    found = {}
    origin = system.origin
    pairs = find_pairs(source, own.keys(), origin.strip_thinking, origin.empty_responses)
    for own_id, pair in pairs.items():
        pair_id = own[own_id]
        turned = pair.flipped() if pair_id in system.exchanged else pair
        found[pair_id] = turned.model_copy(update={"pair_id": pair_id})
    return found


def _elaborations(system: System, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the judge's elaborations of the pairs ``ids``, names in the common order."""
    if system.origin is None or not ids:
        return
    own = {system.own_ids.get(i, i): i for i in ids}
    for row in read_rows(Path(system.origin.folder) / JUDGMENTS, dict):
        pair_id, text = own.get(row["pair_id"]), row["elaboration"]
        if pair_id is not None and text:
            yield pair_id, flip_names(text) if pair_id in system.exchanged else text

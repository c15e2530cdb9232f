"""Reward models on pairs: beside a judge, or in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from judge.errors import RowError
from judge.hostile import flags_of
from judge.infer.overlong import SLACK, beginning
from judge.infer.pairwise import NOBODY, Numbered, PairListener, PairwiseJudge
from judge.infer.scorers.protocol import Scorer
from judge.judgment import Failure, Judgment
from judge.pair import Message, Pair
from judge.reward import Rewards, Scored, no_rewards, pair_rewards


class PairScorer:
    """A reward model's view of pairs.

    Args:
        weights: the reward is the sum of weight x output; checked against the scorer's outputs.
    """

    def __init__(self, scorer: Scorer, weights: Mapping[str, float]) -> None:
        self.scorer = scorer
        self.weights = dict(weights)

    def describe(self) -> dict[str, Any]:
        """Return what determines the rewards."""
        described = {**self.scorer.describe(), "objective": self.scorer.objective}
        return {**described, "outputs": list(self.scorer.outputs), "weights": self.weights}

    def score(self, pairs: Sequence[Pair]) -> list[Rewards | RowError]:
        """Return the rewards of each pair, or why it has none.

        The two responses of a pair are neighbours in the scorer's list: they share the prompt.
        They come sorted, so that the last digit does not depend on which of them is response_1.
        Responses that are the same tokens (a template may strip them) are scored once, so that
        their tie is exact.
        """
        built = [self.fit(rows) for rows in self.build(pairs)]
        rows = [row for ids in built if not isinstance(ids, RowError) for row in _distinct(ids)]
        values = iter(self.scorer.score(rows) if rows else [])
        results: list[Rewards | RowError] = []
        for ids in built:
            if isinstance(ids, RowError):
                results.append(ids)
                continue
            found = {tuple(row): next(values) for row in _distinct(ids)}
            results.append(self._rewards(*(found[tuple(row)] for row in ids)))
        return results

    def build(self, pairs: Sequence[Pair]) -> list[list[list[int]] | RowError]:
        """Return the ids of each pair's two conversations, or why there are none.

        They may be of any length, but for a pair that is too long by far.
        """
        hopeless = [self._hopeless(pair) for pair in pairs]
        rest = [pair for pair, error in zip(pairs, hopeless, strict=True) if error is None]
        built = iter(self._build_all(rest))
        return [next(built) if error is None else error for error in hopeless]

    def _build_all(self, pairs: Sequence[Pair]) -> list[list[list[int]] | RowError]:
        try:
            flat = self.scorer.build([c for pair in pairs for c in _conversations(pair)])
            return [flat[i : i + 2] for i in range(0, len(flat), 2)]
        except RowError:  # one text spoils the call: ask for each pair by itself
            return [self._build_one(pair) for pair in pairs]

    def _hopeless(self, pair: Pair) -> RowError | None:
        """Return the failure of a pair whose beginning alone is too long, None for any other."""
        context = self.scorer.context
        short = beginning(pair, 2 * context)
        built = None if short is None else self._build_one(short)
        if built is None or isinstance(built, RowError):
            return None
        for number, row in enumerate(built, start=1):
            if len(row) > context + SLACK:
                return _too_long(number, f"more than {context + SLACK}", context)
        return None

    def _build_one(self, pair: Pair) -> list[list[int]] | RowError:
        try:
            return self.scorer.build(_conversations(pair))
        except RowError as error:
            return error

    def fit(self, rows: list[list[int]] | RowError) -> list[list[int]] | RowError:
        """Return a pair's conversations, or the failure that one is too long for the model."""
        if isinstance(rows, RowError):
            return rows
        for number, row in enumerate(rows, start=1):
            if len(row) > self.scorer.context:
                return _too_long(number, f"{len(row)}", self.scorer.context)
        return rows

    def _rewards(self, first: Sequence[float], second: Sequence[float]) -> Rewards | RowError:
        return pair_rewards(first, second, self.scorer.outputs, self.weights, self.scorer.objective)


class JudgeWithScorers:
    """A judge and the reward models beside it.

    Every pair with a verdict is scored. What fails in a scorer is recorded with the pair's
    judgment; the verdict stays, and so do the other scorers' rewards.
    """

    def __init__(self, judge: PairwiseJudge, scorers: Mapping[str, PairScorer]) -> None:
        self._judge = judge
        self._scorers = scorers

    def judge(
        self, pairs: Sequence[Numbered], listeners: Mapping[int, PairListener] = NOBODY
    ) -> list[Judgment | Failure]:
        """As :meth:`judge.infer.pairwise.PairwiseJudge.judge`, with rewards."""
        results = self._judge.judge(pairs, listeners)
        judged = [place for place, result in enumerate(results) if isinstance(result, Judgment)]
        rewards: list[dict[str, list[float]]] = [{} for _ in judged]
        scored: list[dict[str, Scored]] = [{} for _ in judged]
        for name, scorer in self._scorers.items():
            for k, said in enumerate(scorer.score([pairs[place][1] for place in judged])):
                if isinstance(said, Rewards):
                    rewards[k][name] = list(said.pair)
                scored[k][name] = no_rewards(said) if isinstance(said, RowError) else said.scored
        for place, values, follows in zip(judged, rewards, scored, strict=True):
            update = {"rewards": values, "scorers": follows}
            results[place] = results[place].model_copy(update=update)
        return results

    def describe(self) -> dict[str, Any]:
        described = {f"engine.{k}": v for k, v in self._judge.engine.describe().items()}
        for name, scorer in self._scorers.items():
            described |= {f"scorer.{name}.{k}": v for k, v in scorer.describe().items()}
        return described

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what the engine (``judge``) and each scorer did."""
        counts = {name: s.scorer.counts.to_json() for name, s in self._scorers.items()}
        return {"judge": self._judge.engine.counts.to_json(), **counts}


class RewardJudge:
    """A reward model in a judge's place: its preference is the judgment's, without words."""

    def __init__(self, name: str, scorer: PairScorer) -> None:
        self._name = name
        self._scorer = scorer

    def judge(self, pairs: Sequence[Numbered]) -> list[Judgment | Failure]:
        results: list[Judgment | Failure] = []
        said = self._scorer.score([pair for _, pair in pairs])
        for (line, pair), rewards in zip(pairs, said, strict=True):
            if isinstance(rewards, RowError):
                failure = Failure(
                    line=line, pair_id=pair.pair_id, reason=rewards.reason, detail=rewards.detail
                )
                results.append(failure)
            else:
                results.append(self._judgment(pair, rewards))
        return results

    def _judgment(self, pair: Pair, rewards: Rewards) -> Judgment:
        return Judgment(
            pair_id=pair.pair_id,
            preference=rewards.scored.preference,
            strength=None,
            probability=rewards.scored.probability,
            consistent=None,
            statement=None,
            elaboration=None,
            orders={},
            rewards={self._name: list(rewards.pair)},
            scorers={self._name: rewards.scored},
            flags=flags_of(pair),
        )

    def describe(self) -> dict[str, Any]:
        return {f"scorer.{name}": value for name, value in self._scorer.describe().items()}

    def counts(self) -> dict[str, dict[str, int]]:
        return {self._name: self._scorer.scorer.counts.to_json()}


def _too_long(number: int, tokens: str, limit: int) -> RowError:
    found = f"prompt and response_{number} are {tokens} tokens"
    return RowError("prompt_too_long", f"{found}; the limit is {limit}")


def _conversations(pair: Pair) -> list[tuple[Message, ...]]:
    return [
        (*pair.prompt, Message(role="assistant", content=response))
        for response in (pair.response_1, pair.response_2)
    ]


def _distinct(rows: Sequence[list[int]]) -> list[list[int]]:
    return [rows[0]] if rows[0] == rows[1] else sorted(rows)

"""The pairwise judge: pairs to prompts in both orders, verdicts, judgments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal

from judge.errors import RowError
from judge.hostile import flags_of
from judge.infer.engines.protocol import Engine, Listener, Mode, StreamingEngine
from judge.infer.overlong import SLACK, beginning
from judge.judgment import Failure, Judgment, reconcile
from judge.pair import Pair
from judge.prompt import Prompt
from judge.verdict import ORDERS, Order, Verdict

Orders = Literal["both", "given"]
"""Whether a pair is judged a second time with its responses exchanged."""
Numbered = tuple[int, Pair]
"""A pair and its line in the input."""
PairListener = Callable[[Order, str], None]
"""Told the elaborations of a pair's orders, in the names of each order, piece by piece."""
NOBODY: Mapping[int, PairListener] = MappingProxyType({})


class PairwiseJudge:
    """Judges pairs with one engine in one mode.

    Args:
        orders: ``both``, or ``given`` alone.
    """

    def __init__(
        self,
        engine: Engine,
        mode: Mode = "justify",
        orders: Orders = "both",
    ) -> None:
        self.engine = engine
        self.mode = mode
        self.orders: tuple[Order, ...] = ORDERS if orders == "both" else ("given",)
        self._builder = engine.builder
        self.longest = engine.context - engine.reserve(mode)
        """The most tokens of a prompt."""

    def judge(
        self, pairs: Sequence[Numbered], listeners: Mapping[int, PairListener] = NOBODY
    ) -> list[Judgment | Failure]:
        """Return a judgment, or the failure of the first order that has no verdict, for each pair.

        The prompts of a pair's orders are neighbours in the engine's list: they share a prefix.

        Args:
            listeners: who is told the elaborations of the pair at an index while they are written;
                nobody, where the engine cannot say.
        """
        prompts = [[self.fit(prompt) for prompt in of_pair] for of_pair in self.build(pairs)]
        fitting = [whole for of_pair in prompts for whole in _whole(of_pair)]
        verdicts = iter(self._verdicts(fitting, self._heard(prompts, listeners)))
        results: list[Judgment | Failure] = []
        for (line, pair), of_pair in zip(pairs, prompts, strict=True):
            said = [next(verdicts) for _ in _whole(of_pair)]
            results.append(self._result(line, pair, of_pair, said))
        return results

    def build(self, pairs: Sequence[Numbered]) -> list[list[Prompt | RowError]]:
        """Return each pair's prompts, one an order, or why an order has none.

        They may be of any length, but for a pair that is too long by far.
        """
        hopeless = [self._hopeless(pair) for _, pair in pairs]
        ordered = [
            [pair if order == "given" else pair.flipped() for order in self.orders]
            for (_, pair), error in zip(pairs, hopeless, strict=True)
            if error is None
        ]
        built = iter(self._build_all(ordered))
        return [
            next(built) if error is None else [error for _ in self.orders] for error in hopeless
        ]

    def _build_all(self, ordered: list[list[Pair]]) -> list[list[Prompt | RowError]]:
        try:
            flat = iter(self._builder.build([pair for of_pair in ordered for pair in of_pair]))
            return [[next(flat) for _ in of_pair] for of_pair in ordered]
        except RowError:  # one text spoils the call: ask for each by itself
            return [[self._build_one(pair) for pair in of_pair] for of_pair in ordered]

    def _hopeless(self, pair: Pair) -> RowError | None:
        """Return the failure of a pair whose beginning alone is too long, None for any other."""
        short = beginning(pair, self.longest)
        built = None if short is None else self._build_one(short)
        if not isinstance(built, Prompt) or len(built.ids) <= self.longest + SLACK:
            return None
        return self._too_long(f"more than {self.longest + SLACK}")

    def fit(self, prompt: Prompt | RowError) -> Prompt | RowError:
        """Return ``prompt``, or the failure that it is too long for the context."""
        if isinstance(prompt, RowError) or len(prompt.ids) <= self.longest:
            return prompt
        return self._too_long(f"{len(prompt.ids)}")

    def _too_long(self, tokens: str) -> RowError:
        return RowError(
            "prompt_too_long",
            f"{tokens} tokens; the limit is {self.longest}: a context of"
            f" {self.engine.context} less {self.engine.context - self.longest} for the completion",
        )

    def _heard(
        self, prompts: Sequence[Sequence[Prompt | RowError]], listeners: Mapping[int, PairListener]
    ) -> dict[int, Listener]:
        """Return the listeners by the place of a prompt in the engine's list."""
        heard: dict[int, Listener] = {}
        place = 0
        for index, of_pair in enumerate(prompts):
            orders = self.orders[: len(_whole(of_pair))]
            if index in listeners:
                heard |= {place + k: partial(listeners[index], o) for k, o in enumerate(orders)}
            place += len(orders)
        return heard

    def _verdicts(
        self, prompts: list[Prompt], heard: Mapping[int, Listener]
    ) -> list[Verdict | RowError]:
        if heard and isinstance(self.engine, StreamingEngine):
            return self.engine.stream(prompts, self.mode, heard)
        return self.engine.judge(prompts, self.mode) if prompts else []

    def _build_one(self, pair: Pair) -> Prompt | RowError:
        try:
            return self._builder.build([pair])[0]
        except RowError as error:
            return error

    def _result(
        self,
        line: int,
        pair: Pair,
        prompts: Sequence[Prompt | RowError],
        said: Sequence[Verdict | RowError],
    ) -> Judgment | Failure:
        verdicts: dict[Order, Verdict] = {}
        neutralised = 0
        for order, answer in zip(self.orders, said or prompts, strict=True):
            if isinstance(answer, RowError):
                return _failure(line, pair, order, answer)
            if isinstance(answer, Prompt):
                continue  # it fits, the other order's does not
            if not _are_numbers(answer):
                error = RowError("engine_error", "the probabilities are not numbers")
                return _failure(line, pair, order, error)
            verdicts[order] = answer
        # Both orders hold the same texts, so one of them counts every neutralised name once.
        if isinstance(prompts[0], Prompt):
            neutralised = prompts[0].neutralised
        judgment = reconcile(pair.pair_id, verdicts, neutralised)
        flags = flags_of(pair)
        return judgment.model_copy(update={"flags": flags}) if flags else judgment


def _whole(prompts: Sequence[Prompt | RowError]) -> list[Prompt]:
    """Return a pair's prompts, none where one of them is missing: a pair is judged whole."""
    whole = [prompt for prompt in prompts if isinstance(prompt, Prompt)]
    return whole if len(whole) == len(prompts) else []


def _failure(line: int, pair: Pair, order: Order, error: RowError) -> Failure:
    return Failure(
        line=line, pair_id=pair.pair_id, reason=error.reason, detail=error.detail, order=order
    )


def _are_numbers(verdict: Verdict) -> bool:
    """Say whether the verdict's logarithms are: minus infinity is one, the logarithm of nothing."""
    values = verdict.distribution
    return values is None or not any(
        math.isnan(value) or value == math.inf for value in (*values.log_probs, values.off_grammar)
    )

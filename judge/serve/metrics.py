"""What Prometheus is told: requests, pairs, failures, tokens, the queue and the engine's calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from judge.errors import FailureReason
from judge.judgment import Failure, Judgment
from judge.reward import Reward

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The numbers of one server, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "judge_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "judge_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.requests_in_flight = Gauge(
            "judge_requests_in_flight", "Requests for judgments.", registry=registry
        )
        self.queue = Gauge("judge_queue_pairs", "Pairs that wait.", registry=registry)
        self._in_flight = Gauge(
            "judge_in_flight_pairs", "Pairs that the engine has.", registry=registry
        )
        self._call_pairs = Histogram(
            "judge_call_pairs", "Pairs of an engine call.", buckets=_PAIRS, registry=registry
        )
        self._call_seconds = Histogram(
            "judge_call_seconds", "Seconds of an engine call.", buckets=_SECONDS, registry=registry
        )
        self._judged = Counter("judge_pairs", "Pairs judged.", registry=registry)
        self._rewarded = Counter("judge_rewards", "Responses given a reward.", registry=registry)
        self._failures = Counter(
            "judge_failures",
            "Pairs without a judgment, responses without a reward.",
            ["reason"],
            registry=registry,
        )
        self._scorer_failures = Counter(
            "judge_scorer_failures",
            "Judged pairs that a reward model gave no rewards.",
            ["scorer", "reason"],
            registry=registry,
        )
        self._dropped = Counter(
            "judge_dropped_pairs", "Pairs whose request was given up.", ["cause"], registry=registry
        )
        self._tokens = Counter(
            "judge_tokens", "Tokens, by what they were.", ["model", "kind"], registry=registry
        )
        for reason in get_args(FailureReason):
            self._failures.labels(reason)

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)

    @contextmanager
    def engine_call(self, pairs: int) -> Iterator[None]:
        """Count and time a call of the engine with so many pairs."""
        self._call_pairs.observe(pairs)
        self._in_flight.inc(pairs)
        try:
            with self._call_seconds.time():
                yield
        finally:
            self._in_flight.dec(pairs)

    def add_tokens(
        self, before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Add what the engine and the scorers counted between two looks at their counts."""
        for model, counts in after.items():
            for name, count in counts.items():
                if not name.endswith("_tokens"):
                    continue
                kind = name.removesuffix("_tokens")
                self._tokens.labels(model, kind).inc(count - before[model][name])

    def answered(self, results: Sequence[Judgment | Failure | Reward]) -> None:
        """Count the results of a request that was answered."""
        for result in results:
            if isinstance(result, Failure):
                self._failures.labels(result.reason).inc()
                continue
            if isinstance(result, Reward):
                self._rewarded.inc()
                continue
            self._judged.inc()
            for name, scored in result.scorers.items():
                if scored.failure:
                    self._scorer_failures.labels(name, scored.failure.reason).inc()

    def dropped(self, cause: str, pairs: int) -> None:
        """Count the pairs of a request that was given up (``disconnect``, ``timeout``)."""
        self._dropped.labels(cause).inc(pairs)

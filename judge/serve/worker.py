"""The one thread that asks the engine: requests that wait are judged together.

Pairs stand in one bounded queue. A call of the engine takes up to ``window`` pairs of the requests
that want the same mode and orders, the oldest first; a request that has more goes to the end of
the queue with the rest, so that a long one does not hold up the short ones behind it. Responses
that want rewards are scored request by request: last digits depend on what is scored together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from judge.errors import JudgeError
from judge.infer.engines.protocol import Mode
from judge.infer.pairwise import NOBODY, Orders, PairListener
from judge.judgment import Failure, Judgment
from judge.reward import Reward
from judge.serve.metrics import Metrics
from judge.verdict import Order

Way = tuple[Mode, Orders] | tuple[Literal["rewards"], str]
"""How pairs are judged, or what scores responses; two ways are never in one call."""
Result = Judgment | Failure | Reward
Numbered = tuple[int, Any]
"""A place in a request, and the pair or the response that stands there; it has a ``pair_id``."""
BROKEN = 3
"""An engine that raised so many times in a row is taken for broken."""
_log = logging.getLogger("judge.serve")


class Served(Protocol):
    """Judges pairs in one way, as :class:`judge.infer.scorers.pairs.JudgeWithScorers` does, or
    scores responses: :class:`judge.serve.rewards.ServedScorer`."""

    def judge(
        self, pairs: Sequence[Numbered], listeners: Mapping[int, PairListener] = NOBODY
    ) -> Sequence[Result]: ...

    def counts(self) -> dict[str, dict[str, int]]: ...


class QueueFull(Exception):
    """There is no room for so many pairs.

    Args:
        seconds: after which there may be.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("the queue is full")
        self.seconds = seconds


class Stopped(Exception):
    """The worker takes, or finishes, no more pairs."""


class EngineRaised(Exception):
    """The engine raised on a job that is not taken apart; the message names the exception."""


@dataclass
class Job:
    """The pairs of one request.

    ``answer`` holds their results in order once all are there; cancelling it takes the pairs that
    still wait out of the queue.
    """

    way: Way
    pairs: Sequence[Numbered]
    listener: PairListener | None = None
    """Told the elaborations of the job's only pair, on the worker's thread."""
    whole: bool = False
    """Whether its pairs go through the engine in one call, and no others with them."""
    answer: Future[list[Result]] = field(default_factory=Future)
    results: list[Result] = field(default_factory=list)
    taken: int = 0
    """Pairs that were given to the engine."""

    @property
    def waiting(self) -> int:
        return len(self.pairs) - self.taken

    def tell(self, order: Order, text: str) -> None:
        """Tell the listener, as long as someone waits for the answer."""
        if self.listener and not self.answer.done():
            self.listener(order, text)


Part = tuple[Job, Sequence[Numbered]]
"""Pairs of a job that are judged in one call."""


class Worker:
    """A queue of jobs and the thread that works it off.

    Args:
        judges: the judge of each way; all of them share one engine.
        window: the most pairs of a call.
        queue: the most pairs that wait.
        alone: whether every call holds pairs of one job only.
    """

    def __init__(
        self,
        judges: Mapping[Way, Served],
        metrics: Metrics,
        *,
        window: int,
        queue: int,
        alone: bool = False,
    ) -> None:
        self._judges = judges
        self._metrics = metrics
        self._window = window
        self._queue = queue
        self._alone = alone
        self._jobs: deque[Job] = deque()
        self._current: list[Part] = []
        self._change = threading.Condition()
        self._stopping = False
        self._died = False
        self._raised = 0
        self._pair_seconds = 1.0
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)
        metrics.queue.set_function(lambda: self.waiting)

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pairs in the queue."""
        with self._change:
            return sum(job.waiting for job in self._jobs if not job.answer.done())

    @property
    def broken(self) -> bool:
        """Whether the engine seems to be dead, so that only a new process helps."""
        return self._raised >= BROKEN or self._died

    @property
    def finished(self) -> bool:
        """Whether no pair will be judged any more."""
        return not self._thread.is_alive()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue.

        Raises:
            QueueFull: when there is no room for its pairs.
            Stopped: after :meth:`stop`.
        """
        with self._change:
            if self._stopping:
                raise Stopped
            waiting = self.waiting
            if waiting + len(job.pairs) > self._queue:
                raise QueueFull(waiting * self._pair_seconds)
            self._jobs.append(job)
            self._change.notify()

    def stop(self) -> None:
        """Take no more jobs; the thread ends with the last one."""
        with self._change:
            self._stopping = True
            self._change.notify()

    def abandon(self) -> None:
        """Answer every job now with :class:`Stopped`; the engine's call is left to itself."""
        self.stop()
        with self._change:
            for job in [*self._jobs, *(job for job, _ in self._current)]:
                with suppress(InvalidStateError):
                    job.answer.set_exception(Stopped())
            self._jobs.clear()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while parts := self._take():
                self._judge(parts)
        finally:
            self._died = not self._stopping
            self.abandon()  # should this thread die, nobody waits in vain

    def _take(self) -> list[Part]:
        """Wait for jobs; return the parts of the next call, none when it is over."""
        with self._change:
            while True:
                self._jobs = deque(job for job in self._jobs if not job.answer.done())
                if self._jobs or self._stopping:
                    break
                self._change.wait()
            self._current = list(self._parts())
        return self._current

    def _parts(self) -> Iterator[Part]:
        room = self._window
        jobs = list(self._jobs)
        alone = self._alone or (bool(jobs) and jobs[0].whole)
        for job in jobs[:1] if alone else jobs:
            if not room or job.way != jobs[0].way:
                continue
            pairs = job.pairs if job.whole else job.pairs[job.taken : job.taken + room]
            job.taken += len(pairs)
            room -= len(pairs)
            self._jobs.remove(job)
            if job.waiting:
                self._jobs.append(job)
            yield job, pairs

    def _judge(self, parts: Sequence[Part]) -> None:
        """Judge the parts in one call; answer the jobs that are complete."""
        judge = self._judges[parts[0][0].way]
        pairs = [pair for _, of_job in parts for pair in of_job]
        listeners: dict[int, PairListener] = {}
        place = 0
        for job, of_job in parts:
            if job.listener:
                listeners[place] = job.tell
            place += len(of_job)
        before, started = judge.counts(), time.monotonic()
        try:
            with self._metrics.engine_call(len(pairs)):
                results = iter(self._results(judge, pairs, listeners, parts[0][0].whole))
        except EngineRaised as raised:
            with suppress(InvalidStateError):
                parts[0][0].answer.set_exception(raised)
            return
        self._pair_seconds = (time.monotonic() - started) / len(pairs)
        self._metrics.add_tokens(before, judge.counts())
        for job, of_job in parts:
            job.results += [next(results) for _ in of_job]
            if len(job.results) == len(job.pairs):
                with suppress(InvalidStateError):  # cancelled meanwhile
                    job.answer.set_result(job.results)

    def _results(
        self,
        judge: Served,
        pairs: Sequence[Numbered],
        listeners: Mapping[int, PairListener],
        whole: bool,
    ) -> list[Result]:
        """Judge pairs; where the engine raises, each by itself, so that one spoils no other.

        Raises:
            EngineRaised: instead, when they are to stay together.
        """
        try:
            return self._ask(judge, pairs, listeners)
        except JudgeError as error:  # no pair's fault: a server behind this one that is away
            return [_engine_error(pair, error) for pair in pairs]
        except Exception as error:
            if whole:
                raise EngineRaised(f"the engine raised {type(error).__name__}") from None
            last = error
        results: list[Result] = []
        for pair in pairs:
            if len(pairs) > 1 and not self.broken:
                try:
                    results += self._ask(judge, [pair], NOBODY)
                    continue
                except Exception as error:
                    last = error
            results.append(_engine_error(pair, last))
        return results

    def _ask(
        self,
        judge: Served,
        pairs: Sequence[Numbered],
        listeners: Mapping[int, PairListener],
    ) -> list[Result]:
        try:
            results = list(judge.judge(pairs, listeners))
        except JudgeError as error:
            _log.warning("the engine gave up on %d pairs: %s", len(pairs), error)
            raise
        except Exception:
            self._raised += 1
            _log.exception("the engine raised on %d pairs", len(pairs))
            raise
        self._raised = 0
        return results


def _engine_error(numbered: Numbered, error: Exception) -> Failure:
    line, pair = numbered
    # Another's message may hold a pair's text or a path of this machine: it is in the log.
    detail = (
        str(error) if isinstance(error, JudgeError) else f"the engine raised {type(error).__name__}"
    )
    return Failure(line=line, pair_id=pair.pair_id, reason="engine_error", detail=detail)

"""A judge with several windows in hand, as Ray's replicas have them, without Ray or a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence

from judge.config import BatchConfig
from judge.engine_options import EngineKind
from judge.errors import UsageError
from judge.infer.pairwise import Numbered, PairwiseJudge
from judge.infer.scorers.pairs import JudgeWithScorers
from judge.judgment import Failure, Judgment
from judge.prompt import Template
from tests.scripted import engine

READS_AHEAD = EngineKind("tests.ahead:ReadsAhead", many=True, judges_windows=True)
"""In place of the entry ``ray`` of the engines."""


class ReadsAhead:
    """In Ray's place: three windows in hand, the scripted engine for each."""

    def __init__(self, config: BatchConfig, template: Template, note: Callable[[str], None]):
        self._plain = JudgeWithScorers(PairwiseJudge(engine().bound(template), config.mode), {})
        self.describe, self.counts = self._plain.describe, self._plain.counts

    def judge_windows(
        self, windows: Iterator[Sequence[Numbered]]
    ) -> Generator[list[Judgment | Failure]]:
        waiting: deque[Sequence[Numbered]] = deque()
        damage: UsageError | None = None
        while True:
            while len(waiting) < 3 and damage is None:
                try:
                    window = next(windows, None)
                except UsageError as error:
                    damage, window = error, None
                if window is None:
                    break
                waiting.append(window)
            if not waiting:
                break
            yield self._plain.judge(waiting.popleft())
        if damage is not None:
            raise damage

"""The Python API: a judge or a reward model as an object, for notebooks and training loops.

What it returns are the types of a run folder, and the same values: the windows, the checks and the
engines are those of ``judge batch`` and ``judge score``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from judge.config import JudgeConfig, ScoreConfig, load_config, window_of
from judge.engine_options import engine_kind
from judge.errors import RowError, UsageError
from judge.formats import fields
from judge.formats.pairs import check_pair, read_row
from judge.formats.pairs import read_pairs as read_records
from judge.formats.records import Record
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.infer.api_options import JudgeOptions
from judge.infer.held import Held
from judge.infer.pairwise import Numbered
from judge.infer.protocols import PairJudge
from judge.judgment import Failure, Judgment
from judge.pair import Message, Pair
from judge.reward import Reward

if TYPE_CHECKING:
    from judge.infer.scorers.pairs import PairScorer

RowFields = Mapping[str, Any]
"""A row in any layout that ``judge batch`` reads, as ``prompt``, ``response_1``, ``response_2``."""
Item = Pair | RowFields | Failure
Note = Callable[[str], None]
"""Told what a person should know of the model, one line each."""
_log = logging.getLogger("judge")


class _Loaded(Held[PairJudge]):
    """A model in memory that judges pairs. Not to be used by two threads at once."""

    window: int
    """Pairs that are judged together. Another one may change a figure's last digits."""

    def __init__(
        self, judging: PairJudge, window: int, strip_thinking: bool, empty_responses: bool
    ) -> None:
        if window < 1:
            raise UsageError(f"window is {window}; expected 1 or more")
        self.window = window
        super().__init__(judging)
        self._strip_thinking = strip_thinking
        self._empty_responses = empty_responses

    @overload
    def judge(self, pairs: Pair | RowFields) -> Judgment | Failure: ...

    @overload
    def judge(self, pairs: Iterable[Item]) -> list[Judgment | Failure]: ...

    def judge(
        self, pairs: Pair | RowFields | Iterable[Item]
    ) -> Judgment | Failure | list[Judgment | Failure]:
        """Return the result of one pair, or a list of those of many, in their order.

        A pair that cannot be judged is a :class:`judge.Failure` with its reason, as is one that
        comes as a failure already. Nothing is compared between pairs: the same one may come twice.
        """
        if isinstance(pairs, Pair | Mapping):
            [result] = self.stream([pairs])
            return result
        return list(self.stream(pairs))

    def stream(self, pairs: Iterable[Item]) -> Iterator[Judgment | Failure]:
        """Yield the result of each pair; of ``pairs`` one window is read at a time."""
        numbered = enumerate(pairs, start=1)
        while window := [self._checked(*item) for item in islice(numbered, self.window)]:
            ready: list[Numbered] = [(n, pair) for n, pair in window if isinstance(pair, Pair)]
            results = iter(self._model().judge(ready) if ready else [])
            for _, item in window:
                yield next(results) if isinstance(item, Pair) else item

    def _checked(self, number: int, item: Item) -> tuple[int, Pair | Failure]:
        if isinstance(item, Failure):
            return number, item
        rules = (self._strip_thinking, self._empty_responses)
        if isinstance(item, Pair):
            return number, check_pair(number, item, *rules)
        if not isinstance(item, Mapping):
            raise TypeError(
                f"{type(item).__name__} is not a pair; expected a Pair or a row's fields"
            )
        return number, read_row(Record(number, item), IdSet(), *rules)


class Judge(_Loaded):
    """A judge, loaded: ``with Judge("small", mode="verdict") as judge: ...``.

    Args:
        model: a bundled judge, a folder, a hub id, or a whole configuration; None: the default.
        window: pairs that are judged together; None: as many as ``judge batch`` takes.
        strip_thinking: leave out what a reasoning model wrote before each response.
        empty_responses: judge a response without a word like any other.
        note: told what a person should know of the model; None: the log ``judge``.
        options: fields of :class:`judge.JudgeConfig`.

    Raises:
        UsageError: for an option that is wrong, or a model that is missing or damaged, in one line.
        ModuleNotFoundError: where the engine's library is not installed.
    """

    def __init__(
        self,
        model: str | JudgeConfig | None = None,
        *,
        window: int | None = None,
        strip_thinking: bool = False,
        empty_responses: bool = False,
        note: Note | None = None,
        **options: Unpack[JudgeOptions],
    ) -> None:
        self.config = _config(model, options)
        if engine_kind(self.config.engine).judges_windows:
            raise UsageError("engine ray judges files: judge batch --engine ray")
        judging = _load(self.config, note or _log.info)
        many = window_of(self.config.engine) if window is None else window
        super().__init__(judging, many, strip_thinking, empty_responses)


class RewardModel(_Loaded):
    """A reward model, loaded: it prefers a response of a pair, or scores responses alone.

    Args:
        model: a bundled reward model, a folder or a hub id; None: the default.
        engine: what runs it, and so ``form``, ``weights``, ``batch_tokens``: fields of
            :class:`judge.config.ScoreConfig`.
        window: as for :class:`Judge`, and so ``strip_thinking`` and ``empty_responses``.

    Raises:
        UsageError: as :class:`Judge`.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        engine: Literal["auto", "transformers", "vllm"] | None = None,
        form: Literal["auto", "head", "logit"] | None = None,
        weights: str | None = None,
        batch_tokens: int | None = None,
        window: int | None = None,
        strip_thinking: bool = False,
        empty_responses: bool = False,
    ) -> None:
        from judge.infer.score import scorer_name
        from judge.infer.scorers.load import load_scorer
        from judge.infer.scorers.pairs import RewardJudge

        given: dict[str, Any] = {"model": model, "engine": engine, "form": form}
        given |= {"weights": weights, "batch_tokens": batch_tokens, "window": window}
        config = load_config(ScoreConfig, None, {**given, "input": "-", "out": "-"})
        self.model = config.model
        scorer = load_scorer(
            config.model,
            weights_file=config.weights,
            form=config.form,
            engine=config.engine,
            batch_tokens=config.batch_tokens,
        )
        self._scorer: PairScorer | None = scorer
        judging = RewardJudge(scorer_name(config.model), scorer)
        super().__init__(judging, config.window, strip_thinking, empty_responses)

    def score(self, prompts: Sequence[Any], responses: Sequence[Any]) -> list[Reward | Failure]:
        """Return the reward of each response to its prompt, or why it has none.

        Args:
            prompts: texts or lists of messages.
            responses: texts, or lists of one message of the assistant.
        """
        from judge.infer.scorers.responses import score_responses

        if self._scorer is None:
            raise UsageError("the model is closed")
        asked = zip(prompts, responses, strict=True)
        results: list[Reward | RowError] = []
        while window := [self._conversation(*one) for one in islice(asked, self.window)]:
            whole = [one for one in window if not isinstance(one, RowError)]
            said = iter(score_responses(self._scorer, whole))
            results += [one if isinstance(one, RowError) else next(said) for one in window]
        return [
            _failed(number, found) if isinstance(found, RowError) else found
            for number, found in enumerate(results, start=1)
        ]

    def rewards(
        self, prompts: Sequence[Any], completions: Sequence[Any], **columns: object
    ) -> list[float | None]:
        """Return :meth:`score` as TRL's trainers take a reward function: None for a failure.

        Args:
            columns: what TRL hands over besides; nothing depends on it.
        """
        scored = self.score(prompts, completions)
        return [found.value if isinstance(found, Reward) else None for found in scored]

    def close(self) -> None:
        self._scorer = None
        super().close()

    def _conversation(self, prompt: Any, response: Any) -> tuple[Message, ...] | RowError:
        try:
            if not isinstance(prompt, str):
                prompt = [m.model_dump() if isinstance(m, Message) else m for m in prompt]
            asked = fields.prompt("prompt", prompt)
            said = fields.response("response", response, self._empty_responses)
            if self._strip_thinking:
                from judge.thinking import answer_of

                said = answer_of("response", said, self._empty_responses)
            fields.check_length(asked, said)
        except RowError as error:
            return error
        return (*asked, Message(role="assistant", content=said))


def read_pairs(
    input: str | Path,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
) -> Iterator[Pair | Failure]:
    """Yield the pairs of a file or hub data set, and a failure for each row that is none.

    Raises:
        UsageError: when there is no such input, or it is damaged.
    """
    records = open_source(str(input), split, subset, revision).records()
    # A response without a word is kept: whether it is judged is up to the judge.
    return (row for _, row in read_records(records, IdSet(), empty_responses=True))


def _config(model: str | JudgeConfig | None, options: JudgeOptions) -> JudgeConfig:
    if isinstance(model, JudgeConfig):
        if options:
            raise UsageError("give either a whole configuration or options, not both")
        return model
    return load_config(JudgeConfig, None, {"model": model, **options})


def _load(config: JudgeConfig, note: Note) -> PairJudge:
    """Load the reward models, which are smaller, then the judge."""
    from judge.infer.engines.registry import load_engine
    from judge.infer.pairwise import PairwiseJudge
    from judge.infer.scorers.load import load_scorers
    from judge.infer.scorers.pairs import JudgeWithScorers

    scorers = load_scorers(config) if config.scorer else {}
    judge = PairwiseJudge(load_engine(config, note=note), config.mode, config.orders)
    return JudgeWithScorers(judge, scorers)


def _failed(number: int, error: RowError) -> Failure:
    return Failure(line=number, pair_id=None, reason=error.reason, detail=error.detail)

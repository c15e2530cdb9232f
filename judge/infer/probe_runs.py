"""Many runs with one model: each input has its own run folder, the models are loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from judge.config import BatchConfig, ScoreConfig
from judge.formats.sources import open_source
from judge.infer import batch
from judge.infer.engines.asking import sampling_of
from judge.infer.engines.protocol import Counts, Engine
from judge.infer.protocols import Progress
from judge.infer.scorers.files import read_weights
from judge.infer.scorers.pairs import PairScorer, RewardJudge

LoadScorers = Callable[[], Mapping[str, PairScorer]]


def run_judge(
    configs: Sequence[BatchConfig],
    load_engine: Callable[[], Engine],
    load_scorers: LoadScorers,
    progress: Progress,
) -> None:
    """Judge every input as ``judge batch`` does (:func:`judge.infer.batch.run`).

    The configurations may differ in input, folder, scorers, temperature and seed. The engine and
    the scorers are loaded when the first run has something to judge.
    """
    the_engine, the_scorers = cache(load_engine), cache(load_scorers)

    def engine_of(config: BatchConfig) -> Engine:
        return the_engine().bound(sampling=sampling_of(config))

    def scorers_of(config: BatchConfig) -> dict[str, PairScorer]:
        found = {name: the_scorers()[name] for name in config.scorer}
        for scorer in found.values():
            _count_anew(scorer.scorer.counts)
        return found

    for config in configs:
        progress.note(Path(config.out).name)
        batch.run(config, partial(engine_of, config), progress, partial(scorers_of, config))


def run_scorers(
    configs: Sequence[BatchConfig], load_scorers: LoadScorers, progress: Progress
) -> None:
    """Score every input with each scorer alone, in a run folder NAME below the configuration's."""
    the_scorers = cache(load_scorers)

    def judge_of(name: str) -> RewardJudge:
        scorer = the_scorers()[name]
        _count_anew(scorer.scorer.counts)
        return RewardJudge(name, scorer)

    for config in configs:
        progress.note(Path(config.out).name)
        for name, model in config.scorer.items():
            weights = config.weights.get(name)
            alone = ScoreConfig(
                input=config.input,
                out=str(Path(config.out) / name),
                window=config.window,
                fresh=config.fresh,
                empty_responses=config.empty_responses,
                model=model,
                weights=weights,
                batch_tokens=config.batch_tokens,
            )
            read = None if weights is None else read_weights(Path(weights))
            identity = {**alone.identity(), "weights": read}
            source = open_source(alone.input)
            batch.judge_rows(alone, source, identity, partial(judge_of, name), [name], progress)


def _count_anew(counts: Counts) -> None:
    """A run's summary counts that run alone."""
    vars(counts).update(vars(Counts()))

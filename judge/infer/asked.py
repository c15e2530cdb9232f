"""A judge or a reward model over a file of pairs, whichever a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from judge.config import BatchConfig, ScoreConfig, load_batch_config, load_score_config
from judge.infer import batch, score
from judge.infer.protocols import Progress, Unwatched
from judge.runs.summary import Summary

Asked = BatchConfig | ScoreConfig


def check_kind(asked: Asked) -> None:
    """Look whether the model is of the kind that is asked for; its weights stay unread.

    Raises:
        UsageError: when it says of itself that it is not.
    """
    if isinstance(asked, BatchConfig):
        _ = asked.template_name  # which says so of a reward model
        return
    from judge.infer.scorers import files

    files.check_kind(asked.model)


def run(asked: Asked, progress: Progress | None = None) -> Summary:
    """Judge or score the pairs that the run folder lacks; as :func:`judge.infer.batch.run`."""
    from judge.infer.engines.registry import load_engine
    from judge.infer.scorers.load import load_scorer, load_scorers

    note = (progress or Unwatched()).note
    if isinstance(asked, BatchConfig):
        return batch.run(
            asked, lambda: load_engine(asked, note=note), progress, lambda: load_scorers(asked)
        )
    return score.run(
        asked,
        lambda: load_scorer(
            asked.model,
            weights_file=asked.weights,
            form=asked.form,
            engine=asked.engine,
            batch_tokens=asked.batch_tokens,
        ),
        progress,
    )


def judge_file(model: Path, pairs: Path, out: Path, mode: str, max_new_tokens: int = 256) -> None:
    """Judge a file of pairs with a trained model, into a run folder that may be there in part."""
    given = {"input": str(pairs), "out": str(out), "model": str(model), "mode": mode}
    run(load_batch_config(None, given | {"max_new_tokens": max_new_tokens}))


def score_file(model: Path, pairs: Path, out: Path) -> None:
    """Score a file of pairs with a trained reward model, as :func:`judge_file`."""
    given = {"input": str(pairs), "out": str(out), "model": str(model)}
    run(load_score_config(None, given))

"""A replica: a vLLM engine in a process of Ray's, which judges whole windows."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer.engines.registry import load_engine
from judge.infer.pairwise import PairwiseJudge
from judge.prompt import Template


class Replica:
    """Judges windows by the vLLM engine; what ``Dataset.map_batches`` makes an actor of.

    A window is judged by one replica alone, so its judgments are those that the vLLM engine gives
    by itself. What cannot go on is an answer too: raised here it would be a page of Ray's.

    Args:
        folder: where relative paths begin, as for whoever started the run.
    """

    def __init__(self, config: BatchConfig, template: Template, folder: str) -> None:
        self._problem: str | None = None
        if Path(folder).is_dir():
            os.chdir(folder)
        several = (config.tensor_parallel_size or 1) * (config.pipeline_parallel_size or 1) > 1
        # vLLM would ask Ray for GPUs of its own; this process has them already.
        others: dict[str, Any] = {"distributed_executor_backend": "mp"} if several else {}
        try:
            of_vllm = config.model_copy(update={"engine": "vllm"})
            self._engine = load_engine(of_vllm, template=template, **others)
            self._judge = PairwiseJudge(self._engine, config.mode, config.orders)
        except UsageError as error:
            self._problem = str(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to the window of ``batch``, a table of one row."""
        number, pairs = pickle.loads(batch["window"][0])
        return {"answer": [pickle.dumps((number, self._answer(pairs)))]}

    def _answer(self, pairs: Any) -> dict[str, Any]:
        if self._problem is not None:
            return {"problem": self._problem}
        before = self._engine.counts.to_json()
        try:
            results = self._judge.judge(pairs)
        except UsageError as error:
            return {"problem": str(error)}
        counts = self._engine.counts.to_json()
        return {
            "results": results,
            "counts": {name: count - before[name] for name, count in counts.items()},
            "described": self._engine.describe(),
        }

"""The vLLM scorer: a sequence classifier in vLLM's pooling engine, for many pairs on GPUs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.infer.engines.protocol import Counts
from judge.infer.engines.vllm.load import served_folder
from judge.infer.scorers.files import Described
from judge.models.loading import one_line
from judge.pair import Message


class VllmScorer:
    """Runs a sequence classifier by vLLM's ``classify`` task, without activation: raw outputs.

    Prompts are token ids, padding there is none. Prefix caching is off: what an earlier call left
    in the cache would change the last digits of a later one.

    Raises:
        UsageError: for what only the transformers scorer runs (the logit form, adapters), and for a
            model that vLLM does not load.
    """

    name = "vllm"

    def __init__(self, described: Described, tokenizer: Any, identity: dict[str, Any]) -> None:
        if described.form == "logit":
            raise UsageError(
                f"model {described.name}: the logit form runs on the transformers engine only"
            )
        folder = served_folder(described.layers) or described.folder
        if described.is_adapter and folder == described.folder:
            raise UsageError(
                f"adapter {described.name}: merge it into its base for vLLM, or use the"
                " transformers engine"
            )
        import torch

        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read at import
        from vllm import LLM, PoolingParams
        from vllm.config import PoolerConfig

        self.outputs = described.outputs
        self.objective = described.objective
        self.counts = Counts()
        self._identity = identity
        self._builder = ConversationBuilder(tokenizer)
        self._params = PoolingParams(use_activation=False)
        self._dtype = "bfloat16" if torch.cuda.is_available() else "float32"
        with one_line(described.name):
            self._llm = LLM(
                model=folder,
                runner="pooling",
                convert="classify",
                dtype=self._dtype,
                seed=0,
                max_model_len=-1,  # the model's own, or what the memory holds
                enforce_eager=not torch.cuda.is_available(),
                enable_prefix_caching=False,
                pooler_config=PoolerConfig(
                    task="classify", seq_pooling_type="LAST", use_activation=False
                ),
            )
        self.context = min(described.context, int(self._llm.model_config.max_model_len))

    def build(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        return self._builder.build(conversations)

    def score(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        tokens = sum(map(len, rows))
        self.counts.prompt_tokens += tokens
        self.counts.forwarded_tokens += tokens
        answers = self._llm.classify(
            [{"prompt_token_ids": list(row)} for row in rows],
            pooling_params=self._params,
            use_tqdm=False,
        )
        return [[float(value) for value in answer.outputs.probs] for answer in answers]

    def describe(self) -> dict[str, Any]:
        limits = {"dtype": self._dtype, "context": self.context}
        return {"engine": self.name, **self._identity, **limits}

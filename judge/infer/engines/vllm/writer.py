"""Answers by vLLM, in this process, on as many GPUs as the model needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Any

from vllm import LLM, SamplingParams
from vllm.sampling_params import RequestOutputKind

from judge.errors import RowError, UsageError, first_line
from judge.infer.engines.protocol import Counts
from judge.infer.engines.writing import Answer, Drawing, Speech, Waiting


class VllmWriter:
    """Writes answers with a ``vllm.LLM`` of this process.

    Args:
        llm: its engine runs in this process (``VLLM_ENABLE_V1_MULTIPROCESSING=0``).
        tokenizer: its tokenizer, with a chat template.
        identity: what :meth:`describe` says of the model and of vLLM's options.
        drawing: how it writes.
        options: of the chat template.
        lora: the ``LoRARequest`` of an adapter, or None.
    """

    name = "vllm"

    def __init__(
        self,
        llm: LLM,
        tokenizer: Any,
        identity: dict[str, Any],
        drawing: Drawing,
        *,
        options: Mapping[str, Any] = MappingProxyType({}),
        lora: Any = None,
    ) -> None:
        self.llm = llm
        self.identity = identity
        self.drawing = drawing
        self.lora = lora
        self.counts = Counts()
        self.speech = Speech(tokenizer, options, llm.model_config.max_model_len, drawing)
        self._numbers = count(1)
        """Names of requests, each used once in this process."""

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self.identity,
            "context": self.speech.context,
            **self.drawing.describe(),
        }

    def sizes(self, waiting: Sequence[Waiting]) -> list[int | RowError | None]:
        return [p if isinstance(p, RowError) else len(p) for p in self.speech.prompts(waiting)]

    def write(self, waiting: Sequence[Waiting]) -> list[Answer | RowError]:
        """As :meth:`judge.infer.engines.writing.Writer.write`.

        Raises:
            UsageError: when vLLM fails; what it was asked is dropped.
        """
        # What an earlier call left in the cache would change the last digits of this one.
        self.llm.reset_prefix_cache()
        said: dict[int, Answer | RowError] = {}
        requests: dict[str, int] = {}
        try:
            for index, prompt in enumerate(self.speech.prompts(waiting)):
                if isinstance(prompt, RowError):
                    said[index] = prompt
                    continue
                self.counts.prompt_tokens += len(prompt)
                name = f"write-{next(self._numbers)}"
                requests[name] = index
                ids = {"prompt_token_ids": list(prompt)}
                params = self._params(waiting[index].seed)
                self.llm.llm_engine.add_request(name, ids, params, lora_request=self.lora)
            while requests:
                for output in self.llm.llm_engine.step():
                    if output.finished:
                        index = requests.pop(output.request_id)
                        said[index] = self._answer(waiting[index], output)
        except Exception as error:  # vLLM, PyTorch and CUDA have classes of their own
            raise UsageError(f"vLLM failed: {first_line(error)}") from error
        finally:
            if requests:
                self.llm.llm_engine.abort_request(list(requests))
        return [said[index] for index in range(len(waiting))]

    def _params(self, seed: int) -> SamplingParams:
        drawn = self.drawing.temperature > 0
        return SamplingParams(
            temperature=self.drawing.temperature,
            top_p=self.drawing.top_p if drawn else 1.0,
            seed=seed if drawn else None,
            max_tokens=self.drawing.max_new_tokens,
            stop_token_ids=sorted(self.speech.ends),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _answer(self, waiting: Waiting, output: Any) -> Answer | RowError:
        written = output.outputs[0]
        tokens = list(written.token_ids)
        self.counts.completion_tokens += len(tokens)
        cached = output.num_cached_tokens or 0
        self.counts.forwarded_tokens += len(output.prompt_token_ids) + len(tokens) - 1 - cached
        if written.finish_reason not in ("stop", "length"):
            return RowError("engine_error", f"vLLM ended a request: {written.finish_reason}")
        return self.speech.answer(tokens, self.speech.opened(waiting))

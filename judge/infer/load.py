"""From a run's configuration to an engine with its model loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge.errors import UsageError
from judge.grammar import Answer
from judge.infer.engine import Engine
from judge.infer.thought import ADVICE, thinks
from judge.models import answer_of, is_judge, resolve_model
from judge.prompt import Chat

if TYPE_CHECKING:
    from judge.config import JudgeConfig

HASH_LIMIT = 1 << 30
"""Weights up to so many bytes are hashed whole; of larger ones only the headers are."""


def model_digest(folder: Path) -> str:
    """Return a hash (sha256, 16 hex digits) of what a local model computes: config and weights."""
    digest = hashlib.sha256()
    files = sorted(
        file
        for pattern in ("*config.json", "tokenizer*", "*.safetensors", "pytorch_model*.bin")
        for file in folder.glob(pattern)
    )
    total = sum(file.stat().st_size for file in files)
    for file in files:
        digest.update(f"{file.name}:{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            if total <= HASH_LIMIT:
                while block := stream.read(1 << 20):
                    digest.update(block)
            else:
                digest.update(stream.read(1 << 20))
    return digest.hexdigest()[:16]


def load_engine(config: JudgeConfig, note: Callable[[str], None] = lambda text: None) -> Engine:
    """Return the engine that ``config`` asks for, its model loaded.

    Args:
        note: told what a person should know of the engine, now and while it judges.

    Raises:
        UsageError: for an unknown engine, or a model that is missing or damaged, in one line.
    """
    if config.engine == "server":
        from judge.infer.load_server import load_server_engine

        return load_server_engine(config, note)
    if config.engine == "vllm":
        from judge.infer.load_vllm import load_vllm_engine

        return load_vllm_engine(config, note)
    if config.engine == "ray":
        raise UsageError("engine ray has no dry run; engine vllm counts the same tokens")
    folder = resolve_model(config.model)
    answer = checked(answer_of(config.model), config)
    model, tokenizer, identity = _load_transformers(folder, config.dtype)
    from judge.infer.attention import use_grouped_sdpa
    from judge.infer.products import fast_products
    from judge.infer.transformers_engine import TransformersEngine

    use_grouped_sdpa(model)

    return TransformersEngine(
        model,
        tokenizer,
        {"model": config.model, **identity},
        max_new_tokens=config.max_new_tokens,
        batch_tokens=config.batch_tokens or _batch_tokens(config.mode, model.device.type),
        temperature=config.temperature,
        seed=config.seed,
        products=fast_products(model) if config.dtype == "auto" else "exact",
        answer=answer,
        chat=chat_of(config, tokenizer, is_judge(config.model), note),
    )


def chat_of(
    config: JudgeConfig, tokenizer: Any, trained: bool, note: Callable[[str], None]
) -> Chat:
    """Return how the chat template of a model is used.

    Args:
        trained: whether the model was trained to judge: to answer right away.
        note: told where a model may think before it answers.
    """
    told = "enable_thinking" in config.chat_template_kwargs
    if config.mode == "justify" and not trained and not told and thinks(tokenizer):
        note(f"{config.model} may think before it answers: {ADVICE}")
    return Chat(config.chat_template_kwargs, thinks=not trained)


def checked(answer: Answer, config: JudgeConfig) -> Answer:
    """Return ``answer``, what the model of ``config`` was trained to say.

    Raises:
        UsageError: when that is a label alone and a justification is asked for.
    """
    if answer == "label" and config.mode == "justify":
        raise UsageError(
            f"model {config.model} was trained on labels alone and writes no justification:"
            " --mode verdict"
        )
    return answer


def _batch_tokens(mode: str, device: str) -> int:
    """Padding costs a CPU more than a large batch saves, but in writing: there, steps count."""
    return 2048 if mode == "verdict" and device == "cpu" else 8192


def _load_transformers(name: str, dtype: str) -> tuple[Any, Any, dict[str, Any]]:
    """Load model and tokenizer; ``auto`` is bfloat16 on a GPU, float32 on the CPU."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # the screen shows the run's own
    gpu = torch.cuda.is_available()
    if dtype == "auto":
        dtype = "bfloat16" if gpu else "float32"
    local = Path(name).is_dir()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
        model = AutoModelForCausalLM.from_pretrained(
            name,
            local_files_only=local,
            dtype=getattr(torch, dtype),
            device_map="auto" if gpu else None,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"model {name} cannot be loaded: {first}") from None
    digest = model_digest(Path(name)) if local else getattr(model.config, "_commit_hash", None)
    return model.eval(), tokenizer, {"model_digest": digest}

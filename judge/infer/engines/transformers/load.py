"""From a run's configuration to a transformers engine with its model loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from judge.infer.capacity import batch_tokens, cache_tokens
from judge.infer.engines.asking import chat_of, checked, sampling_of
from judge.infer.engines.weights import digests, load_weights
from judge.infer.tokenizers import tokenizer_of
from judge.models import answer_of, is_judge
from judge.models.layers import layers_of
from judge.prompt import Template

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.infer.engines.transformers.engine import TransformersEngine


def load_transformers_engine(
    config: JudgeConfig, template: Template, note: Callable[[str], None]
) -> TransformersEngine:
    """Return an engine that runs the model of ``config`` in this process.

    Args:
        note: told what a person should know of the model.

    Raises:
        UsageError: for a model that is missing or damaged, in one line.
    """
    layers = layers_of(config.model)
    answer = checked(answer_of(config.model), config)
    tokenizer = tokenizer_of(layers)
    model, turn = load_weights(layers, config.dtype)
    from judge.infer.engines.transformers.attention import use_grouped_sdpa
    from judge.infer.engines.transformers.engine import TransformersEngine
    from judge.infer.engines.transformers.matmul_precision import fast_products

    use_grouped_sdpa(model)

    return TransformersEngine(
        model,
        tokenizer,
        {"model": config.model, **digests(layers, model.config)},
        template,
        sampling_of(config),
        turn=turn,
        batch_tokens=config.batch_tokens or batch_tokens(model, config.mode == "verdict"),
        cache_tokens=None if config.batch_tokens else cache_tokens(model),
        products=fast_products(model) if config.dtype == "auto" else "exact",
        answer=answer,
        chat=chat_of(config, tokenizer, is_judge(config.model), note),
    )

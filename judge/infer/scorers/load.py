"""From a reward model's name to a scorer with its weights loaded and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from judge.conversation import template_digest
from judge.infer.capacity import BATCH_TOKENS, cache_tokens
from judge.infer.engines.weights import digests, sharing
from judge.infer.scorers.files import Described, describe, output_weights
from judge.infer.scorers.pairs import PairScorer
from judge.models.loading import load_causal

if TYPE_CHECKING:
    import torch

    from judge.config import JudgeConfig
    from judge.infer.scorers.transformers import TransformersScorer
    from judge.infer.shared_base import BaseTurn


def load_scorers(
    config: JudgeConfig, engine: Literal["auto", "transformers", "vllm"] = "auto"
) -> dict[str, PairScorer]:
    """Return the scorers of a judging run by name, loaded; see :func:`load_scorer`."""
    return {
        name: load_scorer(
            model,
            weights_file=config.weights.get(name),
            engine=engine,
            batch_tokens=config.batch_tokens,
        )
        for name, model in config.scorer.items()
    }


def load_scorer(
    name: str,
    *,
    weights_file: str | None = None,
    form: Literal["auto", "head", "logit"] = "auto",
    engine: Literal["auto", "transformers", "vllm"] = "auto",
    batch_tokens: int | None = None,
) -> PairScorer:
    """Return the reward model called ``name``, loaded.

    Args:
        name: a bundled model, a folder (of a whole model or an adapter) or a hub id.
        weights_file: JSON of the outputs' weights; needed for several outputs none of which is
            helpfulness.
        form: where the reward is; ``auto`` asks the model's files.
        batch_tokens: the most tokens that go through the model at once, None: what suits the
            machine; vLLM has its own way.

    Raises:
        UsageError: in one line, when there is no such model, it is not a reward model, its head
            does not fit, it has no chat template, or the weights do not fit its outputs.
    """
    described, tokenizer = describe(name, form)
    weights = output_weights(described, weights_file)
    identity = {
        "model": name,
        **digests(described.layers, described.config),
        "chat_template": template_digest(tokenizer),
    }
    if engine == "vllm":
        from judge.infer.scorers.vllm import VllmScorer

        return PairScorer(VllmScorer(described, tokenizer, identity), weights)
    return PairScorer(_transformers(described, tokenizer, identity, batch_tokens), weights)


def _transformers(
    described: Described, tokenizer: Any, identity: dict[str, Any], most: int | None
) -> TransformersScorer:
    """Load the weights: bfloat16 on a GPU, float32 on the CPU."""
    import torch

    from judge.infer.scorers.transformers import TransformersScorer

    kind = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    shared = _over_shared_base(described, kind)
    model, turn = shared or (_own_weights(described, kind), None)
    return TransformersScorer(
        model.eval(),
        tokenizer,
        identity,
        turn=turn,
        outputs=described.outputs,
        objective=described.objective,
        context=described.context,
        form=described.form,
        batch_tokens=most or min(BATCH_TOKENS, cache_tokens(model) or BATCH_TOKENS),
    )


def _own_weights(described: Described, dtype: torch.dtype) -> Any:
    """Load a model of its own, adapters merged into it."""
    import torch

    from judge.models.merging import load_merged_classifier

    options = {"dtype": dtype, "device_map": "auto" if torch.cuda.is_available() else None}
    if described.form == "logit":
        source = described.layers.base
        return load_causal(source, described.name, config=described.config, **options)
    return load_merged_classifier(described.layers, described.config, **options)


def _over_shared_base(described: Described, dtype: torch.dtype) -> tuple[Any, BaseTurn] | None:
    """Return a classifier around a base that others use too, and its turn in the weights.

    None where it is no adapter that brings a head for a decoder, or its base cannot be shared.
    """
    from judge.infer.shared_base import classifier_around
    from judge.models.adapters import head_of

    head = head_of(described.layers.adapters[-1]) if described.is_adapter else None
    if head is None or described.form != "head":
        return None
    shared = sharing(described.layers, dtype)
    if shared is None:
        return None
    base, turn = shared
    model = classifier_around(base.model, described.config, head)
    return None if model is None else (model, turn)

"""From a reward model's name to a scorer with its weights loaded and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from judge.conversation import template_digest
from judge.errors import UsageError
from judge.infer.load import model_digest
from judge.infer.pair_scorer import PairScorer
from judge.infer.scorer_files import HEAD_KEY, Described, describe, one_line, output_weights

BATCH_TOKENS = 8192
"""What a scorer takes at once where a run says nothing."""

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.infer.transformers_scorer import TransformersScorer


def load_scorers(config: JudgeConfig) -> dict[str, PairScorer]:
    """Return the scorers of a judging run by name, loaded; see :func:`load_scorer`."""
    return {
        name: load_scorer(
            model,
            weights_file=config.weights.get(name),
            batch_tokens=config.batch_tokens or BATCH_TOKENS,
        )
        for name, model in config.scorer.items()
    }


def load_scorer(
    name: str,
    *,
    weights_file: str | None = None,
    form: Literal["auto", "head", "logit"] = "auto",
    engine: Literal["auto", "transformers", "vllm"] = "auto",
    batch_tokens: int = BATCH_TOKENS,
) -> PairScorer:
    """Return the reward model called ``name``, loaded.

    Args:
        name: a bundled model, a folder (of a whole model or an adapter) or a hub id.
        weights_file: JSON of the outputs' weights; needed for several outputs none of which is
            helpfulness.
        form: where the reward is; ``auto`` asks the model's files.
        batch_tokens: the most tokens that go through the model at once; vLLM has its own way.

    Raises:
        UsageError: in one line, when there is no such model, it is no reward model, its head does
            not fit, it has no chat template, or the weights do not fit its outputs.
    """
    described, tokenizer = describe(name, form)
    weights = output_weights(described, weights_file)
    identity = {
        "model": name,
        "model_digest": _digest(described.folder, described.config),
        "chat_template": template_digest(tokenizer),
    }
    if described.is_adapter:
        identity["base_digest"] = _digest(described.base, described.config)
    if engine == "vllm":
        from judge.infer.vllm_scorer import VllmScorer

        return PairScorer(VllmScorer(described, tokenizer, identity), weights)
    return PairScorer(_transformers(described, tokenizer, identity, batch_tokens), weights)


def _transformers(
    described: Described, tokenizer: Any, identity: dict[str, Any], batch_tokens: int
) -> TransformersScorer:
    """Load the weights: bfloat16 on a GPU, float32 on the CPU."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    from judge.infer.transformers_scorer import TransformersScorer

    gpu = torch.cuda.is_available()
    logit = described.form == "logit"
    auto: Any = AutoModelForCausalLM if logit else AutoModelForSequenceClassification
    with one_line(described.name):
        model, report = auto.from_pretrained(
            described.base,
            config=described.config,
            local_files_only=Path(described.base).is_dir(),
            dtype=torch.bfloat16 if gpu else torch.float32,
            device_map="auto" if gpu else None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported, and refused below in one line
        )
    _check_nothing_is_random(described, report)
    if described.is_adapter:
        from peft import PeftModel

        with one_line(described.name):
            model = PeftModel.from_pretrained(model, described.folder).merge_and_unload()
    return TransformersScorer(
        model.eval(),
        tokenizer,
        identity,
        outputs=described.outputs,
        objective=described.objective,
        context=described.context,
        form=described.form,
        batch_tokens=batch_tokens,
    )


def _check_nothing_is_random(described: Described, report: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that leaves weights to chance: random rewards look like real ones."""
    brought = HEAD_KEY if described.is_adapter else re.compile(r"(?!)")
    missing = sorted(key for key in report["missing_keys"] if not brought.search(key))
    unfit = sorted(found for found in report["mismatched_keys"] if not brought.search(found[0]))
    if missing:
        more = f" and {len(missing) - 1} more weights" if missing[1:] else ""
        raise UsageError(
            f"model {described.name} lacks {missing[0]}{more}: no reward model, or a damaged one"
        )
    if unfit:
        key, there, expected = unfit[0]
        raise UsageError(
            f"model {described.name}: {key} is {tuple(there)}, its configuration says"
            f" {tuple(expected)}: the head does not fit"
        )


def _digest(folder: str, config: Any) -> str | None:
    local = Path(folder).is_dir()
    return model_digest(Path(folder)) if local else getattr(config, "_commit_hash", None)

"""The policy and its reference while nothing is learnt: log-probabilities, and drawing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from judge.train.align.log_probs import add_scores
from judge.train.batches.packing import PACKED
from judge.train.config import TrainerConfig
from judge.train.finetune import choose_packing
from judge.train.sft.training import load_model


def load_reference(
    config: TrainerConfig, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel | None:
    """Return what a policy started from, frozen; None where that is the policy without its adapter.

    Raises:
        UsageError: when the model cannot be loaded.
    """
    if config.lora is not None:
        return None
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # random weights are drawn as the policy's were
        model = load_model(config, tokenizer)
    choose_packing(config, model)
    add_scores(model)
    return model.eval().requires_grad_(False)


class Reference:
    """What a policy is held to: its weights without the adapter, or another model.

    Args:
        model: of :func:`load_reference`.
        trainer: a Trainer, whose model is the policy.
    """

    def __init__(self, model: PreTrainedModel | None, trainer: Any) -> None:
        self._trainer = trainer
        self._model: Any = model
        if model is not None and trainer.is_deepspeed_enabled:
            from trl.models.utils import prepare_deepspeed

            self._model = prepare_deepspeed(model, trainer.accelerator)
        elif model is not None:
            self._model = model.to(trainer.args.device)

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """Yield the model that tells the reference's log-probabilities."""
        if self._model is not None:
            yield self._model
            return
        policy = self._trainer.accelerator.unwrap_model(self._trainer.model)
        with policy.disable_adapter():
            yield self._trainer.model_wrapped


@contextmanager
def still(trainer: Any) -> Iterator[None]:
    """Let the policy be asked, not trained: no gradient, no dropout, the training's precision."""
    training = trainer.model.training
    trainer.model_wrapped.eval()
    try:
        with torch.no_grad(), trainer.compute_loss_context_manager():
            yield
    finally:
        trainer.model_wrapped.train(training)


@contextmanager
def writing(trainer: Any, gather: bool) -> Iterator[Any]:
    """Yield the policy as a model that texts can be written with, one token after another.

    Args:
        gather: the whole weights in every process, where ZeRO-3 has them in parts.
    """
    if trainer.is_deepspeed_enabled and gather:
        from trl.models.utils import unwrap_model_for_generation

        whole: Any = unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator)
    else:
        whole = nullcontext(trainer.accelerator.unwrap_model(trainer.model))
    with still(trainer), whole as policy:
        before = policy.config._attn_implementation
        if before == PACKED:  # which knows no past
            policy.set_attn_implementation("sdpa")
        try:
            yield policy
        finally:
            if policy.config._attn_implementation != before:
                policy.set_attn_implementation(before)

"""What the recipes of each command take and train, as far as a plan depends on it."""

from __future__ import annotations

from typing import Literal

from judge.train.align.config import DPOConfig, PolicySFTConfig
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import JustifierConfig, RewardConfig, TrainerConfig

Kind = Literal["justifier", "preference", "regression", "prompts"]


def data_kind(config: TrainerConfig) -> Kind:
    """Return the kind of set of `judge data prepare` that a recipe trains on."""
    if isinstance(config, JustifierConfig):
        return "justifier"
    if isinstance(config, RLOOConfig):
        return "prompts"
    rated = isinstance(config, RewardConfig) and config.objective == "regression"
    rated = rated or (isinstance(config, PolicySFTConfig) and config.attributes is not None)
    return "regression" if rated else "preference"


def responses_taken(config: TrainerConfig) -> tuple[str, ...]:
    """Return which fields of a row hold a response that is a sequence of its own."""
    kind = data_kind(config)
    if kind == "preference":
        return ("chosen",) if isinstance(config, PolicySFTConfig) else ("chosen", "rejected")
    return ("response",) if kind in ("regression", "prompts") else ("completion",)


def outputs_of(config: TrainerConfig) -> int | None:
    """Return the outputs of a reward model's head; None for a language model."""
    return len(config.outputs) if isinstance(config, RewardConfig) else None


def layers_kept(config: TrainerConfig, layers: int) -> int:
    """Return how many of a model's layers are trained: a reward model may have fewer."""
    cut = config.layers if isinstance(config, RewardConfig) else None
    return layers if cut is None else min(cut, layers)


def has_reference(config: TrainerConfig) -> bool:
    """Say whether the start's log-probabilities are computed before the first step."""
    return isinstance(config, DPOConfig)


def in_tiles(config: TrainerConfig) -> bool:
    """Say whether the logits of a whole batch are never made: TRL's output layer in tiles."""
    if isinstance(config, JustifierConfig):
        return config.statement_weight == 1.0 and config.order_consistency == 0.0
    return isinstance(config, (DPOConfig, PolicySFTConfig, RLOOConfig))

"""The recipes of ``judge align rloo``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.train.config import TrainerConfig


class RewardSection(BaseModel):
    """What scores the responses that a policy draws."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "small-bt"
    """A reward model: a bundled one's name, a folder, a hub id; with ``url``, what the server calls
    it."""
    weights: str | None = None
    """For a model with several outputs: JSON file of their weights (``judge train weights``), a
    negative one of verbosity among them where length should cost. None: helpfulness alone."""
    url: str | None = None
    """Ask a server (``judge serve`` with this reward model) instead of loading the model here."""
    patience: float = Field(default=600.0, gt=0)
    """Seconds that a server which went away is waited for; then the run stops, to be resumed."""


class RolloutSection(BaseModel):
    """How a policy draws responses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["transformers", "vllm"] = "transformers"
    """``transformers``: the weights that are trained, in the trainer's process; ``vllm``: a copy of
    them, handed over before each rollout."""
    mode: Literal["colocate", "server"] = "colocate"
    """Of ``vllm``: on the trainer's GPUs, in turn with it, or on GPUs of its own."""
    url: str | None = None
    """Of ``vllm`` as a server: where it is."""
    tensor_parallel: int = Field(default=1, ge=1)
    """Of ``vllm`` in the trainer's process: GPUs that hold one copy together."""
    memory_share: float = Field(default=0.3, gt=0, lt=1)
    """Of ``vllm`` in the trainer's process: share of a GPU's memory for it."""
    max_new_tokens: int = Field(default=2048, ge=1)
    """Most tokens of a response; one that is cut there counts as truncated."""
    temperature: float = Field(default=1.0, gt=0)
    """Logits are divided by it; the estimator is exact at 1 alone."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Of ``transformers``: most tokens of prompts, padding included, that are answered at once."""

    @property
    def is_server(self) -> bool:
        """Whether responses are drawn on GPUs of their own."""
        return self.engine == "vllm" and self.mode == "server"


class RLOOConfig(TrainerConfig):
    """A recipe of ``judge align rloo``: REINFORCE with a leave-one-out baseline.

    Defaults are the paper's (arXiv 2410.01257, appendix E) and, where it is silent, those of the
    trainer it used (NeMo-Aligner). ``data`` is of kind ``prompts``. The paper searched
    ``learning_rate`` in 1e-7, 3e-7, 5e-7, 1e-6 and ``beta`` in 0.01, 0.1; what it chose is not in
    the sources this was made from, so a recipe has to say both.
    """

    reward: RewardSection = RewardSection()
    """What scores the responses."""
    rollout: RolloutSection = RolloutSection()
    """How responses are drawn."""
    samples: int = Field(default=4, ge=2)
    """Responses to each prompt; the baseline of one is the mean of the others."""
    prompts_per_rollout: int = Field(default=64, ge=1)
    """Prompts that are answered by the same weights."""
    global_batch_size: int = 64
    """Responses an optimizer step. A rollout has ``prompts_per_rollout`` times ``samples``; where
    that is more, its later steps are taken on weights that did not draw the responses."""
    learning_rate: float
    """Peak learning rate."""
    weight_decay: float = 0.1
    """AdamW's weight decay."""
    save_steps: int = 20
    """A checkpoint every N optimizer steps; whole rollouts."""
    eval_steps: int = 20
    """Held-out prompts are answered and scored every N optimizer steps; whole rollouts."""

    beta: float = Field(ge=0)
    """What the KL divergence from the reference costs; 0: nothing. What it means depends on
    ``kl``."""
    kl: Literal["mean_absolute", "sum"] = "mean_absolute"
    """How a response's divergence is counted. ``mean_absolute``: mean over its tokens of
    \\|log pi - log ref\\|, as the paper's trainer did; ``sum``: log pi(y) - log ref(y) of the whole
    response, as TRL does. Of a response of 500 tokens the second is up to 500 times the first, so
    the same ``beta`` holds a policy that much tighter."""
    response_loss: Literal["mean", "sum"] = "mean"
    """Whether a response's gradient is that of its tokens' mean log-probability, as in the paper's
    trainer, or of their sum, which is the policy gradient itself and TRL's."""
    leave_out_truncated: bool = True
    """Leave truncated responses out of baseline and gradient, as the paper's trainer did; False
    rewards them like any other."""
    length_penalty: float = Field(default=0.0, ge=0)
    """Subtracted from the reward for each token of a response."""
    max_kl: float | None = Field(default=None, gt=0)
    """Stop when a rollout's mean divergence (as ``kl`` counts it) is above it."""
    max_unscored: float = Field(default=0.25, ge=0, le=1)
    """Stop when more than this share of a rollout's responses got no reward."""
    equal_rollouts: int = Field(default=5, ge=1)
    """Warn when in so many rollouts running all responses to each prompt had equal rewards: there
    was nothing to learn from."""
    held_out: int = Field(default=96, ge=0)
    """Validation prompts that are answered, each by the same draw, at every evaluation."""

    @property
    def rollout_size(self) -> int:
        """Responses of a rollout."""
        return self.prompts_per_rollout * self.samples

    @property
    def updates(self) -> int:
        """Optimizer steps of a rollout."""
        return self.rollout_size // self.global_batch_size

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> Self:
        if self.rollout_size % self.global_batch_size:
            fits = [n for n in range(1, self.rollout_size + 1) if self.rollout_size % n == 0]
            raise ValueError(
                f"a rollout of {self.prompts_per_rollout} prompts x {self.samples} samples ="
                f" {self.rollout_size} responses is no multiple of global_batch_size"
                f" {self.global_batch_size}; fitting: {', '.join(map(str, fits))}"
            )
        for name in ("save_steps", "eval_steps"):
            if getattr(self, name) % self.updates:
                raise ValueError(
                    f"{name} {getattr(self, name)} is no multiple of the {self.updates} optimizer"
                    " steps of a rollout"
                )
        return self

    @model_validator(mode="after")
    def _the_best_is_measured(self) -> Self:
        if self.keep_best and not self.held_out:
            raise ValueError("keep_best chooses by the reward of held-out prompts: held_out is 0")
        return self

    @model_validator(mode="after")
    def _servers_have_addresses(self) -> Self:
        if self.rollout.mode == "server" and self.rollout.url is None:
            raise ValueError("rollout.mode server needs rollout.url")
        return self

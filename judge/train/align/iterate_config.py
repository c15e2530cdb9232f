"""The recipes of ``judge align iterate``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.train.align.config import DPOConfig
from judge.train.align.rloo_config import RewardSection

_OWN = ("rounds", "samples", "prompts_per_round", "held_out", "reward", "answers", "launch")


class AnswerSection(BaseModel):
    """How a policy answers the prompts of a round: as ``judge respond`` does, by its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    """What runs the policy; ``auto`` is transformers."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the draws; at 0 all answers to a prompt would be one."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draw only from the likeliest tokens that together have this much probability."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Most tokens of an answer; one that is cut there makes no pair."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Of transformers: most prompt tokens that go through the model at once."""
    tensor_parallel_size: int | None = Field(default=None, ge=1)
    """Of vLLM: GPUs that hold one copy of the policy together."""
    max_model_len: int | None = Field(default=None, ge=1)
    """Of vLLM: most tokens of prompt and answer."""
    command: tuple[str, ...] | None = None
    """Words of a command that answers in a process of its own, as ``[.venv-vllm/bin/judge]``
    (followed by ``respond --config FILE``): where vLLM is in an environment of its own, or the GPUs
    shall be free afterwards. None: in this process."""


class IterateConfig(DPOConfig):
    """A recipe of ``judge align iterate``: answers of the policy itself, scored, become the pairs
    of the next round of DPO.

    ``data`` is of kind ``prompts``; what else a training says is that of every round's DPO. The
    loss is the regular one: a difference of rewards is no strength of 1 to 3.
    """

    loss: Literal["regular"] = "regular"
    """Of the pairs, which have no strength."""
    rounds: int = Field(default=3, ge=1)
    """How often is answered, scored and trained. More of them go on where fewer ended."""
    samples: int = Field(default=4, ge=2)
    """Answers to each prompt; the best and the worst become a pair."""
    prompts_per_round: int | None = Field(default=None, ge=1)
    """Prompts of a round: each takes the next ones, from the beginning again after the last. None:
    every round takes all."""
    held_out: int = Field(default=96, ge=1)
    """Validation prompts, answered by the same draws in every round; their pairs validate."""
    reward: RewardSection = RewardSection()
    """What scores the answers."""
    answers: AnswerSection = AnswerSection()
    """How the policy answers."""
    launch: tuple[str, ...] | None = None
    """Words of a command that trains in processes of its own, as ``[torchrun, --standalone,
    --nproc_per_node, "8", --no-python, judge]`` (followed by ``align dpo --config FILE``); a
    ``$NAME`` is taken from the environment. None: in this process."""

    @model_validator(mode="after")
    def _a_policy_that_answers(self) -> Self:
        if self.random_init is not None:
            raise ValueError("random_init: a policy that answers needs a model's own weights")
        if self.lora is not None and self.lora.start:
            raise ValueError("lora.start: the policy that answers is `model`; name one with it in")
        return self

    def round_config(self, round: int, model: str, data: str, output: str) -> DPOConfig:
        """Return the recipe of a round's training.

        Args:
            round: from 1; its examples come in an order of their own.
            model: the policy that answered, a name or a folder.
            data: the folder of its pairs.
            output: where the next policy is written.
        """
        given = self.model_dump(exclude={*_OWN})
        own = {"model": model, "data": data, "output_dir": output, "seed": self.seed + round - 1}
        if round > 1:
            own["revision"] = None  # of the hub's model alone
        return DPOConfig.model_validate({**given, **own})

    def identity(self) -> dict[str, object]:
        """Return the fields that determine a round's result."""
        left = {"rounds": True, "output_dir": True, "hardware": True, "launch": True}
        return self.model_dump(mode="json", exclude={**left, "answers": {"command"}})

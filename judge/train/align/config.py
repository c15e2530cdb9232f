"""The recipes of ``judge align``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.annotated import Attribute
from judge.reward import Objective
from judge.train.config import TrainerConfig

PreferenceLoss = Literal["regular", "margin", "scaled"]
BRADLEY_TERRY: dict[PreferenceLoss, Objective] = {
    "regular": "bt",
    "margin": "margin_bt",
    "scaled": "scaled_bt",
}
"""The loss of reward models that each becomes (HelpSteer2-Preference, arXiv 2410.01257, 5.2)."""


class DPOConfig(TrainerConfig):
    """A recipe of ``judge align dpo``. Defaults are the paper's (arXiv 2410.01257, appendix E).

    ``data`` is of kind ``preference``. The paper searched ``learning_rate`` in 1e-7, 2e-7, 3e-7 and
    ``beta`` in 0.01, 0.001; what it chose is not in the sources this was made from, so a recipe has
    to say both.
    """

    loss: PreferenceLoss
    """``regular``: -log s(D); ``margin``: -log s(D - m); ``scaled``: -m log s(D). D is ``beta``
    times the difference of the log-ratios of chosen and rejected response, m the strength."""
    beta: float = Field(gt=0)
    """What a log-ratio to the reference is multiplied with; the smaller, the further it may go."""
    learning_rate: float
    """Peak learning rate."""
    epochs: float = 2.0
    """Passes over the pairs; 1 and 3 were worse."""
    global_batch_size: int = 64
    """Pairs an optimizer step."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""


class PolicySFTConfig(TrainerConfig):
    """A recipe of ``judge align sft``: a policy from what it should write.

    ``data`` is a folder of ``judge data prepare --kind preference``, whose chosen responses are
    learnt, or a file of JSON lines with ``messages`` (a conversation that ends with the assistant's
    response). With ``attributes`` it is of kind ``regression``, or the lines have ratings.
    """

    val_share: float = Field(default=0.05, ge=0, lt=1)
    """Of a file: the share of its conversations that is held out, by their prompts."""
    attributes: tuple[Attribute, ...] | None = None
    """SteerLM: the ratings, 0 to 4, that each response is told to have before it is written;
    ``judge respond --attributes`` then chooses them. A row without one of them is left out."""

    @model_validator(mode="after")
    def _attributes_are_named_once(self) -> Self:
        named = self.attributes
        if named is not None and (not named or len(set(named)) != len(named)):
            raise ValueError("attributes must name each attribute once, and at least one")
        return self

"""The training recipes' configuration: every field, its default and what it means."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from judge.annotated import ATTRIBUTES, Attribute
from judge.errors import UsageError
from judge.reward import Objective
from judge.train.recipe_files import read_recipe
from judge.train.sections import (
    HardwareSection,
    LoraSection,
    QuantizationSection,
    check_deepspeed,
)


class PretrainConfig(BaseModel):
    """A recipe of ``judge train pretrain``: tokenizer and base model of the mini models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_dir: str
    """Folder of ``*.jsonl.gz`` files with a ``text`` field."""
    pairs: str
    """A HelpSteer2-Preference file; only its ``train`` split is read."""
    output_dir: str
    """Where tokenizer, weights and log are written."""
    vocab_size: int = 8192
    """Tokenizer entries, special tokens included."""
    tokenizer_documents: int = 6000
    """Running-text documents, drawn by the seed, that train the tokenizer beside all pair text."""
    pair_text_repeats: int = 2
    """How often the pairs' own text stands in the corpus."""
    architecture: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_theta": 100000.0,
    }
    """Fields of transformers' LlamaConfig."""
    block: int = 512
    """Tokens a sequence for most of the training."""
    long_block: int = 4096
    """Tokens a sequence at the end of the training, and the context of the model."""
    long_share: float = 0.08
    """Share of the steps that use ``long_block``."""
    tokens_per_step: int = 8192
    """Batch size in tokens; a multiple of both blocks."""
    epochs: float = 0.7
    """Passes over the corpus."""
    learning_rate: float = 2e-3
    """Peak of the cosine schedule, which ends at a tenth of it."""
    warmup_steps: int = 50
    """Linear warm-up."""
    save_steps: int = 200
    """A checkpoint with optimizer state, every N steps."""
    bf16: bool = True
    """Mixed precision in bfloat16; a CPU without AVX-512 is several times faster without."""
    seed: int = 17
    """Seed of the draws, the initial weights and the order of documents."""


class TrainerConfig(BaseModel):
    """What every recipe that fine-tunes a model may say. Defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """The model to start from: a local folder, a hub id, or a bundled or fetched model's name
    (``small-base``, ``small``). An adapter is merged into what it stands on first."""
    revision: str | None = None
    """Revision of a hub model."""
    data: str
    """A folder written by ``judge data prepare``."""
    output_dir: str
    """Where checkpoints, the trained model and its manifest are written."""
    max_length: int = 4096
    """Longest example in tokens; longer ones are dropped and counted (a judge's: ``too_long``)."""
    train_limit: int | None = None
    """Only the first N training examples."""
    eval_limit: int | None = None
    """Only the first N validation examples."""

    epochs: float = 1.0
    """Passes over the training examples."""
    max_steps: int = -1
    """Optimizer steps; above 0 it overrides ``epochs``."""
    global_batch_size: int = 128
    """Examples an optimizer step over all devices; gradient accumulation is computed from it."""
    per_device_batch_size: int = 1
    """Examples a device takes through the model at once."""
    learning_rate: float = 1e-6
    """Peak learning rate; the paper searched 1e-6, 2e-6 and 3e-6."""
    lr_scheduler: Literal["constant_with_warmup", "cosine", "linear"] = "constant_with_warmup"
    """Shape of the learning rate after the warm-up."""
    warmup_steps: int = 10
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    bf16: bool = True
    """Mixed precision in bfloat16."""
    base_dtype: Literal["bfloat16"] | None = None
    """Keep the frozen weights under a LoRA adapter in bfloat16, to which the products of ``bf16``
    round them anyway; None keeps them in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations instead of keeping them."""
    attn_implementation: str | None = None
    """``flash_attention_2``, ``sdpa``, ``eager``; ``auto``: FlashAttention where a GPU and its
    package are there and ``bf16`` is on, else ``sdpa``; None takes transformers' choice."""
    attention_dropout: float | None = None
    """Dropout on attention weights; None keeps the model's."""
    packing: Literal["auto"] | bool = "auto"
    """Sequences of a batch one after another without padding: ``auto`` where the model's attention
    allows it (``judge.train.batches.packing``); otherwise batches of similar length are padded."""
    liger: bool = False
    """Liger's kernels for norms, rotary positions and gated MLPs: needs a GPU and liger-kernel. The
    loss needs none: it never holds the logits of more than a tile of tokens and vocabulary."""

    save_steps: int = 10
    """A checkpoint, with optimizer state, every N steps."""
    save_total_limit: int | None = None
    """Keep only the newest N checkpoints (and the best)."""
    eval_steps: int = 10
    """Validation loss every N steps; a multiple or divisor of ``save_steps``."""
    keep_best: bool = False
    """Write the checkpoint of the lowest validation loss rather than the last."""
    logging_steps: int = 1
    """TensorBoard and log lines every N steps."""
    report_to: tuple[str, ...] = ("tensorboard",)
    """Services that get the curves, by transformers' names (``wandb``, ``mlflow``, ...)."""
    peak_tflops: float | None = Field(default=None, gt=0)
    """What a device can do at most, in 10^12 operations a second, for the utilisation (MFU); None
    takes the data sheet's bfloat16 rate of the GPUs in ``judge/train/compute/flops.py``."""
    seed: int = 17
    """Seed of the order of examples and of new weights."""
    random_init: dict[str, Any] | None = None
    """For smoke tests: LlamaConfig fields of a random model that replaces ``model``'s weights."""
    lora: LoraSection | None = None
    """Train a LoRA adapter; None trains every weight."""
    hardware: HardwareSection | None = None
    """What the recipe was made for; it changes nothing in the training."""
    quantization: QuantizationSection | None = None
    """Load the base model in 4 bits; needs ``lora``, and no ``deepspeed``."""
    deepspeed: dict[str, Any] | None = None
    """DeepSpeed's configuration; ``auto`` values are filled by transformers."""

    @model_validator(mode="after")
    def _batches_are_whole(self) -> Self:
        if self.global_batch_size % self.per_device_batch_size:
            raise ValueError("global_batch_size must be a multiple of per_device_batch_size")
        return self

    @model_validator(mode="after")
    def _quantised_weights_stay_frozen(self) -> Self:
        if self.quantization is not None and self.lora is None:
            raise ValueError("quantization needs a lora section: 4-bit weights are never trained")
        if self.quantization is not None and self.deepspeed is not None:
            raise ValueError("quantization runs without deepspeed; write `deepspeed: null`")
        if self.quantization is not None and self.random_init is not None:
            raise ValueError("quantization needs a model's own weights; random_init has none")
        return self

    @model_validator(mode="after")
    def _adapters_start_whole(self) -> Self:
        if self.lora is not None and self.lora.start and self.deepspeed is not None:
            raise ValueError("lora.start runs without deepspeed, which would split the adapter")
        return self

    @model_validator(mode="after")
    def _only_frozen_weights_are_rounded(self) -> Self:
        rounded = self.base_dtype is not None
        if rounded and (self.lora is None or not self.bf16):
            raise ValueError("base_dtype sets the type of frozen weights: it needs lora and bf16")
        if rounded and (self.quantization is not None or self.deepspeed is not None):
            raise ValueError("base_dtype: quantization and deepspeed store weights their own way")
        return self

    @model_validator(mode="after")
    def _bfloat16_states_are_whole(self) -> Self:
        check_deepspeed(self.deepspeed or {})
        return self

    def accumulation(self, world_size: int) -> int:
        """Return the gradient accumulation steps that make ``global_batch_size``.

        Raises:
            UsageError: when the global batch cannot be made of whole micro-batches.
        """
        micro = self.per_device_batch_size * world_size
        if self.global_batch_size % micro:
            whole = self.global_batch_size // self.per_device_batch_size
            fitting = [n for n in range(1, whole + 1) if whole % n == 0]
            raise UsageError(
                f"global_batch_size {self.global_batch_size} is not a multiple of {micro} "
                f"({self.per_device_batch_size} x {world_size} processes); use one of "
                f"{', '.join(map(str, fitting))} processes, or another global_batch_size"
            )
        return self.global_batch_size // micro


class JustifierConfig(TrainerConfig):
    """A recipe of ``judge train justifier``. Defaults are the paper's (arXiv 2410.01257)."""

    template: str = "pairwise_justifier.v1"
    """The prompt template; must be the one ``data`` was prepared with."""
    styles: dict[str, float] | None = None
    """Completion styles to train on, each with the share (0 to 1) of its examples that is taken;
    None takes all that ``data`` holds."""
    train_pairs: int | None = Field(default=None, ge=1)
    """Only the training examples of the first N pairs: sets that were prepared with one seed
    hold their pairs in the same order."""
    too_long: Literal["drop", "cut_prompt"] = "drop"
    """What becomes of an example longer than ``max_length``: it is dropped with its flipped copy,
    or its prompt is cut in the middle (``judge.train.batches.cutting``). Either is counted; a
    completion is never cut."""
    group_by_length: bool = True
    """Padded: batches of similar length; packed: the rows of a step hold about as many tokens.
    An example and its flipped copy always share a batch where its size is even."""
    statement_weight: float = 1.0
    """Weight in the loss of the tokens where statements differ; 1 is plain SFT."""
    opening_weight: float = 1.0
    """Weight in the loss of the number in an elaboration that opens with the name of the better
    response ("@Response 1 names ..."): there the judge decides, and there ``order_consistency``
    is then measured. 1 is plain SFT."""
    order_consistency: float = 0.0
    """Weight of the penalty (z_given + z_flipped)^2 on the log-odds of an example and its flipped
    copy: 0 is plain SFT; needs flipped copies."""

    @model_validator(mode="after")
    def _twins_fit(self) -> Self:
        if self.order_consistency and self.per_device_batch_size % 2:
            raise ValueError("order_consistency needs an even per_device_batch_size")
        return self


class RewardConfig(TrainerConfig):
    """A recipe of ``judge train reward``. Defaults are the paper's (arXiv 2410.01257).

    ``model`` may be a causal language model (a new head is drawn by ``seed``), or a sequence
    classifier, as ``judge train reward`` writes them: its head is taken over.
    """

    objective: Objective
    """``regression`` (masked squared error) or a Bradley-Terry loss."""
    attributes: tuple[Attribute, ...] = ATTRIBUTES
    """For ``regression``: the outputs. HelpSteer2's five, or ``[helpfulness]`` alone."""
    layers: int | None = Field(default=None, ge=1)
    """Keep the first N decoder layers of the base model; None: all of them."""

    @model_validator(mode="after")
    def _attributes_are_named_once(self) -> Self:
        if not self.attributes or len(set(self.attributes)) != len(self.attributes):
            raise ValueError("attributes must name each attribute once, and at least one")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """The model's outputs by name: the attributes, or ``reward``."""
        return self.attributes if self.objective == "regression" else ("reward",)


Config = TypeVar("Config", bound=BaseModel)


def load_recipe(recipe: str, overrides: list[str], kind: type[Config]) -> Config:
    """Read a recipe (a path, or the name of one in ``recipes/``) with ``key=value`` overrides.

    A recipe that ``extends`` another is laid over it first. A key may be dotted (``lora.r=8``); a
    value is read as YAML.

    Raises:
        UsageError: for a missing file, an unknown key or a value of the wrong type, in one line.
    """
    path, values = read_recipe(recipe)
    try:
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                raise UsageError(f"expected key=value, found {override!r}")
            _set(values, key.split("."), yaml.safe_load(value))
        return kind.model_validate(values)
    except yaml.YAMLError as error:
        raise UsageError(f"{override}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise UsageError(f"{path}: {problems}") from None


def _set(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise UsageError(f"{'.'.join(keys)}: {key} is not a section")
    values[keys[-1]] = value

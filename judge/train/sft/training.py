"""Supervised fine-tuning of the justifier: load, tokenise, train with TRL, save with a manifest."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from trl import SFTConfig, SFTTrainer

from judge.errors import UsageError
from judge.grammar import Grammar
from judge.models.layers import layers_of
from judge.models.loading import load_causal
from judge.models.merging import merge_into
from judge.prompt import PromptBuilder, load_template
from judge.runs.training import TemplateUsed, TrainingData, TrainingFigures, TrainingManifest
from judge.train import tuning
from judge.train.batches.balancing import BalancedSteps, LengthGroupedTwins
from judge.train.checkpoints.adapter_start import start_adapter
from judge.train.checkpoints.manifest import data_manifest
from judge.train.compute.head import score_positions
from judge.train.config import JustifierConfig, TrainerConfig
from judge.train.faults import GuardedTrainer
from judge.train.finetune import (
    check_adapters,
    choose_packing,
    lora_config,
    model_config,
    random_config,
    store_base,
    trainer_arguments,
    weight_options,
)
from judge.train.losses import statement_loss
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress, facts_of
from judge.train.sft.examples import (
    ExampleSet,
    JustifierCollator,
    read_rows,
    tokenize,
)


def run(config: JustifierConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Train the justifier of ``config``; return its manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated. ``progress`` is told how it goes.

    Raises:
        UsageError: for missing data or model, a template other than the data's, or an output folder
            of another configuration.
    """
    return tuning.run(JustifierTuning(config), progress)


class JustifierTuning:
    """Supervised fine-tuning of a judge; a :class:`judge.train.tuning.FineTuning`."""

    evaluate_last = False
    builder: PromptBuilder
    train: ExampleSet
    evaluation: ExampleSet

    def __init__(self, config: JustifierConfig) -> None:
        self.config = config

    def check_data(self) -> TrainingData:
        return data_manifest(Path(self.config.data), self.config.template)

    def arguments(self) -> SFTConfig:
        return sft_arguments(self.config)

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        config = self.config
        self.builder = PromptBuilder(tokenizer, load_template(config.template))
        self.train = _examples(config, self.builder, "train", config.train_limit)
        self.evaluation = _examples(config, self.builder, "val", config.eval_limit)

    def trainer(self, arguments: SFTConfig, tokenizer: PreTrainedTokenizerBase) -> JustifierTrainer:
        model = load_model(self.config, tokenizer)
        return build_trainer(
            self.config, arguments, model, self.builder, self.train, self.evaluation
        )

    def facts(self, trainer: JustifierTrainer) -> TrainingFacts:
        train, evaluation = self.train, self.evaluation
        left_out = {
            f"too long, of {name}": examples.too_long
            for name, examples in (("training", train), ("validation", evaluation))
        }
        left_out["with a prompt cut"] = train.cut + evaluation.cut
        sizes = len(train), len(evaluation)
        return facts_of(trainer, self.config, "a judge", sizes, sum(train.lengths), left_out)

    def card(self) -> dict[str, Any]:
        """Return its template, and that it answers with labels where it does."""
        template, answer = self.builder.template, self.train.answer
        labels = {} if answer == "statement" else {"answer": answer}
        return {"template": template.name, "template_digest": template.digest, **labels}

    def figures(self, trainer: JustifierTrainer, seconds: float) -> TrainingFigures:
        template, train, evaluation = self.builder.template, self.train, self.evaluation
        counts = {
            "train_examples": len(train),
            "train_dropped_too_long": train.too_long,
            "train_cut_prompts": train.cut,
            "val_examples": len(evaluation),
            "val_dropped_too_long": evaluation.too_long,
            "val_cut_prompts": evaluation.cut,
        }
        return TrainingFigures(
            template=TemplateUsed(name=template.name, digest=template.digest),
            counts=counts,
            seconds_this_session=round(seconds),
        )


def load_model(config: TrainerConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return the model to train.

    Raises:
        UsageError: when it cannot be loaded.
    """
    if config.random_init is not None:
        return LlamaForCausalLM(random_config(config, tokenizer))
    layers = layers_of(config.model)
    check_adapters(config, layers)
    model = load_causal(
        layers.base,
        config.model,
        revision=config.revision,
        config=model_config(config),
        **weight_options(config),
    )
    return merge_into(model, layers.adapters).requires_grad_(True) if layers.adapters else model


def build_trainer(
    config: JustifierConfig,
    arguments: SFTConfig,
    model: PreTrainedModel,
    builder: PromptBuilder,
    train: ExampleSet,
    evaluation: ExampleSet,
) -> JustifierTrainer:
    """Return TRL's trainer for ``config``, with our collator, order of examples and loss."""
    tokenizer = builder.tokenizer
    if config.order_consistency and not (train.twins and evaluation.twins):
        raise UsageError("order_consistency needs data with flipped copies")
    pad_id = (
        tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    )
    packed = choose_packing(config, model)
    weighted = config.statement_weight != 1.0 or config.opening_weight != 1.0
    statement_loss = weighted or config.order_consistency > 0
    trainer = JustifierTrainer(
        model=model,
        args=arguments,
        train_dataset=train.dataset(),
        eval_dataset=evaluation.dataset(),
        processing_class=tokenizer,
        data_collator=JustifierCollator(packed, pad_id, statement_loss),
        peft_config=lora_config(config, task_type="CAUSAL_LM"),
        recipe=config,
        examples=train,
        sides=Grammar(builder).sides,
    )
    start_adapter(trainer.model, config)
    store_base(trainer.model, config)
    score_positions(model)
    return trainer


def sft_arguments(config: JustifierConfig) -> SFTConfig:
    """Translate a recipe into TRL's arguments for the processes of this launch."""
    return SFTConfig(
        **trainer_arguments(config),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


class JustifierTrainer(GuardedTrainer, SFTTrainer):
    """TRL's SFT trainer with batches of twins and, where a recipe asks, the statement loss."""

    def __init__(
        self,
        *args: Any,
        recipe: JustifierConfig,
        examples: ExampleSet,
        sides: tuple[int, int],
        **kwargs: Any,
    ) -> None:
        self.recipe = recipe
        self.examples = examples
        self.sides = list(sides)
        with warnings.catch_warnings():  # TRL would rather load kernels from the hub
            warnings.filterwarnings("ignore", message="`use_liger_kernel=True` is deprecated")
            super().__init__(*args, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        recipe, lengths, twins = self.recipe, self.examples.lengths, self.examples.twins
        row = recipe.per_device_batch_size
        if recipe.group_by_length and not self.data_collator.packed:
            return LengthGroupedTwins(lengths, twins, row * self.args.world_size, recipe.seed)
        return BalancedSteps(
            lengths, twins, row, recipe.global_batch_size, recipe.seed, recipe.group_by_length
        )

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        inputs = dict(inputs)
        index = inputs.pop("index")
        inputs.pop("labels")  # counted by the trainer; the loss reads shift_labels
        if "weights" not in inputs:
            loss = super().compute_loss(model, inputs, False, num_items_in_batch)
        else:
            loss = self._statement_loss(model, inputs, num_items_in_batch)
        if self.model.training:
            self.check_loss(loss, [self.examples.names[i] for i in index.tolist()])
        return (loss, None) if return_outputs else loss

    def _statement_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], num_items_in_batch: Any
    ) -> torch.Tensor:
        loss, parts = statement_loss(model, inputs, self.sides, self.recipe.order_consistency)
        mode = "train" if self.model.training else "eval"
        if mode == "train" and "verdict_accuracy" in parts:
            statements = len(inputs["branch"])
            self.count_right(round(parts["verdict_accuracy"] * statements), statements)
        for name, value in parts.items():
            self._metrics[mode][name].append(value)
        if mode == "train" and num_items_in_batch is not None:
            # The trainer leaves the division by the micro-batches of a step to the loss.
            loss = loss / self.current_gradient_accumulation_steps
        return loss


def _examples(
    config: JustifierConfig, builder: PromptBuilder, split: str, limit: int | None
) -> ExampleSet:
    pairs = config.train_pairs if split == "train" else None
    rows = read_rows(Path(config.data) / f"{split}.jsonl", config.styles, limit, pairs)
    examples = tokenize(
        rows,
        builder,
        config.max_length,
        config.statement_weight,
        config.too_long,
        config.opening_weight,
    )
    if not examples.items:
        raise UsageError(f"every {split} example is longer than max_length {config.max_length}")
    return examples

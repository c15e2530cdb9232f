"""Direct preference optimisation: load, tokenise, ask the reference, train, save, say how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder, template_digest
from judge.models import resolve_model
from judge.models.layers import digest_of
from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.train import tuning
from judge.train.align.config import DPOConfig
from judge.train.align.examples import ResponseCollator, load_pairs
from judge.train.align.log_probs import add_scores
from judge.train.align.reference import add_reference, leave_engine
from judge.train.align.trainer import DPOTrainer
from judge.train.batches.sequences import SequenceSet
from judge.train.checkpoints.adapter_start import with_adapter
from judge.train.checkpoints.manifest import data_of_kind
from judge.train.finetune import choose_packing, plain_arguments
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress, facts_of
from judge.train.reward.model import choose_padding
from judge.train.sequence_trainer import figures_of, left_out
from judge.train.sft.training import load_model

_FIGURES = ("eval_loss", "eval_accuracy", "eval_reward_margin", "eval_chosen_change")


def run(config: DPOConfig, progress: TrainingProgress = UNWATCHED) -> TrainingManifest | None:
    """Align the model of ``config``; return the manifest, also written to ``output_dir``.

    Running it again after an interruption goes on from the newest checkpoint, or in the midst of
    the reference's pass, with the same result as an uninterrupted run; a finished run is not
    repeated. ``progress`` is told how it goes.

    Raises:
        UsageError: for missing data or model, data of another kind, strengths that the loss cannot
            use, a model without a chat template, a loss that is not a number, or an output folder
            of another configuration.
    """
    return tuning.run(DPOTuning(config, progress), progress)


class DPOTuning:
    """Direct preference optimisation; a :class:`judge.train.tuning.FineTuning`."""

    evaluate_last = True
    tokenizer: PreTrainedTokenizerBase
    train: SequenceSet
    evaluation: SequenceSet
    computed = 0
    """Pairs whose reference had to be computed."""

    def __init__(self, config: DPOConfig, progress: TrainingProgress) -> None:
        self.config = config
        self.progress = progress

    def check_data(self) -> TrainingData:
        return data_of_kind(Path(self.config.data), "preference", "DPO")

    def arguments(self) -> TrainingArguments:
        return plain_arguments(self.config)

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read the pairs; those for validation longest first, for less padding."""
        config, builder = self.config, ConversationBuilder(tokenizer)
        self.tokenizer = tokenizer
        self.train, self.evaluation = (
            load_pairs(
                Path(config.data) / f"{split}.jsonl", config.loss, builder, config.max_length, limit
            )
            for split, limit in (("train", config.train_limit), ("val", config.eval_limit))
        )
        self.evaluation.items.sort(key=lambda item: -max(map(len, item["sequences"])))
        choose_padding(tokenizer, self.train.last_ids | self.evaluation.last_ids)

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> DPOTrainer:
        """Return the trainer, whose pairs have been given the reference's log-probabilities."""
        model = load_model(self.config, tokenizer)
        packed = choose_packing(self.config, model)
        add_scores(model)
        trainer = DPOTrainer(
            model=with_adapter(model, self.config, task_type="CAUSAL_LM"),
            args=arguments,
            train_dataset=self.train.items,
            eval_dataset=self.evaluation.items,
            processing_class=tokenizer,
            data_collator=ResponseCollator(packed, tokenizer.pad_token_id),
            recipe=self.config,
            examples=self.train,
        )
        self._ask_reference(trainer)
        return trainer

    def _ask_reference(self, trainer: DPOTrainer) -> None:
        config, output = self.config, Path(self.config.output_dir)
        depends_on = {
            "model": config.model,
            "revision": config.revision,
            "digest": digest_of(resolve_model(config.model)),
            "random_init": config.random_init and [config.random_init, config.seed],
            "template": template_digest(self.tokenizer),
            "packed": trainer.packed,
            "batch": config.per_device_batch_size,
            "processes": trainer.args.world_size,
            "bf16": config.bf16,
        }
        for name, pairs in (("train", self.train), ("val", self.evaluation)):
            file = output / f"reference_{name}.jsonl"
            self.computed += add_reference(trainer, pairs, file, depends_on, self.progress)
        leave_engine(trainer)

    def facts(self, trainer: DPOTrainer) -> TrainingFacts:
        config, train, evaluation = self.config, self.train, self.evaluation
        what = f"a policy ({config.loss} DPO, beta {config.beta:g})"
        sizes, unused = (len(train), len(evaluation)), left_out(train, evaluation)
        return facts_of(trainer, config, what, sizes, train.tokens, unused)

    def card(self) -> dict[str, Any]:
        return {"kind": "policy", "chat_template": template_digest(self.tokenizer)}

    def figures(self, trainer: DPOTrainer, seconds: float) -> TrainingFigures:
        told = figures_of(trainer, self.train, self.evaluation, seconds, _FIGURES)
        return told.model_copy(update={"reference_pairs_computed": self.computed})

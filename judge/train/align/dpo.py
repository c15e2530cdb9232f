"""Direct preference optimisation: load, tokenise, ask the reference, train, save, say how."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase, TrainingArguments

from judge.conversation import ConversationBuilder, template_digest
from judge.models import resolve_model
from judge.models.layers import digest_of
from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.train import tuning
from judge.train.align.config import DPOConfig
from judge.train.align.examples import load_pairs
from judge.train.align.policy_tuning import PolicyTuning
from judge.train.align.reference import add_reference, leave_engine
from judge.train.align.trainer import DPOTrainer
from judge.train.checkpoints.manifest import data_of_kind
from judge.train.progress import UNWATCHED, TrainingFacts, TrainingProgress
from judge.train.sequence_trainer import figures_of

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


class DPOTuning(PolicyTuning):
    """Direct preference optimisation; a :class:`judge.train.tuning.FineTuning`."""

    config: DPOConfig
    computed = 0
    """Pairs whose reference had to be computed."""

    def __init__(self, config: DPOConfig, progress: TrainingProgress) -> None:
        super().__init__(config)
        self.progress = progress

    def check_data(self) -> TrainingData:
        return data_of_kind(Path(self.config.data), "preference", "DPO")

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read the pairs; those for validation longest first, for less padding."""
        config, builder = self.config, ConversationBuilder(tokenizer)
        train, evaluation = (
            load_pairs(
                Path(config.data) / f"{split}.jsonl", config.loss, builder, config.max_length, limit
            )
            for split, limit in (("train", config.train_limit), ("val", config.eval_limit))
        )
        evaluation.items.sort(key=lambda item: -max(map(len, item["sequences"])))
        self._have(tokenizer, train, evaluation)

    def trainer(
        self, arguments: TrainingArguments, tokenizer: PreTrainedTokenizerBase
    ) -> DPOTrainer:
        """Return the trainer, whose pairs have been given the reference's log-probabilities."""
        trainer = self._trainer(DPOTrainer, arguments)
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
        return self._facts(trainer, f"a policy ({self.config.loss} DPO, beta {self.config.beta:g})")

    def figures(self, trainer: DPOTrainer, seconds: float) -> TrainingFigures:
        told = figures_of(trainer, self.train, self.evaluation, seconds, _FIGURES)
        return told.model_copy(update={"reference_pairs_computed": self.computed})

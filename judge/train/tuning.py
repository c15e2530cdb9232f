"""The way of every fine-tuning, of judges and of reward models: :func:`run` reads top to bottom."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase, set_seed

from judge.runs.training import TrainingData, TrainingFigures, TrainingManifest
from judge.train.checkpoints.manifest import claim_output, write_manifest
from judge.train.config import TrainerConfig
from judge.train.finetune import join_deepspeed, load_tokenizer, train_and_save
from judge.train.observe import observe
from judge.train.progress import TrainingFacts, TrainingProgress


class FineTuning(Protocol):
    """What a judge and a reward model do in ways of their own; :func:`run` calls it in this order.

    What one step makes and a later one needs is the object's own.
    """

    @property
    def config(self) -> TrainerConfig: ...

    evaluate_last: bool
    """See to it that the last step has a validation loss."""

    def check_data(self) -> TrainingData:
        """Return what the manifest of the data says of it.

        Raises:
            UsageError: when it is not what the recipe needs.
        """
        ...

    def arguments(self) -> Any:
        """Return the trainer's arguments for the processes of this launch."""
        ...

    def read(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read the examples as token ids."""
        ...

    def trainer(self, arguments: Any, tokenizer: PreTrainedTokenizerBase) -> Any:
        """Load the model; return a :class:`judge.train.faults.GuardedTrainer` for it."""
        ...

    def facts(self, trainer: Any) -> TrainingFacts:
        """Return what a screen says before the first step."""
        ...

    def card(self) -> dict[str, Any]:
        """Return what the model says of itself to whoever loads it."""
        ...

    def figures(self, trainer: Any, seconds: float) -> TrainingFigures:
        """Return what the manifest says of the training besides what every one has."""
        ...


def run(training: FineTuning, progress: TrainingProgress) -> TrainingManifest | None:
    """Train as a recipe says; return the manifest, also written to its ``output_dir``.

    Of the processes of a launch, the first one writes and returns it; the others return None.

    Running it again after an interruption goes on from the newest checkpoint, with the same result
    as an uninterrupted run; a finished run is not repeated.

    Args:
        progress: is told how it goes.

    Raises:
        UsageError: for unusable data or model, or an output folder of another configuration.
    """
    config = training.config
    output = Path(config.output_dir)
    data = training.check_data()
    finished = claim_output(output, config)
    if finished is not None:
        return finished
    # The arguments before the model: with DeepSpeed's in force it is partitioned while it loads.
    arguments = training.arguments()
    join_deepspeed(config)
    set_seed(config.seed)
    progress.doing(f"reading the examples of {config.data}")
    tokenizer = load_tokenizer(config)
    training.read(tokenizer)
    progress.doing(f"loading the model {config.model}")
    trainer = training.trainer(arguments, tokenizer)
    observe(trainer, config, training.facts(trainer), progress)
    started = time.time()
    train_and_save(trainer, config, training.evaluate_last)
    seconds = time.time() - started
    if not trainer.is_world_process_zero():
        return None
    tokenizer.save_pretrained(output)
    figures = training.figures(trainer, seconds)
    return write_manifest(output, config, data, trainer, training.card(), figures)

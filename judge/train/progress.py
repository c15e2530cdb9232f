"""Who watches a training: what is told before the first step, after each, and at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from judge.train.config import TrainerConfig


@dataclass(frozen=True)
class TrainingFacts:
    """What is going to be trained."""

    what: str
    """``a judge``, ``a reward model (scaled_bt)``."""
    model: str
    """What it starts from: a folder, a hub id, or ``random weights``."""
    parameters: int
    """All weights of the model."""
    trained: int
    """Those that change."""
    examples: int
    """Examples to train on."""
    validation: int
    """Examples to validate on."""
    batch: int
    """Examples an optimizer step."""
    epoch_tokens: int
    """Tokens of all training examples."""
    save_steps: int
    """A checkpoint every so many steps."""
    output: str
    """The folder of checkpoints and model."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Examples that are not used, or not whole, by why, as a person reads it."""
    unit: str = "examples"
    """What examples are called."""


class TrainingProgress(Protocol):
    """Who watches a training. Of several processes the first one's is told, the others' are not."""

    def doing(self, text: str) -> None:
        """Something that takes a while begins: reading, loading."""
        ...

    def note(self, text: str) -> None:
        """Something to tell a person, in one line."""
        ...

    def begin(self, facts: TrainingFacts, steps: int, done: int, best: float | None) -> None:
        """The first step begins: ``done`` of ``steps`` were taken by an earlier session, whose
        lowest validation loss was ``best``."""
        ...

    def within(self, done: int, of: int | None, validating: bool) -> None:
        """So many micro-batches of a step, or of a validation, are done."""
        ...

    def step(self, row: Mapping[str, Any]) -> None:
        """A step is done: its line of ``steps.jsonl`` (:class:`judge.train.observe.Observer`)."""
        ...

    def validated(self, row: Mapping[str, Any]) -> None:
        """A validation is done: its line of ``steps.jsonl``."""
        ...

    def saved(self, step: int, folder: str) -> None:
        """A checkpoint is written."""
        ...

    def over(self) -> None:
        """The training has ended, and what comes now is another part of the same run."""
        ...


class Unwatched:
    """Nobody watches."""

    def doing(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def begin(self, facts: TrainingFacts, steps: int, done: int, best: float | None) -> None: ...

    def within(self, done: int, of: int | None, validating: bool) -> None: ...

    def step(self, row: Mapping[str, Any]) -> None: ...

    def validated(self, row: Mapping[str, Any]) -> None: ...

    def saved(self, step: int, folder: str) -> None: ...

    def over(self) -> None: ...


UNWATCHED = Unwatched()


def facts_of(
    trainer: Any,
    config: TrainerConfig,
    what: str,
    examples: tuple[int, int],
    epoch_tokens: int,
    left_out: Mapping[str, int],
) -> TrainingFacts:
    """Return what ``trainer`` is going to do.

    Args:
        trainer: transformers' trainer, with its model.
        config: its recipe.
        what: what it makes, for :class:`TrainingFacts`.
        examples: how many to train and to validate on.
        epoch_tokens: of the former.
        left_out: as :class:`TrainingFacts` says.
    """
    # Under ZeRO-3 a process holds a part of each weight.
    sizes = [(getattr(p, "ds_numel", p.numel()), p.requires_grad) for p in _weights(trainer.model)]
    return TrainingFacts(
        what=what,
        model=config.model if config.random_init is None else "random weights",
        parameters=sum(size for size, _ in sizes),
        trained=sum(size for size, changes in sizes if changes),
        examples=examples[0],
        validation=examples[1],
        batch=config.global_batch_size,
        epoch_tokens=epoch_tokens,
        save_steps=config.save_steps,
        output=config.output_dir,
        left_out={why: count for why, count in left_out.items() if count},
    )


def _weights(model: Any) -> list[Any]:
    """Return the weights of a model; of a head in an adapter, the one that is trained alone."""
    return [p for name, p in model.named_parameters() if ".original_module." not in name]

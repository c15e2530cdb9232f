"""The configurations of ``judge train select``, ``export`` and ``push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.options import Option

_LICENCES = Option(flag="--data-licence", metavar="[NAME=]LICENCE")


class SelectConfig(BaseModel):
    """What ``judge train select`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    run: str
    """The output folder of a finished training, with its checkpoints."""
    pairs: Annotated[str | None, Option(metavar="PAIRS")] = None
    """Benchmark of a judge or a reward model: labelled pairs, a file or hub id."""
    prompts: Annotated[str | None, Option(metavar="PROMPTS")] = None
    """Benchmark of a policy: prompts, as judge respond takes them; each checkpoint's answers are
    judged against those of the model that the training started from."""
    judge: Annotated[str, Option(metavar="MODEL")] = "small"
    """Who judges a policy's answers."""
    max_new_tokens: Annotated[int, Option(metavar="N")] = Field(default=1024, ge=1)
    """Most tokens of a policy's answer."""
    bench: Annotated[str | None, Option(metavar="NAME")] = None
    """PAIRS are rows of this benchmark: its parts and weights count."""
    output_dir: Annotated[str | None, Option(flag="--out", metavar="DIR")] = None
    """Where ``select.json`` and a run folder for each checkpoint go. None: RUN/select."""
    everything: Annotated[bool, Option(flag="--all")] = False
    """Every checkpoint, not the paper's few."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """N pairs, taken evenly; of prompts the first N."""
    mode: Literal["verdict", "justify"] = "verdict"
    """How a judge is asked."""
    copy_to: Annotated[str | None, Option(flag="--copy", metavar="DIR")] = None
    """Copy the chosen checkpoint there."""

    @model_validator(mode="after")
    def _one_benchmark(self) -> SelectConfig:
        if (self.pairs is None) == (self.prompts is None):
            raise ValueError("give pairs (of a judge, a reward model) or prompts (of a policy)")
        if self.bench is not None and self.pairs is None:
            raise ValueError("bench names what pairs are; prompts are of none")
        return self

    @property
    def folder(self) -> Path:
        """Return where the results go."""
        return Path(self.run) / "select" if self.output_dir is None else Path(self.output_dir)


class ExportConfig(BaseModel):
    """What ``judge train export`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str
    """The folder of a trained model, of one of its checkpoints copied by select, or an adapter."""
    output_dir: Annotated[str, Option(flag="--out", metavar="DIR")]
    """The folder to write; it must not exist."""
    base: str | None = None
    """The base model of a LoRA adapter, if it is not where the adapter says."""
    shard_gb: Annotated[float, Option(metavar="GB")] = Field(default=5.0, ge=0.001)
    """The most GB of weights in a file; one larger tensor has a file to itself."""
    name: str | None = None
    """What the card calls the model. None: the name of DIR."""
    licence: str | None = None
    """Licence of the model, as the hub writes it (``llama3.1``); the card says so."""
    data_licences: Annotated[tuple[str, ...], _LICENCES] = ()
    """Licence of training data that this package does not know. May be repeated."""

    @property
    def shard_bytes(self) -> int:
        """Return the most bytes of weights in a file."""
        return round(self.shard_gb * 1e9)


class PushConfig(BaseModel):
    """What ``judge train push`` is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    folder: Annotated[str, Option(metavar="DIR")]
    """A folder of ``judge train export``."""
    repo: Annotated[str, Option(metavar="OWNER/NAME")]
    """Where to on the hub."""
    public: bool = False
    """Make a new repository public, not private."""
    data_licences: Annotated[tuple[str, ...], _LICENCES] = ()
    """Licence of training data that is not known yet. May be repeated."""
    despite_licences: bool = False
    """Send it although its licences forbid it or are not known."""

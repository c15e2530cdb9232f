"""The configuration of ``judge respond``: every field, its default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from judge.annotated import ATTRIBUTES
from judge.config_base import InputConfig, ModelConfig, load_config, with_wide_window
from judge.engine_options import AUTO, ENGINES
from judge.options import Option
from judge.steering import read_attributes

EXAMPLE = "judge respond prompts.jsonl --model small-base --out answers/base"
if TYPE_CHECKING:
    WriterName = str
else:
    WriterName = Literal[(AUTO, *(name for name, kind in ENGINES.items() if kind.write))]


class RespondConfig(ModelConfig, InputConfig):
    """What ``judge respond`` is asked to do; also the fields of its ``--config`` file (YAML)."""

    input: Annotated[str, Option(metavar="PROMPTS")]
    """A file (.jsonl, .json, .csv, .tsv, each also as .gz; .parquet), ``-`` (JSON lines) or a hub
    data set, of prompts or in the layout of MT-Bench, AlpacaEval or Arena-Hard."""
    model: str
    """``small-base`` (fetched), a folder (a policy of ``judge align``, a whole model), a hub model
    id, or what the server calls its model."""
    engine: WriterName = "auto"
    """What runs the model; ``auto`` is transformers, ``server`` an OpenAI-compatible server
    elsewhere, which is asked by chat messages."""
    samples: Annotated[int, Option(metavar="N")] = Field(default=1, ge=1)
    """Answers to each prompt; more than one needs a temperature above 0."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Most tokens of an answer, thinking included; one that is cut there is kept and counted."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draw only from the likeliest tokens that together have this much probability."""
    attributes: Annotated[str | None, Option(metavar="NAME=0..4,...")] = None
    """Of a model that was trained by ``judge align sft`` with ``attributes`` (SteerLM): what its
    answers are to be like, as ``helpfulness=4,verbosity=1``. What is not named has the most
    frequent value of its training."""
    window: Annotated[int, Option(default="64; vllm, server: 1024")] = Field(default=64, ge=1)
    """Answers that are written together; a resumed run does the last window again."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """Only the first N prompts; a later run with more goes on from there."""
    max_failures: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=0)
    """Stop when more than N answers have failed. None: any number is recorded."""

    @field_validator("attributes")
    @classmethod
    def _in_one_order(cls, text: str | None) -> str | None:
        if text is None:
            return None
        values = read_attributes(text)
        return ",".join(f"{name}={values[name]}" for name in ATTRIBUTES if name in values)

    @model_validator(mode="after")
    def _attributes_are_tokens(self) -> RespondConfig:
        if self.attributes is not None and self.engine == "server":
            raise ValueError(
                "attributes open the model's own turn, which no chat message does; use engine"
                " transformers or vllm"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _wide_window(cls, values: Any) -> Any:
        return with_wide_window(values)

    @model_validator(mode="after")
    def _drawn_or_greedy(self) -> RespondConfig:
        if self.temperature == 0 and self.samples > 1:
            raise ValueError(
                f"{self.samples} samples at temperature 0 would be the same answer; give"
                " --temperature"
            )
        if self.temperature == 0 and self.top_p < 1:
            raise ValueError("top_p is for draws: --temperature above 0")
        return self


def load_respond_config(file: Path | None, given: dict[str, Any]) -> RespondConfig:
    """Return the configuration of a run of answers; as :func:`judge.config.load_batch_config`."""
    return load_config(RespondConfig, file, given, EXAMPLE)

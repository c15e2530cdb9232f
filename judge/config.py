"""The configuration of a judging or scoring run: every field, its default and what it means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from judge.config_base import RESERVED as RESERVED
from judge.config_base import WIDE_WINDOW, InputConfig, ModelConfig, with_wide_window
from judge.config_base import holds_key as holds_key
from judge.config_base import load_config as load_config
from judge.engine_options import EngineName, RayOptions, engine_kind
from judge.models import default_template, served_template
from judge.options import Option

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RowsConfig(InputConfig):
    """What every run over pairs is asked, whoever judges them."""

    strip_thinking: bool = False
    """Leave out what a reasoning model wrote before each response, as in ``<think>``."""
    empty_responses: bool = False
    """Judge a row with one empty response like any other; otherwise the row fails."""


class JudgeConfig(ModelConfig):
    """What judges: a model, how it runs and is asked, and the reward models beside it."""

    model: str = "small"
    """``small`` or ``mini`` (bundled judges), a folder, or a hub model id."""
    engine: EngineName = "auto"
    """What runs the model; ``auto`` is transformers, ``server`` an OpenAI-compatible server
    elsewhere, ``ray`` vLLM on many nodes."""
    tokenizer: str | None = None
    """Tokenizer of the server's model: a folder or a hub id. None: the one that ``model`` leads to;
    without any the server is asked by chat messages."""
    mode: Literal["justify", "verdict"] = "justify"
    """``justify`` writes why, then the statement; ``verdict`` reads the strength alone."""
    orders: Literal["both", "given"] = "both"
    """``both`` judges every pair a second time with its responses exchanged."""
    template: str | None = None
    """Prompt template: its name, or a path that ends in ``.txt``. None: the model's own."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Longest elaboration, in tokens; after them the statement is forced."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Most prompt tokens, padding included, that go through the model at once. None: 8192; on a CPU
    2048 for verdicts, and for justifications as many as have 256 MiB of keys and values."""
    scorer: Annotated[dict[str, str], Option(metavar="NAME=PATH")] = Field(default_factory=dict)
    """A reward model beside the judge, and what it is called; the name may be left out where the
    path can be one. May be repeated."""
    weights: Annotated[dict[str, str], Option(metavar="NAME=FILE")] = Field(default_factory=dict)
    """For a scorer with several outputs: JSON file of their weights. May be repeated."""

    @property
    def template_name(self) -> str:
        """The template that was asked for, or else the one that the model was trained with."""
        if self.template is not None:
            return self.template
        if self.engine == "server":
            return served_template((self.tokenizer, self.model))
        return default_template(self.model)

    @field_validator("scorer", "weights", mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        """Turn ``NAME=PATH`` texts into name and path."""
        if not isinstance(value, list | tuple):
            return value
        named: dict[str, str] = {}
        for text in value:
            name, given, path = str(text).partition("=")
            if not given and info.field_name == "scorer":
                path = name  # a model that is called what its path says
            if not name or not path or name in named:
                raise ValueError(f"{text!r}: expected NAME=PATH, every name once")
            named[name] = path
        return named

    @field_validator("scorer")
    @classmethod
    def _usable_names(cls, scorer: dict[str, str]) -> dict[str, str]:
        for name in scorer:
            if name == "judge" or not _NAME.fullmatch(name):
                raise ValueError(
                    f"a scorer cannot be called {name!r}; expected NAME=PATH, a name of letters,"
                    " digits and . _ -, not 'judge'"
                )
        return scorer

    @model_validator(mode="after")
    def _tokenizer_of_a_server(self) -> JudgeConfig:
        if self.tokenizer is not None and self.engine != "server":
            raise ValueError("tokenizer is for engine server; other engines have the model's own")
        return self

    @model_validator(mode="after")
    def _weights_of_scorers(self) -> JudgeConfig:
        stray = [name for name in self.weights if name not in self.scorer]
        if stray:
            raise ValueError(f"weights for {', '.join(stray)}, which is not a --scorer")
        return self


class BatchConfig(JudgeConfig, RayOptions, RowsConfig):
    """What ``judge batch`` is asked to do; also the fields of its ``--config`` file (YAML)."""

    @model_validator(mode="before")
    @classmethod
    def _wide_window(cls, values: Any) -> Any:
        return with_wide_window(values)

    @model_validator(mode="after")
    def _ray_or_none(self) -> BatchConfig:
        given = [name for name in RayOptions.model_fields if getattr(self, name) is not None]
        if given and self.engine != "ray":
            raise ValueError(f"{given[0]} is for engine ray")
        if self.engine == "ray" and self.scorer:
            raise ValueError(
                "engine ray runs the judge alone; judge score gives the rewards of a scorer"
            )
        return self

    def identity(self) -> dict[str, Any]:
        # A list: their order is that of a line's rewards.
        scorers = [f"{name}={model}" for name, model in self.scorer.items()]
        return {**super().identity(), "scorer": scorers}


class ScoreConfig(RowsConfig):
    """What ``judge score`` is asked to do; also the fields of its ``--config`` file (YAML)."""

    model: str = "small-bt"
    """A reward model: ``small-bt`` or ``small-regression`` (bundled; so are ``mini-bt`` and
    ``mini-regression``), a folder, or a hub model id."""
    engine: Literal["auto", "transformers", "vllm"] = "auto"
    """What runs the model; ``auto`` is transformers."""
    form: Literal["auto", "head", "logit"] = "auto"
    """Where the reward is: in a classification head, or in the first logit of the next token, as in
    Llama-3.1-Nemotron-70B-Reward-HF. ``auto`` asks the model."""
    weights: Annotated[str | None, Option(metavar="FILE")] = None
    """For a model with several outputs: JSON file of their weights. None: helpfulness alone."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Most tokens, padding included, that go through the model at once. None: 8192; on a CPU as
    many as have 256 MiB of keys and values."""


def window_of(engine: str) -> int:
    """Return how many pairs are judged together where nothing says so."""
    if engine_kind(engine).many:
        return WIDE_WINDOW
    return int(RowsConfig.model_fields["window"].default)


def load_batch_config(file: Path | None, given: dict[str, Any]) -> BatchConfig:
    """Return the configuration of ``file`` with the values ``given`` on the command line over it.

    Args:
        file: a YAML mapping of :class:`BatchConfig`'s fields, or None.
        given: values by field; None, or an empty list, means that the option was not used.

    Raises:
        UsageError: for an unreadable file, an unknown field or a value out of range.
    """
    return load_config(BatchConfig, file, given, "judge batch pairs.jsonl --out runs/mine")


def load_score_config(file: Path | None, given: dict[str, Any]) -> ScoreConfig:
    """Return the configuration of a scoring run; as :func:`load_batch_config`."""
    return load_config(ScoreConfig, file, given, "judge score pairs.jsonl --out runs/scored")

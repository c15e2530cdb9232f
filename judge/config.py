"""The configuration of a judging or scoring run: every field, its default and what it means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from judge.engine_options import ENGINES, EngineName, RayOptions, VllmOptions, engine_kind
from judge.errors import UsageError
from judge.models import default_template, served_template
from judge.options import Option

RESERVED = frozenset(
    ("conversation", "tokenize", "add_generation_prompt", "continue_final_message", "chat_template",
     "tools", "documents", "padding", "truncation", "max_length", "return_tensors", "return_dict",
     "return_assistant_tokens_mask", "tokenizer_kwargs", "messages")
)  # fmt: skip
"""Arguments of transformers' ``apply_chat_template`` that are no options of a template."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Config = TypeVar("Config", bound=BaseModel)


class RowsConfig(BaseModel):
    """What every run over rows is asked, whoever judges them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: str
    """A file (.jsonl, .json, .csv, .tsv, each also as .gz; .parquet), ``-`` (JSON lines) or a hub
    data set."""
    out: Annotated[str, Option(metavar="DIR")]
    """The run folder."""
    window: Annotated[int, Option(default="64; vllm, server, ray: 1024")] = Field(default=64, ge=1)
    """Rows that are judged together and written together."""
    split: str | None = None
    """Split of a hub data set; needed where it has several."""
    subset: str | None = None
    """Configuration (subset) of a hub data set."""
    revision: str | None = None
    """Branch, tag or commit of a hub data set."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """Only the first N rows; a later run with more goes on from there."""
    strip_thinking: bool = False
    """Leave out what a reasoning model wrote before each response, as in ``<think>``."""
    empty_responses: bool = False
    """Judge a row with one empty response like any other; otherwise the row fails."""
    max_failures: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=0)
    """Stop when more than N rows have failed. None: any number is recorded."""
    fresh: bool = False
    """Start again: remove the results that lie in the run folder."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine a result: what a resumed run must have in common.

        Where the input, a template and weights lie says nothing about what is in them, so their
        contents stand in for them (added by :func:`judge.infer.batch.run_rows`'s callers).
        """
        return self.model_dump(exclude=_NO_IDENTITY)


class JudgeConfig(VllmOptions):
    """What judges: a model, how it runs and is asked, and the reward models beside it."""

    model: str = "small"
    """``small`` or ``mini`` (bundled judges), a folder, or a hub model id."""
    engine: EngineName = "auto"
    """What runs the model; ``auto`` is transformers, ``server`` an OpenAI-compatible server
    elsewhere, ``ray`` vLLM on many nodes."""
    url: str | None = None
    """Address of the server, as ``http://localhost:8000/v1``. Its API key comes from the
    environment: ``JUDGE_API_KEY`` or ``OPENAI_API_KEY``."""
    tokenizer: str | None = None
    """Tokenizer of the server's model: a folder or a hub id. None: the one that ``model`` leads to;
    without any the server is asked by chat messages."""
    concurrency: int = Field(default=64, ge=1)
    """Requests to the server in flight, each with both orders of a pair."""
    timeout: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds that one reply of the server may take."""
    patience: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds that the server may be away before the run stops; it can be resumed."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of weights and activations. ``auto``: bfloat16 on a GPU; on a CPU float32 with the
    fastest matrix products that it has, which is recorded (``float32``: always exact products)."""
    mode: Literal["justify", "verdict"] = "justify"
    """``justify`` writes why, then the statement; ``verdict`` reads the strength alone."""
    orders: Literal["both", "given"] = "both"
    """``both`` judges every pair a second time with its responses exchanged."""
    template: str | None = None
    """Prompt template: its name, or a path that ends in ``.txt``. None: the model's own."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn at random."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Longest elaboration, in tokens; after them the statement is forced."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Options of the model's chat template, as ``{"enable_thinking": false}``: a JSON object."""
    temperature: float = Field(default=0.0, ge=0)
    """0 always takes the likeliest token; above 0, elaborations are drawn by the seed."""
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

    @field_validator("chat_template_kwargs", mode="before")
    @classmethod
    def _an_object(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValueError(f"{value!r} is not a JSON object") from None
        reserved = sorted(RESERVED & value.keys()) if isinstance(value, dict) else []
        if reserved:
            raise ValueError(f"{reserved[0]} is not for the chat template alone")
        return value

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, url: str | None) -> str | None:
        # Before anything names the address, on a screen or in a run folder.
        if url is not None and ("@" in url or holds_key(url.partition("?")[2])):
            raise ValueError("holds credentials; set JUDGE_API_KEY in the environment instead")
        return url

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
    def _server_or_none(self) -> JudgeConfig:
        if (self.engine == "server") != (self.url is not None):
            raise ValueError("engine server and a url go together: --engine server --url URL")
        if self.engine == "server" and (self.dtype != "auto" or self.batch_tokens is not None):
            raise ValueError("dtype and batch_tokens are set by the server")
        if self.tokenizer is not None and self.engine != "server":
            raise ValueError("tokenizer is for engine server; other engines have the model's own")
        return self

    @model_validator(mode="after")
    def _vllm_or_none(self) -> JudgeConfig:
        given = [name for name in VllmOptions.model_fields if getattr(self, name) is not None]
        if given and self.engine not in ("vllm", "ray"):
            raise ValueError(f"{given[0]} is for engines vllm and ray")
        if self.engine in ("vllm", "ray") and self.batch_tokens is not None:
            raise ValueError(
                f"batch_tokens is not for engine {self.engine}; it has max_num_batched_tokens"
            )
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
        name = values.get("engine") if isinstance(values, dict) else None
        if isinstance(name, str) and name in ENGINES and ENGINES[name].many:
            return {"window": _WIDE_WINDOW, **values}
        return values

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


_NO_IDENTITY = {
    "input", "out", "template", "scorer", "weights", "split", "subset", "revision", "limit",
    "max_failures", "fresh", "url", "tokenizer", "concurrency", "timeout", "patience",
    *VllmOptions.model_fields, *RayOptions.model_fields,
}  # fmt: skip
_KEY = re.compile(r"(^|&)[^=&]*(key|token|secret|pass|sig|auth|cred|code|jwt|session)[^=&]*=", re.I)
_WIDE_WINDOW = 1024


def window_of(engine: str) -> int:
    """Return how many pairs are judged together where nothing says so."""
    if engine_kind(engine).many:
        return _WIDE_WINDOW
    return int(RowsConfig.model_fields["window"].default)


def holds_key(query: str) -> bool:
    """Say whether the query of an address has a field that is called as a secret is."""
    return bool(_KEY.search(query))


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


def load_config(
    kind: type[Config], file: Path | None, given: dict[str, Any], example: str | None = None
) -> Config:
    """Return a configuration of some other kind; as :func:`load_batch_config`.

    Args:
        example: a command with all that is needed, for whoever leaves some of it out.
    """
    values = {} if file is None else _read_yaml(file)
    values |= {name: value for name, value in given.items() if value not in (None, [])}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "missing" and example is not None:
            what = "INPUT" if name == "input" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{what} is missing; expected, for example: {example}") from None
        known = ", ".join(kind.model_fields)
        hint = f"; the fields are {known}" if problem["type"] == "extra_forbidden" else ""
        field = f"field {name}: " if name else ""
        text = problem["msg"].removeprefix("Value error, ")
        raise UsageError(f"configuration {field}{text}{hint}") from None


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds {type(values).__name__}, expected fields and values")
    return {str(name): value for name, value in values.items()}

"""What every configuration shares: where rows come from, how a model is run, a YAML file read."""

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
    field_validator,
    model_validator,
)

from judge.engine_options import ENGINES, EngineName, RayOptions, VllmOptions
from judge.errors import UsageError
from judge.options import Option

RESERVED = frozenset(
    ("conversation", "tokenize", "add_generation_prompt", "continue_final_message", "chat_template",
     "tools", "documents", "padding", "truncation", "max_length", "return_tensors", "return_dict",
     "return_assistant_tokens_mask", "tokenizer_kwargs", "messages")
)  # fmt: skip
"""Arguments of transformers' ``apply_chat_template`` that are no options of a template."""
Config = TypeVar("Config", bound=BaseModel)
_NO_IDENTITY = {
    "input", "out", "template", "scorer", "weights", "split", "subset", "revision", "limit",
    "max_failures", "fresh", "url", "tokenizer", "concurrency", "timeout", "patience",
    *VllmOptions.model_fields, *RayOptions.model_fields,
}  # fmt: skip
_KEY = re.compile(r"(^|&)[^=&]*(key|token|secret|pass|sig|auth|cred|code|jwt|session)[^=&]*=", re.I)
WIDE_WINDOW = 1024


class InputConfig(BaseModel):
    """What every run over rows is asked, whatever is made of them."""

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
    max_failures: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=0)
    """Stop when more than N rows have failed. None: any number is recorded."""
    fresh: bool = False
    """Start again: remove the results that lie in the run folder."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine a result: what a resumed run must have in common.

        Where the input, a template and weights lie says nothing about what is in them, so their
        contents stand in for them (added by :func:`judge.infer.rows.run_rows`'s callers).
        """
        return self.model_dump(exclude=_NO_IDENTITY)


def with_wide_window(values: Any) -> Any:
    """Return the fields of a configuration, with the window of engines that do many rows at once.

    One that is said stays.
    """
    name = values.get("engine") if isinstance(values, dict) else None
    if isinstance(name, str) and name in ENGINES and ENGINES[name].many:
        return {"window": WIDE_WINDOW, **values}
    return values


class ModelConfig(VllmOptions):
    """How a model runs and writes."""

    model: str
    """A folder or a hub model id."""
    engine: EngineName = "auto"
    """What runs the model; ``auto`` is transformers, ``server`` an OpenAI-compatible server
    elsewhere."""
    url: str | None = None
    """Address of the server, as ``http://localhost:8000/v1``. Its API key comes from the
    environment: ``JUDGE_API_KEY`` or ``OPENAI_API_KEY``."""
    concurrency: int = Field(default=64, ge=1)
    """Requests to the server in flight."""
    timeout: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds that one reply of the server may take."""
    patience: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds that the server may be away before the run stops; it can be resumed."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of weights and activations. ``auto``: bfloat16 on a GPU; on a CPU float32 with the
    fastest matrix products that it has, which is recorded (``float32``: always exact products)."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn at random."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Options of the model's chat template, as ``{"enable_thinking": false}``: a JSON object."""
    temperature: float = Field(default=0.0, ge=0)
    """0 always takes the likeliest token; above 0, texts are drawn by the seed."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Most prompt tokens, padding included, that go through the model at once. None: 8192; on a CPU
    as many as have 256 MiB of keys and values."""

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
            raise ValueError(f"{reserved[0]} is not an option of the chat template")
        return value

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, url: str | None) -> str | None:
        # Before anything names the address, on a screen or in a run folder.
        if url is not None and ("@" in url or holds_key(url.partition("?")[2])):
            raise ValueError("holds credentials; set JUDGE_API_KEY in the environment instead")
        return url

    @model_validator(mode="after")
    def _server_or_none(self) -> ModelConfig:
        if (self.engine == "server") != (self.url is not None):
            raise ValueError("engine server and a url go together: --engine server --url URL")
        if self.engine == "server" and (self.dtype != "auto" or self.batch_tokens is not None):
            raise ValueError("dtype and batch_tokens are set by the server")
        return self

    @model_validator(mode="after")
    def _vllm_or_none(self) -> ModelConfig:
        given = [name for name in VllmOptions.model_fields if getattr(self, name) is not None]
        if given and self.engine not in ("vllm", "ray"):
            raise ValueError(f"{given[0]} is for engines vllm and ray")
        if self.engine in ("vllm", "ray") and self.batch_tokens is not None:
            raise ValueError(
                f"batch_tokens is not for engine {self.engine}; it has max_num_batched_tokens"
            )
        return self


def holds_key(query: str) -> bool:
    """Say whether the query of an address has a field that is called as a secret is."""
    return bool(_KEY.search(query))


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
            what = _argument(kind) if name == "input" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{what} is missing; expected, for example: {example}") from None
        known = ", ".join(kind.model_fields)
        hint = f"; the fields are {known}" if problem["type"] == "extra_forbidden" else ""
        where = f"configuration field {name}" if name else "configuration"
        text = problem["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where}: {text}{hint}") from None


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


def _argument(kind: type[BaseModel]) -> str:
    """Return what the command line calls the input of a configuration."""
    said = (m.metavar for m in kind.model_fields["input"].metadata if isinstance(m, Option))
    return next(said, None) or "INPUT"

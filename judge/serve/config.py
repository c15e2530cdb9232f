"""The configuration of `judge serve`, and the API keys that only the environment knows."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from judge.config import JudgeConfig
from judge.engine_options import engine_kind
from judge.errors import UsageError
from judge.options import Option

KEY_VARIABLE = "JUDGE_API_KEY"


class ServeConfig(JudgeConfig):
    """What ``judge serve`` is asked to do; also the fields of its ``--config`` file (YAML).

    ``mode`` and ``orders`` are what a request gets that asks for none.
    """

    judge: bool = True
    """Judge pairs; without, the reward models of ``--scorer`` alone are served."""
    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` is every address of this machine."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port; 0 takes a free one."""
    window: Annotated[int, Option(default="32; vllm, server: 256")] = Field(default=32, ge=1)
    """Most pairs that are judged together, of all requests."""
    alone: bool = False
    """Judge no two requests together: equal requests get equal answers to the last digit."""
    queue: int = Field(default=1024, ge=1)
    """Most pairs that wait; a request with more than there is room for is refused (429)."""
    max_requests: int = Field(default=256, ge=1)
    """Most requests at a time; one more is refused (429)."""
    max_pairs: int = Field(default=256, ge=1)
    """Most pairs, or responses, of a request."""
    max_body: int = Field(default=8 << 20, ge=1)
    """Most bytes of a request's body."""
    max_characters: int = Field(default=500_000, ge=1)
    """Most characters of a pair, its prompt included."""
    strip_thinking: bool = False
    """Judge responses without what a reasoning model wrote before them, as in ``<think>``."""
    empty_responses: bool = False
    """Judge a pair with one empty response like any other; otherwise it fails."""
    request_seconds: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds after which a request is given up (504), from its first byte to its answer."""

    @model_validator(mode="before")
    @classmethod
    def _wide_window(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("engine") in ("vllm", "server"):
            return {"window": 256, **values}
        return values

    @model_validator(mode="after")
    def _not_by_ray(self) -> ServeConfig:
        if engine_kind(self.engine).judges_windows:
            raise ValueError(
                "engine ray judges files (judge batch); to serve from many GPUs, put judge serve"
                " --engine server in front of vllm serve --data-parallel-size N"
            )
        return self

    @model_validator(mode="after")
    def _something_is_served(self) -> ServeConfig:
        if not self.judge and not self.scorer:
            raise ValueError("without a judge there is nothing to serve; name a --scorer")
        if not self.judge and self.engine == "server":
            raise ValueError("engine server runs judges; reward models are run here")
        return self

    @model_validator(mode="after")
    def _queue_holds_a_request(self) -> ServeConfig:
        if self.queue < self.max_pairs:
            raise ValueError(
                f"queue {self.queue} is too small for {self.max_pairs} pairs at once (max_pairs)"
            )
        return self


def take_keys(environment: MutableMapping[str, str]) -> tuple[str, ...]:
    """Return the keys of ``JUDGE_API_KEY``, which commas part; none where it is not set.

    The variable is taken out of ``environment``: they are the keys of this server, no business of
    an engine's processes, and no server behind this one may be sent them as its own.

    Raises:
        UsageError: when it is set and holds no key: a server without a lock by mistake.
    """
    value = environment.pop(KEY_VARIABLE, None)
    if value is None:
        return ()
    keys = tuple(key for part in value.split(",") if (key := part.strip()))
    if not keys:
        raise UsageError(f"{KEY_VARIABLE} is set and holds no key; unset it to serve without one")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise UsageError(f"a key of {KEY_VARIABLE} has blanks or characters other than ASCII")
    return keys

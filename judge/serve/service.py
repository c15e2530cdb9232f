"""What the parts of one server share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from judge.serve.arrivals import Arrivals
from judge.serve.config import ServeConfig
from judge.serve.metrics import Metrics
from judge.serve.schema import ModelRecord, ScorerRecord
from judge.serve.worker import Worker


@dataclass
class Service:
    """One server: its worker, what it may be asked, and whether it still takes requests."""

    config: ServeConfig
    worker: Worker
    metrics: Metrics
    model: ModelRecord | None
    """What judges; None: only rewards are given."""
    scorers: Mapping[str, ScorerRecord] = field(default_factory=dict)
    """The reward models by name."""
    keys: Sequence[str] = ()
    """Any of them opens the API; where there is none, it is open."""
    draining: bool = False
    """Whether the requests at hand are the last ones."""
    active: int = 0
    """Requests for judgments that are not answered yet."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Those of them whose bodies are not there yet."""

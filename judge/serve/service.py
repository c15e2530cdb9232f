"""What the parts of one server share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from judge.serve.arrivals import Arrivals
from judge.serve.config import ServeConfig
from judge.serve.metrics import Metrics
from judge.serve.schema import ModelRecord
from judge.serve.worker import Worker


@dataclass
class Service:
    """One server: its worker, what it may be asked, and whether it still takes requests."""

    config: ServeConfig
    worker: Worker
    metrics: Metrics
    model: ModelRecord
    keys: Sequence[str] = ()
    """Any of them opens the API; where there is none, it is open."""
    draining: bool = False
    """Whether the requests at hand are the last ones."""
    active: int = 0
    """Requests for judgments that are not answered yet."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Those of them whose bodies are not there yet."""

"""The configuration of a probing run: what ``judge batch`` is asked, and what to probe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from judge.config import BatchConfig
from judge.engine_options import engine_kind
from judge.formats.labels import Rule
from judge.options import Option

Probe = Literal[
    "position",
    "length",
    "formatting",
    "padding",
    "consistency",
    "injection",
    "null",
    "identical",
]
PROBES: tuple[Probe, ...] = get_args(Probe)
ORIGINAL = "original"
"""The set of the input's own pairs: what the altered ones are compared with."""


class ProbeConfig(BatchConfig):
    """What ``judge probe`` is asked to do; also the fields of its ``--config`` file (YAML)."""

    probe: Annotated[tuple[Probe, ...], Option(metavar="NAME", default="all")] = PROBES
    """What to probe; each has its own pairs to judge. May be repeated."""
    judge: bool = True
    """Probe the judge, or reward models alone."""
    labels: Annotated[str | None, Option(metavar="FILE|column:NAME")] = None
    """Which response is better: a file of labels, or a column of the input. None: what the input
    itself says, if it does."""
    label_rule: Rule = "consensus"
    """How several people's labels of a pair become one."""
    gate: Annotated[str | None, Option(metavar="FILE")] = None
    """YAML of thresholds; the command ends with 3 when a figure exceeds one."""
    samples: int = Field(default=5, ge=2)
    """How often every pair is judged for self-consistency, each time with another seed."""
    sample_temperature: float = Field(default=0.7, gt=0)
    """Temperature of these samples."""
    max_failures: None = None
    """Not asked: some of the probes' rows are meant to be refused."""

    @field_validator("probe")
    @classmethod
    def _each_once(cls, probe: tuple[Probe, ...]) -> tuple[Probe, ...]:
        return tuple(name for name in PROBES if name in probe)

    @model_validator(mode="after")
    def _somebody_to_probe(self) -> ProbeConfig:
        # Its replicas would be loaded anew for every set.
        if engine_kind(self.engine).judges_windows:
            raise ValueError("engine ray is for judge batch and judge bench")
        if not self.judge and not self.scorer:
            raise ValueError("nothing to probe: --no-judge needs a --scorer")
        return self

    @property
    def sets(self) -> Path:
        """The folder of the probe sets."""
        return Path(self.out) / "sets"

    @property
    def sample_runs(self) -> list[str]:
        """The runs over the original pairs that draw; none where nobody draws."""
        draws = self.judge and self.mode == "justify" and "consistency" in self.probe
        return [f"sample_{number}" for number in range(1, self.samples + 1)] if draws else []

    def run_folder(self, run: str) -> Path:
        """Return the run folder of a set or sample; of scorers alone the folder of theirs."""
        return Path(self.out) / "runs" / run

    def runs(self, sets: Iterable[str]) -> list[BatchConfig]:
        """Return the configurations of all runs: over each set, then the samples."""
        sampled = [
            self._run(
                ORIGINAL,
                run,
                seed=self.seed + number,
                temperature=self.sample_temperature,
                scorer={},
                weights={},
            )
            for number, run in enumerate(self.sample_runs, start=1)
        ]
        return [*(self._run(name, name) for name in sets), *sampled]

    def _run(self, name: str, run: str, **changes: Any) -> BatchConfig:
        shared = self.model_dump(include=set(BatchConfig.model_fields))
        where = {"input": str(self.sets / f"{name}.jsonl"), "out": str(self.run_folder(run))}
        cut: dict[str, Any] = dict.fromkeys(
            ("split", "subset", "revision", "limit")
        )  # the set has been cut out
        cut["strip_thinking"] = False
        return BatchConfig.model_validate({**shared, **where, **cut, **changes})

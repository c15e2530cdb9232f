"""``judge compare``: systems beside each other and beside people, as one result.

:class:`Comparison` is all that tables, the JSON file and the report show; nothing in it depends on
a clock but what the runs' own summaries say of their time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from judge import __version__
from judge.compare.accuracy import SystemAccuracy, accuracies
from judge.compare.agreement import SystemsAgreement, agreement
from judge.compare.calibration import Calibration, calibrations
from judge.compare.columns import Column, Floats, column
from judge.compare.config import CompareConfig
from judge.compare.disagreements import Disagreement, disagreements, with_texts
from judge.compare.explanations import Explanations, explanations
from judge.compare.gather import STRENGTH, Gathered, gather
from judge.compare.matching import RunMatch
from judge.compare.rewards import RewardDistributions, reward_distributions
from judge.compare.significance import Paired, paired_tests
from judge.compare.slices import Slice, slices
from judge.compare.systems import Kind, System
from judge.errors import UsageError
from judge.metrics.estimate import rounded
from judge.runs.jsonlines import encode_line
from judge.runs.whole import refused_in_one_line, replace_json, write_whole

COMPARISON, DISAGREEMENTS = "comparison.json", "disagreements.jsonl"


class SystemSummary(BaseModel):
    """One system: what it was asked, what became of it, what it cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    folder: str | None
    """The run folder; None for people and the baseline."""
    asked: int
    """Pairs of the comparison that it was asked of."""
    response_1: int
    response_2: int
    ties: int
    """Pairs that it answered without a preference."""
    failed: int
    failures: dict[str, int]
    """Failed pairs by reason; for people why a pair has no label."""
    stray_failures: dict[str, int]
    """Failed rows of its run that are no pair (no id, or an earlier row's), by reason."""
    unasked: int
    """Pairs that a reward model was not given, since the judge it stood beside had failed."""
    prompt_tokens: float | None
    """A pair, on average, both orders or conversations; None where its run does not say."""
    completion_tokens: float | None
    seconds: float | None
    """A pair, without loading; a judge's include the reward models of ``seconds_with``."""
    seconds_with: list[str]


class Comparison(BaseModel):
    """Everything that was found. Figures that cannot be computed say why (``why_not``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    asked: CompareConfig
    pairs: int
    """In all runs together."""
    labels: str | None
    """Where the labels come from that accuracy is measured against; None: there are none."""
    reference: str
    """The name of those people among ``systems``."""
    labelled: int
    """Pairs on which they have a preference."""
    undecided: int
    """Pairs on which they have none: a tie. They count in agreement, not in accuracy."""
    systems: list[SystemSummary]
    """Judges and reward models in the order given, people, then the length baseline."""
    matches: list[RunMatch]
    accuracy: list[SystemAccuracy]
    tests: list[Paired]
    agreement: SystemsAgreement
    slices: list[Slice]
    calibration: list[Calibration]
    rewards: list[RewardDistributions]
    explanations: list[Explanations]
    """Whether each judge's explanations speak for the response that its statements name."""
    disagreements: dict[str, int]
    """Pairs on which anyone differs, ``all`` and by cause."""
    queue: list[Disagreement] = Field(exclude=True)
    """The first of them; they stand in ``disagreements.jsonl``, not in ``comparison.json``."""
    notes: list[str]
    """What could not be read or checked, one line each."""


def compare(config: CompareConfig, tell: Callable[[str], None] = lambda text: None) -> Comparison:
    """Return the comparison of the runs that ``config`` names.

    Args:
        tell: is told what is being done, in one line each time.

    Raises:
        UsageError: when a run folder or labels file is missing or damaged.
    """
    tell("reading runs, inputs and labels")
    there = gather(config)
    models = [s for s in there.matched.systems if s.kind != "people"]
    people = [s for s in there.matched.systems if s.kind == "people"]
    baseline = [there.baseline] if there.baseline.decisions else []
    ids, metadata = there.matched.ids, there.matched.metadata
    of = {id(s): column(ids, s) for s in [*models, *people, there.people, *baseline]}
    reference = of[id(there.people)]
    judged = [of[id(s)] for s in [*models, *baseline]]
    weights = _weights(config.weights, there, reference)
    tell(f"comparing {len(judged)} systems on {len(ids):,} pairs")
    everyone = [*models, *people, *baseline]
    queue = disagreements(ids, everyone, config.queue)
    return Comparison(
        version=__version__,
        asked=config,
        pairs=len(ids),
        labels=there.labels,
        reference=there.people.name,
        labelled=int(reference.preferred.sum()),
        undecided=int((reference.answered & ~reference.preferred).sum()),
        systems=[_summary(system, of[id(system)]) for system in everyone],
        matches=there.matched.matches,
        accuracy=accuracies(judged, reference, weights, config.seed),
        tests=paired_tests(judged, reference, weights, config.seed),
        agreement=agreement([of[id(s)] for s in everyone]),
        slices=slices(ids, metadata, judged, reference, config.slice),
        calibration=calibrations(judged, reference, config.seed),
        rewards=reward_distributions(judged, reference),
        explanations=explanations(models),
        disagreements=queue.counts,
        queue=with_texts(queue.first, everyone),
        notes=there.notes,
    )


def _weights(name: str | None, there: Gathered, reference: Column) -> Floats | None:
    """Return each pair's weight, NaN where it has none; None where none were asked for."""
    if name is None:
        return None
    if name == STRENGTH:
        return np.abs(reference.strength)
    metadata = there.matched.metadata
    texts = [metadata[i].columns.get(name) if i in metadata else None for i in there.matched.ids]
    if not any(text is not None for text in texts):
        raise UsageError(f"no pair has a column {name}; expected the name of a column of weights")
    return np.array([_weight(i, t) for i, t in zip(there.matched.ids, texts, strict=True)])


def _weight(pair_id: str, text: str | None) -> float:
    if text is None:
        return math.nan
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise UsageError(f"the weight of {pair_id!r} is {text!r}; expected a number, 0 or more")
    return weight


def _summary(system: System, of: Column) -> SystemSummary:
    def per_pair(value: float | None) -> float | None:
        return None if value is None else rounded(value)

    cost = system.cost
    return SystemSummary(
        name=system.name,
        kind=system.kind,
        folder=None if system.origin is None else system.origin.folder,
        asked=int(of.asked.sum()),
        response_1=int((of.choice < 0).sum()),
        response_2=int((of.choice > 0).sum()),
        ties=int((of.answered & ~of.preferred).sum()),
        failed=int(of.failed.sum()),
        failures=system.failures,
        stray_failures=dict(sorted(system.stray_failures.items())),
        unasked=system.unasked,
        prompt_tokens=per_pair(cost.prompt_tokens),
        completion_tokens=per_pair(cost.completion_tokens),
        seconds=per_pair(cost.seconds),
        seconds_with=list(cost.beside),
    )


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``comparison.json`` and ``disagreements.jsonl``; return their paths.

    The same comparison gives the same bytes.

    Raises:
        UsageError: when the folder cannot be made or written to.
    """
    queue = folder / DISAGREEMENTS
    with refused_in_one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(queue, b"".join(encode_line(d.to_json()) for d in comparison.queue))
    replace_json(folder / COMPARISON, comparison.model_dump(mode="json"))
    return [folder / COMPARISON, queue]

"""Whether a judge's explanations speak for the response that its statements name.

A statement is constrained and read at its branch points; the elaboration before it is free text. A
judge that argues for one response and names the other misleads whoever reads why. Each elaboration
is read by rule (:mod:`judge.compare.polarity`) and held against the statement that stood with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from judge.compare.polarity import contrary
from judge.compare.systems import System
from judge.metrics.estimate import Estimate, share
from judge.runs.folder import JUDGMENTS
from judge.runs.jsonlines import read_rows
from judge.verdict import parse_statement

MOST = 200
"""Pairs that are named."""


class Contrary(BaseModel):
    """A pair whose explanation speaks for the other response than its statement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair_id: str
    statement: str
    elaboration: str
    """Both in the names of the run's own input, as they stand in its judgments."""


class Explanations(BaseModel):
    """What was found in one judge's explanations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    contrary: Estimate
    """The share of explained judgments whose elaboration surely speaks for the other response."""
    pairs: list[Contrary]
    """The first :data:`MOST` of them, in the order of the run."""


def explanations(systems: Sequence[System]) -> list[Explanations]:
    """Return what each judge's explanations are worth; nothing for one that wrote none.

    Raises:
        UsageError: when a run folder is damaged.
    """
    found = [_read(system) for system in systems if system.kind == "judge" and system.origin]
    return [of for of in found if of.contrary.n]


def _read(system: System) -> Explanations:
    explained = count = 0
    first: list[Contrary] = []
    for pair_id, statement, elaboration in _explained(system):
        strength = parse_statement(statement)
        if strength is None:
            continue
        explained += 1
        if contrary(elaboration, strength):
            count += 1
            if len(first) < MOST:
                first.append(
                    Contrary(pair_id=pair_id, statement=statement, elaboration=elaboration)
                )
    return Explanations(
        system=system.name,
        contrary=share(count, explained, "no judgment has an elaboration"),
        pairs=first,
    )


def _explained(system: System) -> Iterator[tuple[str, str, str]]:
    assert system.origin is not None
    common = {own: pair_id for pair_id, own in system.own_ids.items()}
    for row in read_rows(Path(system.origin.folder) / JUDGMENTS, dict):
        pair_id = common.get(row["pair_id"], row["pair_id"])
        if row["elaboration"] and row["statement"] and pair_id in system.decisions:
            yield pair_id, row["statement"], row["elaboration"]

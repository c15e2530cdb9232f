"""A run's judgments as games between models: who answered, who won, which prompt, how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from judge.compare.columns import Floats
from judge.compare.systems import Decision, Origin
from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.pairs import read_row
from judge.formats.records import Record
from judge.formats.rows import content_id
from judge.formats.sources import FileSource, open_source
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Pair

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Games:
    """Judged pairs of two models each; arrays have one entry a game."""

    models: tuple[str, ...]
    """In alphabetical order."""
    first: Ints
    """Place in ``models`` of the model that wrote Response 1; ``second`` likewise."""
    second: Ints
    points: Floats
    """1 where Response 1 is preferred, 0 where Response 2 is, 0.5 for a tie."""
    prompts: Ints
    """Number of the prompt: games of the same prompt share it."""
    longer: Floats
    """Characters of Response 1 less those of Response 2."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Judged rows that are no game, by reason."""

    def __len__(self) -> int:
        return len(self.first)

    @property
    def clusters(self) -> int:
        """Return the number of prompts."""
        return int(self.prompts.max()) + 1 if len(self) else 0

    def prompts_of(self, model: int) -> int:
        """Return the number of prompts that a model answered in these games."""
        there = (self.first == model) | (self.second == model)
        return len(np.unique(self.prompts[there]))


def read_games(
    origin: Origin, decisions: Mapping[str, Decision], columns: tuple[str, str]
) -> Games:
    """Return the games of a system's decisions.

    Failures, rows without both models' names and a model against itself are left out and counted.

    Args:
        columns: fields of the run's input with the names of the models that wrote Response 1 and
            Response 2.

    Raises:
        UsageError: when the input cannot be read or is not what was judged, or no game is left.
    """
    if origin.input == "-":
        raise UsageError(
            "the pairs came from the standard input, which is gone; nothing says which models"
            " wrote them"
        )
    source = open_source(origin.input, origin.split, origin.subset, origin.revision)
    if isinstance(source, FileSource):
        source = FileSource.open(source.path, labels=True)
    if origin.identity and source.identity() != origin.identity:
        raise UsageError(f"{origin.input} is not the input that was judged")
    found = _Reader(decisions)
    seen = IdSet()
    for record in source.records():
        try:
            fields = row_fields(record.row)
        except RowError:
            continue  # a failure of the run, without an id
        there = Record(record.line, fields)
        pair = read_row(there, seen, origin.strip_thinking, origin.empty_responses)
        if pair.pair_id is not None and pair.pair_id in decisions:
            names = (fields.get(columns[0]), fields.get(columns[1]))
            found.add(pair.pair_id, pair, names)
    return found.games(f"{origin.input} has no judged row with {' and '.join(columns)}")


class _Reader:
    def __init__(self, decisions: Mapping[str, Decision]) -> None:
        self._decisions = decisions
        self._left_out: Counter[str] = Counter()
        self._rows: list[tuple[str, str, float, str, int]] = []

    def add(self, pair_id: str, pair: Pair | Failure, names: tuple[object, object]) -> None:
        decision = self._decisions[pair_id]
        one, two = (str(name) if isinstance(name, str | int) else "" for name in names)
        if isinstance(pair, Failure):  # also a later row with the id of this decision
            self._left_out[f"failed: {pair.reason}"] += 1
        elif decision.failure is not None:
            self._left_out[f"failed: {decision.failure}"] += 1
        elif not one or not two:
            self._left_out["no names of two models"] += 1
        elif one == two:
            self._left_out["a model against itself"] += 1
        else:
            points = {"response_1": 1.0, "response_2": 0.0, None: 0.5}[decision.preference]
            longer = len(pair.response_1) - len(pair.response_2)
            self._rows.append((one, two, points, content_id(pair.prompt), longer))

    def games(self, nothing: str) -> Games:
        if not self._rows:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in self._left_out.items())
            raise UsageError(nothing + (f" ({reasons})" if reasons else ""))
        one, two, points, prompts, longer = zip(*self._rows, strict=True)
        models = tuple(sorted({*one, *two}))
        place = {name: index for index, name in enumerate(models)}
        number: dict[str, int] = {}
        return Games(
            models=models,
            first=np.array([place[name] for name in one]),
            second=np.array([place[name] for name in two]),
            points=np.array(points),
            prompts=np.array([number.setdefault(prompt, len(number)) for prompt in prompts]),
            longer=np.array(longer, dtype=float),
            left_out=dict(sorted(self._left_out.items())),
        )

"""The data of AlpacaEval's model besides the answers: difficulties of instructions, gamed answers.

``instruction_difficulty.csv`` and ``df_gamed.csv`` lie in the data set tatsu-lab/alpaca_eval: an
index of its 805 instructions, in the order of its baseline's answers, and a number each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from judge.compare.arena.contestants import Contestant
from judge.compare.arena.length_glm import Gamed
from judge.compare.arena.matches import Match
from judge.compare.columns import Floats
from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.rows import number
from judge.formats.sources import FileSource

VALUE = "instruction_difficulty"


def read_difficulty(name: str, baseline: Contestant) -> dict[str, float]:
    """Return the difficulty of each prompt of the baseline, by the prompt's content.

    Args:
        name: a table with ``instruction``, or with an index as its first column; the index counts
            the baseline's answers from 0.

    Raises:
        UsageError: when a prompt has none, or the index is of another number of prompts.
    """
    by_text: dict[str, float] = {}
    by_index: dict[int, float] = {}
    for line, fields in _rows(name):
        value = number(fields.get(VALUE))
        if value is None:
            raise UsageError(f"{name} line {line}: {VALUE} is not a number")
        if isinstance(instruction := fields.get("instruction"), str):
            by_text[instruction] = value
            continue
        place = number(next(iter(fields.values())))
        if place is None or place != int(place):
            raise UsageError(f"{name} line {line}: neither an instruction nor an index")
        by_index[int(place)] = value
    prompts = dict.fromkeys(key[0] for key in baseline.answers)
    if by_text:
        texts = {key[0]: a.prompt[-1].content for key, a in baseline.answers.items()}
        found = {p: by_text[texts[p]] for p in prompts if texts[p] in by_text}
    elif len(by_index) != len(prompts):
        raise UsageError(
            f"{name} has the difficulties of {len(by_index):,} instructions, but the baseline"
            f" {baseline.name!r} {len(prompts):,} answers: they belong to other instructions"
        )
    else:
        found = {p: by_index[place] for place, p in enumerate(prompts) if place in by_index}
    if lacking := len(prompts) - len(found):
        raise UsageError(f"{name} lacks the difficulty of {lacking:,} of the baseline's prompts")
    return found


def difficulty_of(match: Match, difficulties: Mapping[str, float]) -> Floats:
    """Return the difficulty of each game's prompt."""
    return np.array([difficulties[game.key[0]] for game in match.games])


def read_gamed(name: str) -> Gamed:
    """Return the gamed games of ``df_gamed.csv``.

    Its ``std_delta_len`` is the first answer's length less the second's, and its preference that of
    the second, 0 to 1.

    Raises:
        UsageError: for a row that is none.
    """
    names = ("preference", "std_delta_len", VALUE)
    rows: list[Sequence[float]] = []
    for line, fields in _rows(name):
        values = [number(fields.get(column)) for column in names]
        if None in values:
            raise UsageError(f"{name} line {line}: expected numbers in {', '.join(names)}")
        rows.append([value for value in values if value is not None])
    table = np.array(rows).reshape(-1, 3)
    if ((table[:, 0] < 0) | (table[:, 0] > 1)).any():
        raise UsageError(f"{name}: preference is not between 0 and 1")
    return Gamed(table[:, 0], np.tanh(-table[:, 1]), table[:, 2])


def _rows(name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for record in FileSource.open(Path(name), labels=True).records():
        try:
            yield record.line, row_fields(record.row)
        except RowError as error:
            raise UsageError(f"{name} line {record.line}: {error.detail}") from None

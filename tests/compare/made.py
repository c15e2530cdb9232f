"""Systems and run folders made for the tests of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge.compare.columns import Column, column
from judge.compare.systems import Decision, Kind, System, failed
from judge.infer import batch, score
from tests.scripted import config, engine, row
from tests.scripted_scorers import beside, bt, score_config, scored_config

Said = int | str | None
"""-1 Response 1, 1 Response 2, 0 a tie, a reason for a failure, None for a pair not asked of."""
_PREFERENCE: dict[int, Any] = {-1: "response_1", 1: "response_2", 0: None}


def system(
    name: str,
    said: Sequence[Said],
    *,
    kind: Kind = "judge",
    probability: Sequence[float | None] | None = None,
    strength: Sequence[float | None] | None = None,
    rewards: Sequence[tuple[float, float] | None] | None = None,
) -> System:
    """A system that says so of the pairs ``p0``, ``p1`` ..."""
    made = System(name, kind)
    for i, what in enumerate(said):
        if isinstance(what, str):
            made.decisions[f"p{i}"] = failed(what)
        elif what is not None:
            made.decisions[f"p{i}"] = Decision(
                _PREFERENCE[what],
                strength=None if strength is None else strength[i],
                probability=None if probability is None else probability[i],
                rewards=None if rewards is None else rewards[i],
            )
    return made


def ids(n: int) -> list[str]:
    return [f"p{i}" for i in range(n)]


def made_column(name: str, said: Sequence[Said], **fields: Any) -> Column:
    return column(ids(len(said)), system(name, said, **fields))


def people(said: Sequence[Said], **fields: Any) -> Column:
    return made_column("people", said, kind="people", **fields)


def labelled_rows(count: int) -> list[dict[str, Any]]:
    """Pairs with a label, a strength, a category, a weight and responses of many lengths."""
    return [
        row(
            n,
            response_1="word " * (n % 7 + 1),
            response_2="other " * (n % 5 + 1),
            label=f"response_{n % 2 + 1}",
            strength=n % 3 + 1,
            category="odd" if n % 2 else "even",
            weight=n % 4,
        )
        for n in range(count)
    ]


def judged(input: Path, out: Path, **fields: Any) -> Path:
    """The run folder of a scripted judge alone."""
    batch.run(config(input, out, **fields), engine)
    return out


def judged_beside(input: Path, out: Path, **fields: Any) -> Path:
    """The run folder of a scripted judge with two reward models beside it."""
    batch.run(scored_config(input, out, **fields), engine, load_scorers=beside)
    return out


def scored(input: Path, out: Path, **fields: Any) -> Path:
    """The run folder of a scripted reward model alone."""
    score.run(score_config(input, out, **fields), bt)
    return out

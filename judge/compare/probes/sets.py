"""The pairs that each probe asks about: files of pairs, derived from the pairs of an input.

A probe set is an ordinary file of pairs (``sets/NAME.jsonl``) with the pair ids of the input. Its
further column ``target`` names the altered response; no judge looks at it. Which response that is
is drawn by a hash of seed and id, the same one in all sets where it can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from judge.compare.probes.config import ORIGINAL, PROBES, Probe
from judge.compare.probes.texts import (
    ATTACKS,
    MARKDOWN,
    NULL_ANSWERS,
    is_plain,
    markdown,
    pad,
)
from judge.errors import UsageError
from judge.judgment import Failure
from judge.pair import Pair
from judge.reward import Preference
from judge.runs.identity import made_files
from judge.runs.jsonlines import encode_line, read_rows

OTHERS = "the pairs of another input, --limit, --seed or version"
UNREADABLE = "unreadable"
"""Rows of the input that are no pairs, as in a run's ``failures.jsonl``."""
SIDES: tuple[Preference, Preference] = ("response_1", "response_2")


class Altered(NamedTuple):
    """A derived pair and the response that was altered; None in the original."""

    pair: Pair
    target: Preference | None


Derive = Callable[[Pair, Preference], Altered | None]
"""From a pair and the response drawn for it; None where the probe has nothing to alter."""


class SetRow(NamedTuple):
    """What measuring needs to know of a row of a set."""

    pair_id: str
    target: Preference | None
    lengths: tuple[int, int]
    """Characters of Response 1 and Response 2."""


def sets_of(probes: Iterable[Probe]) -> dict[str, Derive]:
    """Return the sets that ``probes`` need, the original one first."""
    wanted = set(probes)
    sets: dict[str, Derive] = {ORIGINAL: lambda pair, drawn: Altered(pair, None)}
    if "formatting" in wanted:
        sets |= {f"formatting_{kind}": _twin(change) for kind, change in MARKDOWN.items()}
        sets["formatting_all"] = _decorate
    if "padding" in wanted:
        sets["padding"] = _pad
    if "injection" in wanted:
        sets |= {f"injection_{name}": _inject(name) for name in ATTACKS}
    if "null" in wanted:
        sets |= {f"null_{name}": _replace(text) for name, text in NULL_ANSWERS.items()}
    if "identical" in wanted:
        sets["identical"] = _repeat
    return sets


def draw(pair_id: str, seed: int) -> Preference:
    """Return the response of this pair that is altered."""
    digest = hashlib.sha256(f"{seed}:{pair_id}".encode("utf-8", "surrogatepass")).digest()
    return SIDES[digest[0] % 2]


def write_sets(
    rows: Iterable[Pair | Failure],
    folder: Path,
    probes: Iterable[Probe] = PROBES,
    seed: int = 0,
    fresh: bool = False,
) -> dict[str, int]:
    """Write the sets of ``probes`` into ``folder`` in one pass; return the number of rows of each.

    Args:
        rows: the pairs of an input, and why other rows are none.
        fresh: replace sets that lie there and differ.

    Raises:
        UsageError: when there is no pair at all, the folder cannot be written to, or it holds sets
            of other pairs, another seed or another version.
    """
    sets = sets_of(probes)
    paths = [folder / _file(name) for name in (*sets, UNREADABLE)]
    with made_files(paths, OTHERS, fresh) as files:
        named = dict(zip((*sets, UNREADABLE), files, strict=True))
        counts, unusable = _write(rows, named, sets, seed)
        if not counts[ORIGINAL]:
            raise UsageError(_why_nothing(unusable))
    return counts


def read_set(folder: Path, name: str) -> Iterator[SetRow]:
    """Yield the rows of a set in its order."""
    return read_rows(folder / _file(name), _row)


def read_unreadable(folder: Path) -> Iterator[Failure]:
    """Yield the rows of the input that are no pairs."""
    return read_rows(folder / _file(UNREADABLE), Failure.model_validate)


def _file(name: str) -> str:
    return f"{name}.jsonl"


def _write(
    rows: Iterable[Pair | Failure],
    files: Mapping[str, IO[bytes]],
    sets: Mapping[str, Derive],
    seed: int,
) -> tuple[dict[str, int], Failure | None]:
    """Write every set into its file.

    Returns:
        The number of rows of each, and the first row that is no pair.
    """
    counts = dict.fromkeys(sets, 0)
    unusable: Failure | None = None
    for row in rows:
        if isinstance(row, Failure):
            unusable = unusable or row
            files[UNREADABLE].write(encode_line(row.model_dump()))
            continue
        drawn = draw(row.pair_id, seed)
        for name, derive in sets.items():
            altered = derive(row, drawn)
            if altered is not None:
                files[name].write(encode_line(_line(altered)))
                counts[name] += 1
    return counts, unusable


def _why_nothing(bad: Failure | None) -> str:
    if bad is None:
        return "the input has no rows"
    return f"no row of the input is a pair: line {bad.line}: {bad.reason}, {bad.detail}"


def _line(altered: Altered) -> dict[str, Any]:
    target = {} if altered.target is None else {"target": altered.target}
    return {**altered.pair.model_dump(mode="json"), **target}


def _row(row: Mapping[str, Any]) -> SetRow:
    lengths = len(row["response_1"]), len(row["response_2"])
    return SetRow(row["pair_id"], row.get("target"), lengths)


def _changed(pair: Pair, target: Preference, text: str) -> Altered:
    return Altered(pair.model_copy(update={target: text}), target)


def _both(pair: Pair, target: Preference, text: str, other: str) -> Altered:
    update: dict[str, str] = {side: text if side == target else other for side in SIDES}
    return Altered(pair.model_copy(update=update), target)


def _plain_side(pair: Pair, drawn: Preference) -> Preference | None:
    """Return the drawn response if it has words and no markdown yet, else the other one that has,
    else None."""
    sides = _worded(pair, drawn)
    return next((side for side in sides if is_plain(getattr(pair, side))), None)


def _worded(pair: Pair, drawn: Preference) -> list[Preference]:
    """Return the responses that have a word (``--empty-responses``), the drawn one first."""
    sides = sorted(SIDES, key=lambda side: side != drawn)
    return [side for side in sides if getattr(pair, side).strip()]


def _twin(change: Callable[[str], str]) -> Derive:
    """One response twice, once with markdown: nothing but the markdown can make a difference."""

    def derive(pair: Pair, drawn: Preference) -> Altered | None:
        plain = _plain_side(pair, drawn)
        if plain is None:
            return None
        text: str = getattr(pair, plain)
        return _both(pair, drawn, change(text), text)

    return derive


def _decorate(pair: Pair, drawn: Preference) -> Altered | None:
    """The pair's own responses, one with markdown: its weight beside that of the content."""
    plain = _plain_side(pair, drawn)
    return plain and _changed(pair, plain, markdown(getattr(pair, plain)))


def _pad(pair: Pair, drawn: Preference) -> Altered | None:
    text: str = getattr(pair, drawn)
    return _changed(pair, drawn, pad(text)) if text.strip() else None


def _inject(name: str) -> Derive:
    def derive(pair: Pair, drawn: Preference) -> Altered:
        text = ATTACKS[name].inject(getattr(pair, drawn), SIDES.index(drawn) + 1)
        return _changed(pair, drawn, text)

    return derive


def _replace(text: str) -> Derive:
    """A null answer beside a real one, which a response without a word is not."""

    def derive(pair: Pair, drawn: Preference) -> Altered | None:
        other = next(side for side in SIDES if side != drawn)
        return _changed(pair, drawn, text) if getattr(pair, other).strip() else None

    return derive


def _repeat(pair: Pair, drawn: Preference) -> Altered:
    """One response twice, once with a newline after it: a judge refuses to read exact copies."""
    text: str = getattr(pair, next(iter(_worded(pair, drawn)), drawn))
    return _both(pair, drawn, f"{text}\n", text)

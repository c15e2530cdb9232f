"""Contamination with an evaluation set: prompts that share an n-gram of words with a benchmark's.

Seven words by default, the rule of HelpSteer2-Preference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import Finding
from judge.data.checks.grams import gram_hashes, text_hash, words
from judge.data.checks.rows import CheckedRow
from judge.pair import Message

SIZE = 7
"""Words of the n-gram."""
TEMPLATE_WORDS, TEMPLATE_SHARE, TEMPLATE_ROWS, TEMPLATE_PROMPTS = 4, 0.02, 10, 3
"""Four words in a row that 2 % of a benchmark's rows (10 at least) and three different prompts have
are its template, as "What happened as a result?": an n-gram with two or more of its words says
little of the rest."""
_MOST_ROWS, _MOST_RUNS = 50, 5


class Overlap(NamedTuple):
    """What a prompt shares with a benchmark."""

    only_template: bool
    """Whether every shared n-gram is mostly of a template, and no benchmark prompt is found whole.
    """
    shares: dict[str, float]
    """Of each benchmark row that shares an n-gram, the share of its n-grams found, 0 to 1."""
    shared: list[str]
    """The runs of words in common, joined where n-grams overlap, in the order of the prompt."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """The words of a prompt by message; the system's are the same for everybody and left out."""

    messages: tuple[tuple[str, ...], ...]

    def pieces(self, size: int) -> Iterator[tuple[str, ...]]:
        """Yield what n-grams are taken from: a short prompt is one n-gram, whatever its length."""
        if any(len(message) >= size for message in self.messages):
            yield from self.messages
        else:
            yield tuple(word for message in self.messages for word in message)


def _prompt(messages: Sequence[Message]) -> _Prompt:
    return _Prompt(tuple(tuple(words(m.content)) for m in messages if m.role != "system"))


def _grams(piece: tuple[str, ...], size: int, salt: int) -> tuple[list[int], int]:
    """Return the hashes of the n-grams of ``piece`` and their length in words."""
    if 0 < len(piece) < size:
        return [(text_hash(" ".join(piece)) + salt) % 2**64], len(piece)
    return gram_hashes(piece, size, salt).tolist(), size


class BenchmarkPrompts:
    """The n-grams of a benchmark's prompts, to look others up in.

    Memory: about 0.4 kB an n-gram. Hashes only find candidates; words decide.

    Args:
        name: the file or hub id, for findings.
        prompts: row id and messages of every row.
        size: words of an n-gram.
    """

    def __init__(
        self, name: str, prompts: Iterable[tuple[str, Sequence[Message]]], size: int = SIZE
    ) -> None:
        self.name, self.size = name, size
        by_prompt: dict[_Prompt, list[str]] = {}
        self.rows = 0
        for row_id, messages in prompts:
            by_prompt.setdefault(_prompt(messages), []).append(row_id)
            self.rows += 1
        self._ids = [sorted(ids) for ids in by_prompt.values()]
        self.found: set[str] = set()
        """Rows of the benchmark that shared more than a template with a prompt looked up."""
        self._templates = _templates(by_prompt)
        self._salt = 0
        while not self._index(list(by_prompt)):
            self._salt += 1

    def _index(self, prompts: list[_Prompt]) -> bool:
        """Fill the index; return False when two n-grams of different words have one hash."""
        self._owners: dict[int, list[int]] = {}
        self._text: dict[int, tuple[str, ...]] = {}
        self._counts: list[int] = []
        for number, prompt in enumerate(prompts):
            mine: set[int] = set()
            for piece in prompt.pieces(self.size):
                hashes, length = _grams(piece, self.size, self._salt)
                for place, value in enumerate(hashes):
                    gram = piece[place : place + length]
                    if self._text.setdefault(value, gram) != gram:
                        return False
                    mine.add(value)
            for value in mine:
                self._owners.setdefault(value, []).append(number)
            self._counts.append(len(mine))
        return True

    def overlap(self, messages: Sequence[Message]) -> Overlap | None:
        """Return what the prompt shares with the benchmark, None where nothing."""
        hits: set[int] = set()
        only_template = True
        shared: dict[str, None] = {}
        for piece in _prompt(messages).pieces(self.size):
            hashes, length = _grams(piece, self.size, self._salt)
            start = end = -1
            template = self._in_template(piece)
            for place, value in enumerate(hashes):
                if value not in self._text or self._text[value] != piece[place : place + length]:
                    continue
                hits.add(value)
                only_template &= sum(template[place : place + length]) > 1
                if place > end:
                    if end > start:
                        shared[" ".join(piece[start:end])] = None
                    start = place
                end = place + length
            if end > start:
                shared[" ".join(piece[start:end])] = None
        if not hits:
            return None
        shares = self._shares(hits)
        return Overlap(only_template and max(shares.values()) < 1, shares, list(shared))

    def _in_template(self, piece: tuple[str, ...]) -> bytearray:
        """Return 1 for each word of ``piece`` that is part of a template."""
        marks = bytearray(len(piece))
        for i in range(len(piece) - TEMPLATE_WORDS + 1 if self._templates else 0):
            if piece[i : i + TEMPLATE_WORDS] in self._templates:
                marks[i : i + TEMPLATE_WORDS] = b"\1" * TEMPLATE_WORDS
        return marks

    def _shares(self, hits: set[int]) -> dict[str, float]:
        counts: dict[int, int] = {}
        for value in hits:
            for number in self._owners[value]:
                counts[number] = counts.get(number, 0) + 1
        found = {
            row_id: count / self._counts[number]
            for number, count in counts.items()
            for row_id in self._ids[number]
        }
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _templates(prompts: Mapping[_Prompt, Sequence[str]]) -> set[tuple[str, ...]]:
    """Return the runs of words that are a template, of prompts with the ids of their rows."""
    in_prompts: Counter[tuple[str, ...]] = Counter()
    in_rows: Counter[tuple[str, ...]] = Counter()
    for prompt, ids in prompts.items():
        mine = {
            message[i : i + TEMPLATE_WORDS]
            for message in prompt.messages
            for i in range(len(message) - TEMPLATE_WORDS + 1)
        }
        in_prompts.update(mine)
        in_rows.update(dict.fromkeys(mine, len(ids)))
    least = max(TEMPLATE_ROWS, TEMPLATE_SHARE * sum(map(len, prompts.values())))
    return {
        run
        for run, count in in_prompts.items()
        if count >= TEMPLATE_PROMPTS and in_rows[run] >= least
    }


def contamination_findings(
    row: CheckedRow, benchmarks: Sequence[BenchmarkPrompts]
) -> Iterator[Finding]:
    """Yield one finding for each benchmark whose prompts share an n-gram with the row's."""
    for benchmark in benchmarks:
        overlap = benchmark.overlap(row.prompt)
        if overlap is None:
            continue
        if not overlap.only_template:
            benchmark.found.update(overlap.shares)
        best = max(overlap.shares.values())
        runs = sorted(overlap.shared, key=lambda run: (-len(run), run))
        rows = list(overlap.shares.items())
        short = "/".join(benchmark.name.rsplit("/", 2)[-2:])
        yield Finding(
            check="shared_template" if overlap.only_template else "contamination",
            ids=(row.row_id,),
            where=("prompt",),
            detail=f"{len(rows)} rows of {short}, {100 * best:.0f} % of the closest prompt",
            excerpt=excerpt(runs[0]),
            more={
                "benchmark": benchmark.name,
                "benchmark_rows": [[name, round(share, 4)] for name, share in rows[:_MOST_ROWS]],
                "benchmark_row_count": len(rows),
                "shared": [excerpt(run) for run in runs[:_MOST_RUNS]],
            },
        )

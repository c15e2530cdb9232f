"""Rows and prompts that repeat each other: the same, nearly so, in two splits, contradicting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from judge.data.checks.corpus import UNDECIDED, Corpus, Lookup, prompt_words
from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import CheckName, Finding
from judge.data.checks.grams import words
from judge.data.checks.near import MIN_WORDS, clusters, jaccard, shingles
from judge.data.checks.rows import CheckedRow

MAX_RATING_SPREAD = 20
"""Mean helpfulness, times ten: ratings of one response further apart than 2 contradict each other,
the spread above which the paper drops a task."""
_Found = tuple[Finding, list[int]]
"""A finding still without ids and excerpt, and its rows."""


def repeat_findings(
    corpus: Corpus, again: Iterable[CheckedRow], threshold: float = 0.0
) -> Iterator[Finding]:
    """Yield what rows of ``corpus`` have in common.

    Args:
        again: the same rows in the same order, once more; read only where something was found, for
            excerpts and to compare nearly the same texts in full.
        threshold: smallest Jaccard similarity of nearly the same; 0 does not look for them.

    Memory: 8 bytes a word of the rows that may be near.
    """
    found = [*_same_rows(corpus), *_same_prompts(corpus)]
    near = _Near(corpus, threshold) if threshold and corpus.row_bands is not None else None
    first_rows = {min(rows, key=corpus.row_id) for _, rows in found}
    excerpts: dict[int, str] = {}
    if first_rows or (near and near.rows):
        for number, row in enumerate(again):
            candidate = near is not None and number in near.rows
            if candidate or number in first_rows:
                excerpts[number] = excerpt(row.prompt[-1].content)
            if near is not None and candidate:
                near.read(number, row)
    if near is not None:
        found += near.found()
    for finding, rows in found:
        shown = min((n for n in rows if n in excerpts), key=corpus.row_id)
        ids = tuple(sorted(map(corpus.row_id, rows)))
        yield replace(finding, ids=ids, excerpt=excerpts[shown])


def _same_rows(corpus: Corpus) -> Iterator[_Found]:
    for rows in Lookup(corpus.contents).repeated():
        labels = sorted({corpus.labels[n] for n in rows} - {UNDECIDED})
        if corpus.is_pair(rows[0]):
            contradict = bool(labels) and labels[0] < 0 < labels[-1]
            turned = sum(corpus.turned[n] for n in rows)
            fewer = min(turned, len(rows) - turned)
            detail = f"{len(rows)} times" + (f", {fewer} in flipped order" if fewer else "")
        else:
            contradict = bool(labels) and labels[-1] - labels[0] > MAX_RATING_SPREAD
            detail = f"{len(rows)} times"
        check: CheckName = "contradicting_duplicate" if contradict else "duplicate_row"
        yield Finding(check, (), (), detail), rows


def _same_prompts(corpus: Corpus) -> Iterator[_Found]:
    for rows in Lookup(corpus.prompts).repeated():
        if len({corpus.split(n) for n in rows}) > 1:
            yield Finding("prompt_in_two_splits", (), ("prompt",), _by_split(corpus, rows)), rows
        pairs: dict[str, list[int]] = {}
        for number in rows:
            if corpus.is_pair(number):
                pairs.setdefault(corpus.split(number), []).append(number)
        for split, numbers in pairs.items():
            if len({corpus.contents[n] for n in numbers}) > 1:
                detail = f"{len(numbers)} pairs in {split}"
                yield Finding("same_prompt", (), ("prompt",), detail), numbers


def _by_split(corpus: Corpus, rows: list[int]) -> str:
    counts = Counter(corpus.split(n) for n in rows)
    return ", ".join(
        f"{split} {counts[split]}" for split in ("train", "val", "test") if split in counts
    )


class _Near:
    """Nearly the same prompts and rows: candidates, their texts, what is left of them."""

    def __init__(self, corpus: Corpus, threshold: float) -> None:
        assert corpus.prompt_bands is not None and corpus.row_bands is not None
        self._corpus, self._threshold = corpus, threshold
        prompts, contents = Lookup(corpus.prompts), Lookup(corpus.contents)

        def first(lookup: Lookup, value: int) -> int:
            # Not the row that came first: another order of the rows finds the same.
            return min(lookup.rows(value), key=corpus.row_id)

        self._prompts = [
            (first(prompts, a), first(prompts, b)) for a, b in corpus.prompt_bands.candidates()
        ]
        pairs = [(first(contents, a), first(contents, b)) for a, b in corpus.row_bands.candidates()]
        self._pairs = [(a, b) for a, b in pairs if corpus.is_pair(a) == corpus.is_pair(b)]
        self.rows = {number for both in (*self._prompts, *self._pairs) for number in both}
        """Rows whose texts are needed."""
        self._texts: dict[int, list[_Text]] = {}

    def read(self, number: int, row: CheckedRow) -> None:
        """Keep what is compared of a row: its prompt, then its responses."""
        tokens = [prompt_words(row.prompt), *map(words, row.responses)]
        self._texts[number] = [_Text(t) for t in tokens]

    def found(self) -> Iterator[_Found]:
        """Yield the groups that are near."""
        corpus = self._corpus
        lookup = Lookup(corpus.prompts)
        for members, lowest in clusters(self._prompts, self._of_prompts, self._threshold):
            rows = [n for member in members for n in lookup.rows(corpus.prompts[member])]
            several = len({corpus.split(n) for n in rows}) > 1
            check: CheckName = "near_prompt_in_two_splits" if several else "near_prompt"
            detail = f"{len(members)} prompts, similarity {lowest:.2f}, {_by_split(corpus, rows)}"
            yield Finding(check, (), ("prompt",), detail), rows
        lookup = Lookup(corpus.contents)
        for members, lowest in clusters(self._pairs, self._of_rows, self._threshold):
            rows = [n for member in members for n in lookup.rows(corpus.contents[member])]
            detail = f"{len(members)} rows, similarity {lowest:.2f}, {_by_split(corpus, rows)}"
            yield Finding("near_row", (), (), detail), rows

    def _of_prompts(self, first: int, second: int) -> float:
        return self._texts[first][0].similarity(self._texts[second][0])

    def _of_rows(self, first: int, second: int) -> float:
        prompt = self._of_prompts(first, second)
        if prompt < self._threshold:
            return 0.0
        mine, others = self._texts[first][1:], self._texts[second][1:]
        orders = [others, others[::-1]]
        return min(
            prompt,
            max(min(a.similarity(b) for a, b in zip(mine, o, strict=True)) for o in orders),
        )


class _Text:
    """A text to compare: equal in its words, or by the runs of three of them."""

    def __init__(self, tokens: list[str]) -> None:
        self._short = " ".join(tokens) if len(tokens) < MIN_WORDS else None
        self._shingles = shingles(tokens)

    def similarity(self, other: _Text) -> float:
        """Return the Jaccard similarity; of short texts whether their words are the same."""
        if self._short is not None or other._short is not None:
            return float(self._short == other._short)
        return jaccard(self._shingles, other._shingles)

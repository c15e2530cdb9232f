"""What justifications look like: the paper's Table 6."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

from judge.data.justification import POSITIONS, Position, sentences, split_justification
from judge.data.statistics.keywords import Keywords, keywords
from judge.data.statistics.numbers import Moments, counted, shares
from judge.data.statistics.report import JustificationsReport, StatementsReport

CAUSES = {
    "because": r"\bbecause\b",
    "since": r"\bsince\b",
    "as it, they, this": r"\bas (?:it|they|this|that|there)\b",
    "due to": r"\bdue to\b",
    "owing to": r"\bowing to\b",
    "thanks to": r"\bthanks to\b",
}
"""Words with which a statement gives its reason; the paper counts because, due to, owing to."""
_CAUSES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in CAUSES.items()}
_ANY_CAUSE = re.compile("|".join(CAUSES.values()), re.IGNORECASE)
_NAMED = re.compile(r"@\s?response\s?([12])(?!\d)", re.IGNORECASE)
SIZES = ("sentences", "characters", "words", "statement_words", "elaboration_words")
WORDS_STEP, WORDS_STEPS = 25, 16
"""Bars of the length histogram: 0 to 24 words, 25 to 49 ..., and all from 400 on."""


@dataclass(frozen=True)
class Measured:
    """One justification, measured; nothing of its text is kept."""

    position: Position
    better: Literal[1, 2] | None
    causes: frozenset[str]
    both_named: bool
    sizes: dict[str, int]
    """Sentences, characters and words of the whole; words of statement and elaboration."""
    keywords: frozenset[str]


def measure(text: str) -> Measured | None:
    """Return the measurements of a justification, None of an empty one."""
    if not text.strip():
        return None
    split = split_justification(text)
    statement = split.statement
    return Measured(
        position=split.position,
        better=split.better,
        causes=_causes(statement),
        both_named=len(set(_NAMED.findall(statement))) == 2,
        sizes={
            "sentences": len(sentences(text)),
            "characters": len(text),
            "words": len(text.split()),
            "statement_words": len(statement.split()),
            "elaboration_words": len(split.elaboration.split()),
        },
        keywords=keywords(text),
    )


def _causes(statement: str) -> frozenset[str]:
    if not _ANY_CAUSE.search(statement):
        return frozenset()
    return frozenset(name for name, cause in _CAUSES.items() if cause.search(statement))


class Justifications:
    """Counts over measured justifications and the strengths they came with."""

    def __init__(self) -> None:
        self._empty = self._both = self._contradicts = 0
        self._positions: Counter[str] = Counter()
        self._better: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._any_cause = 0
        self._sizes: defaultdict[str, Moments] = defaultdict(Moments)
        self._histogram: Counter[int] = Counter()
        self._keywords = Keywords()

    def add(self, measured: Measured | None, strength: int) -> None:
        """Count one justification and its annotation's strength, -3 to 3 without 0."""
        if measured is None:
            self._empty += 1
            return
        self._positions[measured.position] += 1
        for name, size in measured.sizes.items():
            self._sizes[name].add(size)
        self._histogram[min(measured.sizes["words"] // WORDS_STEP, WORDS_STEPS)] += 1
        self._keywords.add(measured.keywords)
        if measured.better is not None:
            self._better[f"response_{measured.better}"] += 1
            self._contradicts += measured.better != (1 if strength < 0 else 2)
            self._both += measured.both_named
            if measured.causes:
                self._causes.update(measured.causes)
                self._any_cause += 1

    def report(self) -> JustificationsReport:
        """Return the statistics; what concerns statements is a share of those with a statement."""
        count = self._positions.total()
        statements = count - self._positions["none"]
        causes = {**{name: self._causes[name] for name in CAUSES}, "any": self._any_cause}
        better = {name: self._better[name] for name in ("response_1", "response_2")}
        return JustificationsReport(
            count=count,
            empty=self._empty,
            with_statement=statements,
            positions=shares({name: self._positions[name] for name in POSITIONS}, count),
            sizes={name: self._sizes[name].report() for name in SIZES},
            words_histogram={_bar(bar): self._histogram[bar] for bar in range(WORDS_STEPS + 1)},
            statements=StatementsReport(
                causes=shares(causes, statements),
                both_named=counted(self._both, statements),
                better=shares(better, statements),
                contradict_strength=counted(self._contradicts, statements),
            ),
            keywords=self._keywords.report(),
        )


def _bar(bar: int) -> str:
    low = bar * WORDS_STEP
    return f"{low} or more" if bar == WORDS_STEPS else f"{low} to {low + WORDS_STEP - 1}"

"""Which attribute a justification speaks of: keyword analysis as in the paper's Table 7.

The paper's word lists are not at hand, so these are our own: the words of HelpSteer2's attribute
definitions and of its ranking guidelines, their opposites and their inflected forms. A share that
differs from the paper's is therefore no sign of other data. A word stands in one list only.
"""

from __future__ import annotations

import re
from collections import Counter

from judge.annotated import Attribute
from judge.data.statistics.numbers import counted, shares
from judge.data.statistics.report import Counted, KeywordsReport

WORDS: dict[Attribute, tuple[str, ...]] = {
    "correctness": (
        *("correct", "correctly", "correctness", "incorrect", "incorrectly"),
        *("accurate", "accurately", "accuracy", "inaccurate", "inaccurately", "inaccuracy"),
        *("inaccuracies", "factual", "factually", "truthful", "truthfulness", "false", "wrong"),
        *("wrongly", "error", "errors", "erroneous", "mistake", "mistakes", "mistaken"),
        *("misleading", "hallucinates", "hallucinated", "hallucination", "hallucinations"),
    ),
    "helpfulness": (
        *("helpful", "helpfully", "helpfulness", "unhelpful", "useful", "usefulness", "useless"),
        *("instruction", "instructions", "relevant", "relevance", "irrelevant", "fulfills"),
        *("fulfilled", "fulfilling", "satisfies", "satisfy", "addresses", "requested"),
    ),
    "coherence": (
        *("coherent", "coherently", "coherence", "incoherent", "clear", "clearer", "clearly"),
        *("clarity", "unclear", "confusing", "confused", "consistent", "consistency"),
        *("inconsistent", "contradicts", "contradictory", "contradiction", "organized"),
        *("organised", "structured", "readable", "readability"),
    ),
    "complexity": (
        *("complex", "complexity", "complicated", "simple", "simpler", "simplistic", "basic"),
        *("sophisticated", "technical", "advanced", "expertise", "jargon"),
    ),
    "verbosity": (
        *("verbose", "verbosity", "wordy", "long", "longer", "lengthy", "lengthier", "short"),
        *("shorter", "brief", "briefer", "concise", "concisely", "conciseness", "succinct"),
        *("succinctly", "detail", "details", "detailed", "elaborate", "elaborates", "redundant"),
        *("repetitive", "repeats", "rambling"),
    ),
}
_ATTRIBUTE = {word: attribute for attribute, words in WORDS.items() for word in words}
_KNOWN = frozenset(_ATTRIBUTE)
_REMOVED = re.compile(r"[^\w\s]|_")


def keywords(text: str) -> frozenset[str]:
    """Return the keywords of a justification, each once.

    As in the paper, the text is lower-cased and everything but letters, digits and white space is
    removed: "Well-structured!" is the word "wellstructured", and no keyword.
    """
    return _KNOWN.intersection(_REMOVED.sub("", text.lower()).split())


class Keywords:
    """Counts keywords over justifications."""

    def __init__(self) -> None:
        self._count = self._any = 0
        self._words: Counter[str] = Counter()
        self._attributes: Counter[str] = Counter()

    def add(self, found: frozenset[str]) -> None:
        """Count the keywords of one justification, as :func:`keywords` gives them."""
        self._count += 1
        if not found:
            return
        self._any += 1
        self._words.update(found)
        self._attributes.update({_ATTRIBUTE[word] for word in found})

    def report(self) -> KeywordsReport:
        """Return shares of justifications by attribute and by word; a word not met is left out."""
        return KeywordsReport(
            justifications=self._count,
            any=counted(self._any, self._count),
            attributes=shares({name: self._attributes[name] for name in WORDS}, self._count),
            words={attribute: self._met(words) for attribute, words in WORDS.items()},
        )

    def _met(self, words: tuple[str, ...]) -> dict[str, Counted]:
        counts = {word: self._words[word] for word in words if self._words[word]}
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return shares(dict(ranked), self._count)

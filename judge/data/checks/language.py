"""Texts in a language other than the expected one, by py3langid's model, which ships with it.

Only texts about which the model is nearly certain are found, and never one that reads like English
where English is expected: code, names and lists of numbers are no foreign language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import Finding
from judge.data.checks.rows import CheckedRow
from judge.errors import UsageError

CERTAIN = 0.9
"""Smallest probability of the other language, as the model says it."""
UNLIKELY = 0.01
"""Or, of a text that is not in Latin letters, largest probability of the expected language."""
_GLANCE, _READ = 400, 2000
_LETTERS = 30
_LETTERS_OTHER_SCRIPT = 8
_ENGLISH_SURELY, _ENGLISH_MAYBE = 0.2, 0.08
"""Shares of English function words: above the first, in the first 400 characters or in all that is
read, nobody asks the model; between the two only where the letters are not Latin."""
_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|<[^<>\n]{1,200}>", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ENGLISH_WORDS = """
the a an and or but if of to in on at for from by with as is are was were be been being have has had
do does did not it its this that these those i you he she we they my your his her our their what
which who when where how why can could will would should may might must there here so than then
because about into out up down all any some more most other such only just me him them us
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
# What a ``language`` column calls the languages of HelpSteer3 and of chat logs.
_CODES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el",
    "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it",
    "japanese": "ja", "korean": "ko", "norwegian": "no", "persian": "fa", "polish": "pl",
    "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv",
    "thai": "th", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
}  # fmt: skip


class LanguageCheck:
    """Finds rows in another language than ``expected``, an ISO 639-1 code.

    The model (4 MB, 50 MB in memory) is loaded when the first text needs it.

    Raises:
        UsageError: when the model does not know ``expected``.
    """

    def __init__(self, expected: str) -> None:
        self.expected = expected
        if expected not in _CODES.values() and expected not in _model().nb_classes:
            raise UsageError(
                f"language {expected!r} is not known; expected a code such as en or de"
            )

    def __call__(self, row: CheckedRow) -> Iterator[Finding]:
        """Yield at most one finding: which texts, in which language."""
        names = ("prompt", *row.response_names)
        prompt = "\n".join(m.content for m in row.prompt if m.role == "user")
        found: dict[str, str] = {}
        shown = ""
        declared = row.columns.get("language", "").strip().lower()
        code = _CODES.get(declared, declared if declared in _CODES.values() else self.expected)
        if code != self.expected:
            found["language column"], shown = code, prompt
        for name, text in zip(names, (prompt, *row.responses), strict=True):
            language = self.foreign(text)
            if language is not None:
                found[name], shown = language, shown or text
        if found:
            detail = ", ".join(sorted(set(found.values())))
            yield Finding("foreign_language", (row.row_id,), tuple(found), detail, excerpt(shown))

    def foreign(self, text: str) -> str | None:
        """Return the language of ``text`` where it is surely not the expected one."""
        if self.expected == "en" and _english_share(text[:_GLANCE].split()) >= _ENGLISH_SURELY:
            return None
        text = _NO_PROSE.sub(" ", text[:_READ])
        tokens = _WORD.findall(text)
        letters = sum(map(len, tokens))
        latin = len(_LATIN.findall(text))
        in_latin = 2 * latin > letters
        if letters < (_LETTERS if in_latin else _LETTERS_OTHER_SCRIPT):
            return None
        limit = _ENGLISH_MAYBE if in_latin else _ENGLISH_SURELY
        if self.expected == "en" and _english_share(tokens) >= limit:
            return None
        language, probability = _model().classify(" ".join(tokens))
        if probability < CERTAIN:
            # A short text in another script: sure of what it is not, less of what it is.
            chance = dict(_model().rank(" ".join(tokens)))[self.expected]
            return None if in_latin or chance > UNLIKELY else str(language)
        return None if language == self.expected else str(language)


@lru_cache(maxsize=1)
def _model() -> Any:
    from py3langid.langid import (  # type: ignore[import-untyped]
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _english_share(tokens: list[str]) -> float:
    """Return the share of English function words, 0 to 1."""
    return sum(map(_ENGLISH.__contains__, map(str.lower, tokens))) / max(1, len(tokens))

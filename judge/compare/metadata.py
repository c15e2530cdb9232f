"""What is known of a pair besides who decides what: its content, its lengths, its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import Any

from judge.annotated import UNNAMED
from judge.compare.systems import Origin
from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.pairs import read_row
from judge.formats.records import Record, Source
from judge.formats.rows import COLUMNS, content_id
from judge.formats.sources import FileSource, open_source
from judge.idset import IdSet
from judge.pair import Pair

USUAL_COLUMNS = ("source", *COLUMNS)
LANGUAGE = "language"
UNSURE = "unsure"
_CERTAIN = 0.9
_GLANCE = 400
"""Characters of each text by which the language is told."""


@dataclass(frozen=True, slots=True)
class PairMetadata:
    """What is known of one pair; None where only its id and columns are."""

    columns: Mapping[str, str]
    content: str | None = None
    """Hash of prompt and responses: the same wherever the pair stands."""
    exchanged: str | None = None
    """The hash of the same pair with its responses exchanged."""
    lengths: tuple[int, int] | None = None
    """Characters of Response 1 and Response 2."""
    turns: int | None = None
    """The user's messages."""

    def flipped(self) -> PairMetadata:
        """Return the metadata of the flipped pair; twice is the identity."""
        lengths = None if self.lengths is None else self.lengths[::-1]
        return PairMetadata(self.columns, self.exchanged, self.content, lengths, self.turns)


def metadata_of(pair: Pair, columns: Mapping[str, str]) -> PairMetadata:
    """Return the metadata of a pair."""
    return PairMetadata(
        columns=columns,
        content=content_id(pair.prompt, pair.response_1, pair.response_2),
        exchanged=content_id(pair.prompt, pair.response_2, pair.response_1),
        lengths=(len(pair.response_1), len(pair.response_2)),
        turns=sum(message.role == "user" for message in pair.prompt),
    )


def judged_input(origin: Origin) -> Source:
    """Return the input of a run, as it was judged.

    Raises:
        UsageError: when it cannot be read, or is not what was judged.
    """
    if origin.input == "-":
        raise UsageError("the pairs came from the standard input, which is gone")
    source = open_source(origin.input, origin.split, origin.subset, origin.revision)
    if source.identity() != origin.identity:
        raise UsageError(f"{origin.input} is not the input that was judged")
    return source


def read_metadata(origin: Origin, columns: Collection[str] = ()) -> dict[str, PairMetadata]:
    """Return the metadata of every pair of a run's input, by the id that the run gave it.

    Where no column says a pair's language, its texts do.

    Args:
        columns: fields of the rows to keep besides :data:`USUAL_COLUMNS`.

    Raises:
        UsageError: when the input cannot be read, or is not what was judged.
    """
    source = judged_input(origin)
    if isinstance(source, FileSource):
        source = FileSource.open(source.path, labels=True)
    found: dict[str, PairMetadata] = {}
    shared: dict[tuple[str, ...], Mapping[str, str]] = {}  # most pairs' columns are some others'
    seen = IdSet()
    wanted = dict.fromkeys((*USUAL_COLUMNS, *columns))
    for record in source.records():
        try:
            fields = row_fields(record.row)
        except RowError:
            continue
        there = Record(record.line, fields)
        pair = read_row(there, seen, origin.strip_thinking, origin.empty_responses)
        if isinstance(pair, Pair):
            own = columns_of(fields, wanted)
            if LANGUAGE not in own:
                own[LANGUAGE] = language_of(pair)
            same = shared.setdefault((*own, *own.values()), own)
            found[pair.pair_id] = metadata_of(pair, same)
    return found


def columns_of(fields: Mapping[str, Any], wanted: Collection[str]) -> dict[str, str]:
    """Return the wanted fields of a row that hold one text, number or truth value."""
    found = {}
    for name in wanted:
        value = fields.get(name)
        if isinstance(value, str | int | float) and value not in ("", UNNAMED):
            found[intern(name)] = intern(str(value))
    return found


def language_of(pair: Pair) -> str:
    """Return the ISO 639-1 code that py3langid gives the pair's texts, ``unsure`` below 0.9."""
    user = "\n".join(message.content for message in pair.prompt if message.role == "user")
    glances = (text[:_GLANCE] for text in (user, *sorted((pair.response_1, pair.response_2))))
    language, probability = _model().classify("\n".join(glances))
    return intern(str(language)) if probability >= _CERTAIN else UNSURE


@lru_cache(maxsize=1)
def _model() -> Any:
    from py3langid.langid import (  # type: ignore[import-untyped]
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
